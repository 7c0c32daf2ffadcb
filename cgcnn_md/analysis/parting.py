"""Two clusters where merging sees one: two large halves, or the two states of a process."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from cgcnn_md.analysis.halves import STABLE, Halves, either
from cgcnn_md.analysis.membership import AtLag
from cgcnn_md.analysis.processes import find_processes, lags_around
from cgcnn_md.analysis.valley import NEAR, PASS, Valley
from cgcnn_md.analysis.valley_clusters import FEWEST, ValleyClusters
from cgcnn_md.frame import Floats

_KEEPS = 0.5  # autocorrelation of being in a cluster over one lag: of those beyond chance, half are in it still
_FRAMES = 2.0  # that a stay lasts at least: what is shorter is not resolved
_HALF = 0.61  # density left in a valley, over a barrier of 0.5 kT, that is a valley at all
_LARGE = 0.25  # of all points, that each of the two holds at least
_HOLDS = 0.75  # autocorrelation over one lag of the side of the valley that an atom is on
_SMALL = 0.01  # of all points, that either side of a barrier holds: what is rarer lies apart, and merging finds it
_MEANS = 20  # times that two means are moved
_TURNS = 30  # times that a direction is turned to that in which atoms move that cross it
_STILL = 1 - 1e-6  # cosine of a turn that is none


def in_two(
    points: Floats, halves: Halves, pairs: tuple[Floats, Floats] | None, lag: int, whole: ValleyClusters
) -> tuple[ValleyClusters, float] | None:
    """Part the largest cluster where one coordinate parts it into two large halves; give the stability of that.

    The slowest coordinate that does. Between many groups in many coordinates such a valley is filled by what is rare,
    and by the atoms between two phases, and is not found by merging. It must be as deep as where groups merge, be where
    it is on halves, those of the atoms among them (a few atoms are no phases), and crossed seldom.
    """
    mine = whole.labels_ == 0
    if mine.mean() < 2 * _LARGE or "atoms" not in halves:
        return None
    inside, halves = points[mine], {way: half[mine] for way, half in halves.items()}
    for axis in np.eye(points.shape[1]):
        found = _two_again(inside, halves, axis, _LARGE * len(points))
        if found is None or found[0].ratio > PASS:
            continue
        parted = whole.parted(0, found[0], points)
        if pairs is None or (_holds(pairs, whole, found[0]) and outlasting(parted, pairs, lag).all()):
            return parted, found[1]
    return None


def by_process(
    points: Floats, halves: Halves, pairs: tuple[Floats, Floats], lag: int, at_lag: AtLag
) -> tuple[ValleyClusters, float] | None:
    """Part all points by the slowest process along which there is a high barrier; give the stability of that.

    Where there is none, by the slowest whose barrier is nearly high enough (`NEAR`).

    Among many coordinates, of continua as slow as itself, a process with two states is a mixture of them, and no
    valley is seen between groups. So its direction, where there is a valley along it at all, is turned to where that
    is deepest, from itself on and from the direction in which atoms move that cross from one state to the other.
    """
    one = ValleyClusters(n_groups=1).fit(points)
    drawn = [pairs if other == lag else at_lag(other) for other in lags_around(lag)]
    enough = [ends for ends in drawn if ends is not None and len(ends[0]) >= FEWEST]
    processes = find_processes(enough) if enough else np.zeros((points.shape[1], 0))
    apart, now, later = (each @ processes for each in (points, *pairs))
    least, almost = _SMALL * len(points), None
    for unit in np.eye(processes.shape[1]):
        if _two_along(points, processes @ unit).ratio > _HALF:
            continue
        moved = across(apart, now, later, unit)
        own, crossed = (_two_along(points, processes @ near, turned=True) for near in (unit, moved))
        large = least <= crossed.beyond(points).sum() <= len(points) - least
        deepest = crossed if large and crossed.ratio < own.ratio else own
        found = _two_again(points, halves, deepest.axis, least, turned=True)
        if found is None or found[0].ratio > NEAR or (almost is not None and found[0].ratio > PASS):
            continue
        parted = one.parted(0, found[0], points)
        if not outlasting(parted, pairs, lag).all():
            continue
        if found[0].ratio <= PASS:
            return parted, found[1]
        almost = parted, found[1]
    return almost


def across(points: Floats, now: Floats, later: Floats, axis: Floats) -> Floats:
    """Turn a direction to that in which atoms move when they cross the middle between the two groups along it.

    What is no part of the process moves them either way, and so not on the mean; what is, moves them along. Repeated
    until the direction stays, or too few cross. Coordinates are uncorrelated and of unit variance: there the direction
    that tells two groups apart best is that from one to the other.

    Parameters
    ----------
    points
        Uncorrelated coordinates of unit variance, shape (n_points, n).
    now, later
        The same of atoms now and one lag later, each of shape (n_pairs, n).
    axis
        Direction to begin with, shape (n,), of length 1.

    Returns
    -------
    Floats
        Direction of length 1, shape (n,).
    """
    for _ in range(_TURNS):
        line, side = points @ axis, _two_along(points, axis).beyond(points)
        if not 0 < side.sum() < len(side):
            break
        border = (line[side].mean() + line[~side].mean()) / 2
        before, after = now @ axis > border, later @ axis > border
        crosses = before != after
        if crosses.sum() < FEWEST:
            break
        moved = np.where(after[crosses], 1.0, -1.0) @ (later[crosses] - now[crosses])
        old, axis = axis, moved / np.linalg.norm(moved)
        if old @ axis > _STILL:
            break
    return axis


def other_and_deeper(new: ValleyClusters, old: ValleyClusters) -> bool:
    """Tell whether clusters are others than those there were, parted by half of the density at most."""
    return new.valley_ <= old.valley_ / 2 and adjusted_rand_score(new.labels_, old.labels_) < STABLE


def _two_again(
    points: Floats, halves: Halves, axis: Floats, least: float, *, turned: bool = False
) -> tuple[Valley, float] | None:
    """Find the valley along a direction, with how far halves agree, the least.

    None where there is none, or fewer than `least` points are on one side, or a half does not have it.
    """
    every = either(halves)
    if min(half.sum() for half in every) < 2 * FEWEST:
        return None
    valley = _two_along(points, axis, turned=turned)
    side = valley.beyond(points)
    if valley.ratio > _HALF or min(side.sum(), (~side).sum()) < least:
        return None
    again = [_two_along(points[half], axis, turned=turned) for half in every]
    alike = min(adjusted_rand_score(side, half.beyond(points)) for half in again)
    return None if alike < STABLE or max(half.ratio for half in again) > _HALF else (valley, float(alike))


def _two_along(points: Floats, axis: Floats, *, turned: bool = False) -> Valley:
    """Find the valley between the two groups that two means make of points along a direction.

    If it may be `turned`, two Gaussians of one covariance are fitted from these groups on; the direction that tells the
    two apart best is taken where the valley along it is deeper.
    """
    line = points @ axis
    border = float(line.mean())
    for _ in range(_MEANS):
        above = line > border
        if not 0 < above.sum() < len(line):
            return Valley(axis, border, 1.0)
        border = float(line[~above].mean() + line[above].mean()) / 2
    valley = _between(points, axis, above)
    above = valley.beyond(points)
    if turned and valley.ratio < _HALF and FEWEST <= above.sum() <= len(points) - FEWEST:
        axis, above = _two_gaussians(points, above)
        if FEWEST <= above.sum() <= len(points) - FEWEST:
            valley = min(valley, _between(points, axis, above), key=lambda each: each.ratio)
    return valley


def _between(points: Floats, axis: Floats, above: NDArray[np.bool_]) -> Valley:
    """Find the valley between two groups along a direction."""
    line = points @ axis
    return Valley.between(line[~above, None], line[above, None]).on(axis)


def _two_gaussians(points: Floats, above: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
    """Fit two Gaussians of one covariance, from two groups on; give the direction between them, and who is beyond."""
    means = np.stack([points[side].mean(axis=0) for side in (~above, above)])
    within = np.cov((points - means[above.astype(int)]).T) + 1e-6 * points.var() * np.eye(points.shape[1])
    mixture = GaussianMixture(
        2, covariance_type="tied", weights_init=[1 - above.mean(), above.mean()], means_init=means,
        precisions_init=np.linalg.inv(within), reg_covar=1e-6 * float(points.var()), init_params="random_from_data",
        random_state=0,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the valley is judged, wherever it stops
        mixture.fit(points)
    axis: Floats = mixture.precisions_ @ (mixture.means_[1] - mixture.means_[0])
    return axis, mixture.predict(points) == 1


def _holds(pairs: tuple[Floats, Floats], whole: ValleyClusters, valley: Valley) -> bool:
    """Tell whether atoms of the largest cluster stay on their side of a valley."""
    inside = (whole.predict(pairs[0]) == 0) & (whole.predict(pairs[1]) == 0)
    now, later = (valley.beyond(end[inside]) for end in pairs)
    both = 0 < now.mean() < 1 and 0 < later.mean() < 1
    return both and bool(np.corrcoef(now, later)[0, 1] >= _HOLDS)


def outlasting(fitted: ValleyClusters, pairs: tuple[Floats, Floats], lag: int) -> NDArray[np.bool_]:
    """Tell of every cluster whether atoms stay in it over one lag, beyond the share that is found there by chance."""
    n = fitted.n_clusters_
    stays, share = staying(fitted, pairs), np.bincount(fitted.labels_, minlength=n) / len(fitted.labels_)
    keeps = max(_KEEPS, float(np.exp(-lag / _FRAMES)))
    lasts: NDArray[np.bool_] = stays - share >= keeps * (1 - share)
    return lasts


def staying(fitted: ValleyClusters, pairs: tuple[Floats, Floats]) -> Floats:
    """Give the probability that an atom of each cluster is in it still after one lag; 1 for one too rare to tell."""
    now, later = fitted.predict(pairs[0]), fitted.predict(pairs[1])
    n = fitted.n_clusters_
    before = np.bincount(now, minlength=n)
    same = np.bincount(now[now == later], minlength=n)
    return np.where(before >= FEWEST, same / np.maximum(before, 1), 1.0)
