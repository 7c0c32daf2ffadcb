"""Which clusters to take together so that the least of the slow motion is lost."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.analysis.valley_clusters import ValleyClusters
from cgcnn_md.frame import Floats

_ALIKE = 0.1  # losses of kinetic variance that differ by less: one state that lasts for ever keeps 1


def fewer(fitted: ValleyClusters, counts: Floats | None, weak: NDArray[np.bool_]) -> ValleyClusters:
    """Merge the two clusters, one of them weak, that lose the least of the slow motion; without counts, the nearest.

    Parameters
    ----------
    fitted
        The clusters.
    counts
        Pair counts of their parts (`part_counts`); merging leaves these as they are.
    weak
        Clusters one of which is to be merged, shape (n_clusters,).
    """
    if counts is None:
        allowed = np.triu(weak[:, None] | weak, 1)
        a, b = np.unravel_index(int(np.where(allowed, fitted.nearness(), -1.0).argmax()), allowed.shape)
        return fitted.merged(int(a), int(b))
    return fitted.merged(*cheapest_merge(_summed(counts, fitted.cluster_of_), fitted.nearness(), weak))


def kept(fitted: ValleyClusters, counts: Floats) -> float:
    """Give the kinetic variance that clusters keep, from pair counts of their parts."""
    return kinetic_variance(_summed(counts, fitted.cluster_of_))


def part_counts(fitted: ValleyClusters, pairs: tuple[Floats, Floats]) -> Floats:
    """Count pairs of points one lag apart by the parts of clusters, both ways in time, shape (n_parts, n_parts)."""
    return counts_of(fitted.parts(pairs[0]), fitted.parts(pairs[1]), len(fitted.cluster_of_))


def counts_of(now: NDArray[np.integer], later: NDArray[np.integer], n_clusters: int) -> Floats:
    """Count pairs of clusters one lag apart, both ways in time, shape (n_clusters, n_clusters)."""
    joint = np.bincount(now * n_clusters + later, minlength=n_clusters**2).reshape(n_clusters, n_clusters)
    counts: Floats = (joint + joint.T) / 2
    return counts


def kinetic_variance(counts: NDArray[np.floating]) -> float:
    r"""Give what clusters keep over one lag: :math:`\sum_{ab} C_{ab}^2 / (p_a p_b)`, with C and p normalised counts.

    That is the VAMP-2 score of the clusters' indicators, the sum of the squared eigenvalues of their transition matrix
    (H. Wu, F. Noé, J. Nonlinear Sci. 30, 23 (2020), doi:10.1007/s00332-019-09567-y): n for n states that never
    interconvert, 1 for states that are forgotten.

    Parameters
    ----------
    counts
        Symmetric pair counts, shape (n_clusters, n_clusters).
    """
    p = counts.sum(axis=1)
    return float((counts**2 / np.maximum(np.outer(p, p), 1e-300)).sum())


def cheapest_merge(
    counts: NDArray[np.floating], nearness: NDArray[np.floating], weak: NDArray[np.bool_]
) -> tuple[int, int]:
    """Choose the two clusters whose merging loses the least kinetic variance, of like losses the two nearest.

    Parameters
    ----------
    counts
        Symmetric pair counts, shape (n_clusters, n_clusters).
    nearness
        How near two clusters are to be taken for one, shape (n_clusters, n_clusters).
    weak
        Clusters one of which is to be merged, shape (n_clusters,).
    """
    pairs = [pair for pair in combinations(range(len(counts)), 2) if weak[list(pair)].any()]
    keeps = np.array([kinetic_variance(_merged(counts, a, b)) for a, b in pairs])
    alike = np.flatnonzero(keeps >= keeps.max() - _ALIKE)
    return max((pairs[i] for i in alike), key=lambda pair: (nearness[pair], -pair[0], -pair[1]))


def _merged(counts: NDArray[np.floating], a: int, b: int) -> Floats:
    """Add cluster b to cluster a."""
    into = np.arange(len(counts))
    into[b] = a
    into[into > b] -= 1
    return _summed(counts, into)


def _summed(counts: NDArray[np.floating], into: NDArray[np.integer]) -> Floats:
    """Sum pair counts of parts to those of what each is part of."""
    n = int(into.max()) + 1
    summed = np.zeros((n, n))
    np.add.at(summed, (into[:, None], into), counts)
    return summed
