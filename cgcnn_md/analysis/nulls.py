"""The null test of clusters: data without structure must give one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.analysis.cluster import SpeciesClusters, find_clusters
from cgcnn_md.frame import Floats

SURROGATES = 5
_POINTS = 4_000  # of each


def try_surrogates(
    found: SpeciesClusters, embedding: NDArray[np.floating], when: NDArray[np.integer],
    where: NDArray[np.integer] | None = None, *, seed: int = 0,
) -> SpeciesClusters:  # fmt: skip
    """Seek clusters in surrogates of what clusters were found in, and add to the evidence how many gave one only.

    Surrogates are normal, with the mean of the data and their covariances between atoms and within one, so that no
    valley is in them but between places that few atoms keep. Where the data gave one cluster, they are tried once more
    with every coordinate of the data shuffled on its own, in time and among atoms; a surrogate counts if both give one
    cluster. Where the data gave several, shuffled coordinates would keep the valleys that lie along one of them, and
    are no null.

    Parameters
    ----------
    found
        Clusters of the data.
    embedding
        Points they were sought in, shape (n_points, n).
    when, where
        Frame and atom of every point, as of `find_clusters`.
    seed
        Seed of the surrogates and of the clusters in them.

    Returns
    -------
    SpeciesClusters
        With `surrogates` in its evidence, which for a single environment is said in the verdict where all agree;
        unchanged where no coordinate survived.
    """
    if found.evidence.n_coordinates == 0:
        return found
    rng = np.random.default_rng(seed)
    points = np.asarray(embedding[:, found.columns], dtype=np.float64)
    single = sum(_one_cluster(found, points, when, where, seed + i, rng) for i in range(SURROGATES))
    evidence = replace(found.evidence, surrogates=single)
    if found.n_clusters == 1 and single == SURROGATES:
        told = f"{evidence.verdict}; surrogates without structure give one cluster ({single} of {SURROGATES})"
        evidence = replace(evidence, verdict=told)
    return replace(found, evidence=evidence)


def _one_cluster(
    found: SpeciesClusters, points: Floats, when: NDArray[np.integer], where: NDArray[np.integer] | None, seed: int,
    rng: np.random.Generator,
) -> bool:  # fmt: skip
    """Tell whether surrogates of one seed give one cluster."""
    chosen = np.sort(rng.choice(len(points), min(_POINTS, len(points)), replace=False))
    tries = [_normal(points, where, rng)[chosen]]
    if found.n_clusters == 1:
        tries.append(rng.permuted(points, axis=0)[: len(chosen)])
    kept, its = np.ones(points.shape[1]), None if where is None else where[chosen]
    return all(find_clusters(t, kept, when[chosen], where=its, seed=seed).n_clusters == 1 for t in tries)


def _normal(points: Floats, where: NDArray[np.integer] | None, rng: np.random.Generator) -> Floats:
    """Draw points with the same mean and the same covariances, of what every atom keeps and of the rest."""
    atom = np.zeros(len(points), dtype=np.int64) if where is None else np.unique(where, return_inverse=True)[1]
    count = np.bincount(atom)
    kept = np.stack([np.bincount(atom, column) for column in points.T], axis=1) / count[:, None]

    def like(parts: Floats, n: int) -> Floats:
        covariance = np.atleast_2d(np.cov(parts, rowvar=False))
        drawn: Floats = rng.multivariate_normal(np.zeros(len(covariance)), covariance, n, method="eigh")
        return drawn

    drawn: Floats = points.mean(axis=0) + like(kept[atom], len(count))[atom] + like(points - kept[atom], len(points))
    return drawn
