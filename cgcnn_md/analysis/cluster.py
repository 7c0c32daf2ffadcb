"""Clusters in the embedding: as many as density valleys part, and one where none does."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from cgcnn_md.analysis.halves import PLACES, STABLE, halve
from cgcnn_md.analysis.membership import AtLag, Membership, sure
from cgcnn_md.analysis.merging import Sample
from cgcnn_md.analysis.parting import staying
from cgcnn_md.analysis.valley_clusters import FEWEST, ValleyClusters
from cgcnn_md.frame import Floats, Ints
from cgcnn_md.states import SoftStates

_BIC_STEPS = 5  # of expectation-maximisation, from the clusters found


@dataclass(frozen=True)
class Evidence:
    """Why there are as many clusters as there are.

    Parameters
    ----------
    n_clusters
        Clusters found.
    n_coordinates
        Slow coordinates that survived on held-out time, in which clusters were sought.
    valley
        Of every pair of clusters, density in the valley over that of the lower peak; largest, so the weakest parting.
    stability
        Adjusted Rand index between clusters found on all data and on halves of the time and of the atoms, the least;
        None where the points are too few to try.
    bic_gain
        Bayesian information criterion of one Gaussian minus that of the mixture, per point.
    verdict
        The result in words.
    stays
        Probability that an atom is in its cluster still after one lag, least of all clusters; None where not known.
    surrogates
        How many of five surrogates without structure gave one cluster; None where none was tried.
    exchanges
        Of states that were trained: autocorrelation over one lag of each exchange between them, on held-out time.
    starts
        Of states that were trained: held-out score of every start.
    near
        Of one environment, density left in the valley of a parting in two that is nearly deep enough; 0 for none.
    """

    n_clusters: int
    n_coordinates: int
    valley: float
    stability: float | None
    bic_gain: float
    verdict: str
    stays: float | None = None
    surrogates: int | None = None
    exchanges: tuple[float, ...] = ()
    starts: tuple[float, ...] = ()
    near: float = 0.0


@dataclass(eq=False)
class SpeciesClusters:
    """Clusters of one species.

    Parameters
    ----------
    columns
        Coordinates that count.
    fitted
        Borders of the clusters; None for one environment, and for states that were trained.
    evidence
        Why there are so many.
    belongs
        Fuzzy membership, or the trained states; None where no time tells it.
    """

    columns: Ints
    fitted: ValleyClusters | None
    evidence: Evidence
    belongs: Membership | SoftStates | None = None
    n_clusters: int = field(init=False)

    def __post_init__(self) -> None:
        self.n_clusters = self.evidence.n_clusters

    def membership(self, embedding: NDArray[np.floating]) -> Floats:
        """Give how much each atom belongs to each cluster, shape (n_atoms, n_clusters); nan where not finite."""
        chi = np.full((len(embedding), self.n_clusters), np.nan)
        good = np.isfinite(embedding).all(axis=1)
        points = np.asarray(embedding[good][:, self.columns], dtype=np.float64)
        if self.belongs is not None and good.any():
            chi[good] = self.belongs(points)
        elif self.fitted is not None and good.any():
            chi[good] = np.eye(self.n_clusters)[self.fitted.predict(points)]
        else:
            chi[good] = 1.0
        return chi

    def predict(self, embedding: NDArray[np.floating]) -> Ints:
        """Give the cluster of each atom, shape (n_atoms,); -1 between clusters or where a coordinate is not finite."""
        return sure(np.nan_to_num(self.membership(embedding)))


def find_clusters(
    embedding: NDArray[np.floating], autocorrelation: Floats, when: NDArray[np.integer], *,
    where: NDArray[np.integer] | None = None, pairs: tuple[Floats, Floats] | None = None, lag: int = 1,
    at_lag: AtLag | None = None, chance: Floats | None = None, n_clusters: int | None = None, survive: float = 0.3,
    seed: int = 0,
) -> SpeciesClusters:  # fmt: skip
    """Find the environments of one species.

    Parameters
    ----------
    embedding
        Sampled slow coordinates, shape (n_points, n).
    autocorrelation
        Of each coordinate on held-out time, shape (n,).
    when
        Frame of every point, shape (n_points,).
    where
        Atom of every point, as of `halve`, shape (n_points,); None where not known.
    pairs
        Slow coordinates of atoms now and one lag later, each of shape (n_pairs, n); None where time is not known.
    lag
        Frames between both ends of a pair.
    at_lag
        Gives such pairs at other lags, or None where there are none; None where one lag is to tell all.
    chance
        Autocorrelation that shuffled pairs reach by chance, shape (n,); None for none.
    n_clusters
        Clusters wanted; None lets the data decide.
    survive
        Coordinates with less held-out autocorrelation, or no more than chance gives, are noise and not looked at.
    seed
        Seed of k-means.

    Returns
    -------
    SpeciesClusters
        With the evidence. In doubt the smaller number: clusters with a barrier below 1.5 kT between them (1.7 kT
        where there are more than two) are merged, and those that are not found again on halves (`halve`), or have too
        few points to try that, or are left within a lag or two frames; first the two whose merging loses the least of
        the slow motion.
    """
    points = np.asarray(embedding, dtype=np.float64)
    varied = points.std(axis=0) > 1e-9
    least = np.full(len(varied), survive) if chance is None else np.fmax(survive, chance)
    columns = np.flatnonzero((autocorrelation > least) & varied)
    if n_clusters is not None and len(columns) == 0:
        columns = np.flatnonzero(varied)[:2]
    if len(columns) == 0 or n_clusters == 1:
        slowest = f"largest autocorrelation {autocorrelation.max(initial=0.0):.2f}"
        if chance is not None:
            slowest += f", shuffled pairs reach {np.nanmax(chance, initial=0.0):.2f}"
        why = "one environment only: " + (
            "as asked" if n_clusters == 1
            else "all atoms are alike" if not varied.any()
            else f"no coordinate keeps its value over one lag ({slowest})"
        )  # fmt: skip
        return SpeciesClusters(columns, None, Evidence(1, 0, 0.0, 1.0, 0.0, why))
    chosen = points[:, columns]
    if pairs is not None:
        pairs = pairs[0][:, columns], pairs[1][:, columns]
    other = None if at_lag is None else partial(_of_columns, at_lag, columns)
    halves = halve(when, where)
    system = np.zeros(len(chosen), dtype=np.int64) if where is None else np.asarray(where // PLACES)
    sample = Sample(chosen, system, halves, pairs, lag, other, seed)
    believed = sample.believed()
    fitted, stability = believed.fitted, believed.stability
    if n_clusters is not None:
        fitted, stability = sample.as_asked(n_clusters, believed)
    found, seen = fitted.n_clusters_, believed.tree.n_clusters_
    gain = _bic_gain(chosen, fitted)
    told = "halves " + " and ".join(f"of the {way}" for way in halves)
    if found == 1:
        why = "one environment only: " + (
            f"{len(chosen)} points are too few to tell more" if len(chosen) < 4 * FEWEST
            else f"no density valley in {_coordinates(len(columns))}" if seen == 1
            else f"no parting by density valleys (up to {seen} groups) is deep, is found again on {told} and "
            "outlives a lag"
        )  # fmt: skip
        near = believed.almost[0].valley_ if believed.almost is not None else 0.0
        return SpeciesClusters(columns, None, Evidence(1, len(columns), 0.0, 1.0, gain, why, near=near))
    if stability is None:
        again = f"too few points to try {told}"
    else:
        again = f"{'' if stability >= STABLE else 'not '}found again on {told} (ARI {stability:.2f})"
    asked = "" if n_clusters is None else ", as asked," if n_clusters == found else f" of {n_clusters} asked,"
    why = f"{found} environments{asked} in {_coordinates(len(columns))}, {again}"
    stays = float(staying(fitted, pairs).min()) if pairs is not None else None
    evidence = Evidence(found, len(columns), fitted.valley_, stability, gain, why, stays)
    belongs = None if pairs is None else Membership.over_time(fitted.predict, found, pairs, lag, other)
    if belongs is not None and not set(range(found)) <= set(sure(belongs(chosen)).tolist()):
        belongs = None  # a cluster that no atom belongs to for sure would be empty
    return SpeciesClusters(columns, fitted, evidence, belongs)


def _of_columns(at_lag: AtLag, columns: Ints, lag: int) -> tuple[Floats, Floats] | None:
    """Give pairs at some lag in the coordinates that count."""
    pairs = at_lag(lag)
    return None if pairs is None else (pairs[0][:, columns], pairs[1][:, columns])


def _bic_gain(points: Floats, fitted: ValleyClusters) -> float:
    """Bayesian information criterion of one Gaussian less that of a Gaussian per cluster, per point."""
    n = fitted.n_clusters_
    if n == 1:
        return 0.0
    means = np.stack([points[fitted.labels_ == c].mean(axis=0) for c in range(n)])
    small = 1e-6 * max(float(points.var()), 1e-12)
    many = GaussianMixture(n, means_init=means, max_iter=_BIC_STEPS, reg_covar=small, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it starts where it should end
        many.fit(points)
    return float(GaussianMixture(1, reg_covar=small).fit(points).bic(points) - many.bic(points)) / len(points)


def _coordinates(n: int) -> str:
    return "the one slow coordinate" if n == 1 else f"the {n} slow coordinates"
