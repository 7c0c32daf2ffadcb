"""Halves of the points, by time and by atoms, and whether clusters are found again on each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from cgcnn_md.analysis.valley_clusters import FEWEST, ValleyClusters
from cgcnn_md.frame import Floats, Ints

PLACES = 1_000_000
"""Places for the atoms of a system, one after another as in its file, and for its frames."""

STABLE = 0.8
"""Agreement (adjusted Rand index) below which clusters are not believed."""

_ALIKE = 0.75  # Jaccard index below which a cluster is not found again (C. Hennig, Comput. Stat. Data Anal. 52, 258)
_STRETCHES = 10  # of time, every other one of which makes a half
_BLOCKS = 40  # of atoms that follow each other in the file, so mostly of the same molecules
_FEWEST_ATOMS = 20  # without which halves of them say nothing

Halves = dict[str, NDArray[np.bool_]]
"""Ways to halve the points, each by its name: which points are in the second half, shape (n_points,)."""


@dataclass(frozen=True, eq=False)
class Again:
    """What each half of the points is parted into, where clusters may be found again.

    Parameters
    ----------
    points
        All points, shape (n_points, n).
    halves
        Which of them are in each half, each of shape (n_points,).
    own
        Clusters of each half, where its own valleys part it.
    """

    points: Floats
    halves: list[NDArray[np.bool_]]
    own: list[ValleyClusters]
    _parts: dict[tuple[int, int], Ints] = field(default_factory=dict, init=False)

    @classmethod
    def of(cls, points: Floats, ways: Halves, least: int, seed: int) -> Self | None:
        """Part every half into no fewer clusters than `least`; None where the points are too few."""
        every = either(ways)
        if min(half.sum() for half in every) < 2 * FEWEST:
            return None
        # with a seed of its own each, so that what an unlucky start of k-means made is not found again either
        own = [ValleyClusters(n_clusters=least, seed=s).fit(points[h]) for s, h in enumerate(every, start=seed + 1)]
        return cls(points, every, own)

    def stability(self, whole: ValleyClusters) -> float:
        """Give the agreement (adjusted Rand index) of clusters of all points with those by every half, the least."""
        every = range(len(self.halves))
        return min(max(float(adjusted_rand_score(whole.labels_, m)) for m in self._matched(h, whole)) for h in every)

    def found(self, whole: ValleyClusters) -> NDArray[np.bool_]:
        """Tell of every cluster whether every half has it too: by what both share over what either holds (Jaccard)."""
        alike = np.ones(whole.n_clusters_)
        clusters = np.arange(whole.n_clusters_)[:, None]
        for half in range(len(self.halves)):
            best = np.zeros(whole.n_clusters_)
            for again in self._matched(half, whole):
                here, there = whole.labels_ == clusters, again == clusters
                best = np.maximum(best, (here & there).sum(axis=1) / (here | there).sum(axis=1))
            alike = np.minimum(alike, best)
        enough: NDArray[np.bool_] = alike >= _ALIKE
        return enough

    def _matched(self, half: int, whole: ValleyClusters) -> Iterator[Ints]:
        """Give the clusters by a half: every part of it is taken for the cluster that most of its points are in.

        Its parts are those of its own valleys, or as many as there are clusters: it may have one between two phases,
        which is on neither side and no disagreement.
        """
        for n in {self.own[half].n_clusters_, whole.n_clusters_}:
            part = self._part(half, n)
            shared = np.zeros((int(part.max()) + 1, whole.n_clusters_), dtype=np.int64)
            np.add.at(shared, (part, whole.labels_), 1)
            yield shared.argmax(axis=1)[part]

    def _part(self, half: int, n: int) -> Ints:
        """Give the cluster of every point where a half is parted into so many."""
        if (half, n) not in self._parts:
            own = self.own[half]
            cut = own if n == own.n_clusters_ else own.cut(n, self.points[self.halves[half]])
            self._parts[half, n] = cut.predict(self.points)
        return self._parts[half, n]


def halve(when: NDArray[np.integer], where: NDArray[np.integer] | None = None) -> Halves:
    """Halve points by every other stretch of the time and by every other block of atoms.

    What atoms do that never leave their place is found again on any half of the time, one atom at a time; only other
    atoms tell whether it is an environment. Of one time, or of few atoms, there is the other way; of both, every other
    point.

    Parameters
    ----------
    when
        Frame of every point, shape (n_points,).
    where
        Atom of every point, shape (n_points,); None where not known. Numbers that differ by a multiple of `PLACES` are
        of atoms at the same place in other systems, of each of which either half holds some.
    """
    halves = {"time": _every_other(when, _STRETCHES)} if np.ptp(when) else {}
    if where is not None and len(np.unique(where)) >= _FEWEST_ATOMS:
        halves["atoms"] = _every_other(where % PLACES, _BLOCKS)
    return halves or {"atoms": np.arange(len(when)) % 2 == 1}


def either(halves: Halves) -> list[NDArray[np.bool_]]:
    """Give the first and the second half of the points by every way."""
    return [half for second in halves.values() for half in (~second, second)]


def _every_other(order: NDArray[np.integer], stretches: int) -> NDArray[np.bool_]:
    """Tell which points are in every other stretch of an order."""
    rank = np.unique(order, return_inverse=True)[1]
    n = int(rank.max()) + 1
    odd: NDArray[np.bool_] = rank * min(stretches, n) // n % 2 == 1
    return odd
