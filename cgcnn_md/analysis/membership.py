"""How much an atom belongs to each cluster, read from where atoms like it are found one lag later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cgcnn_md.frame import Floats, Ints

SURE = 0.75  # membership below which an atom is between clusters
_DISTINCT = 0.2  # least singular value of the transition matrix for which it can be turned round
_STEPS = 500  # of the regression


@dataclass(frozen=True, eq=False)
class Membership:
    r"""Fuzzy clusters of one species.

    The probability :math:`q_b(x)` of being in cluster b one lag away in time, either way, is a regression on the slow
    coordinates x. With :math:`T_{ab}` its mean over the points of cluster a, memberships solve
    :math:`q(x) = \chi(x) T`: they are 1 where an atom leaves no oftener than others of its cluster do, and equal on
    the border from where both sides are reached as often. That is the membership of PCCA+ (S. Röblitz, M. Weber, Adv.
    Data Anal. Classif. 7, 147 (2013), doi:10.1007/s11634-013-0134-6) for given clusters.

    Parameters
    ----------
    later
        Fitted regression.
    back
        Inverse of T, shape (n_clusters, n_clusters).
    """

    later: Any
    back: Floats

    @classmethod
    def fit(cls, pairs: tuple[Floats, Floats], labels: tuple[Ints, Ints], n_clusters: int) -> Self | None:
        """Fit to atoms at two times.

        Parameters
        ----------
        pairs
            Slow coordinates now and one lag later, each of shape (n_pairs, n).
        labels
            Cluster at both ends, each of shape (n_pairs,).
        n_clusters
            Clusters.

        Returns
        -------
        Membership or None
            None where a cluster is not seen, or clusters are not told apart by what follows.
        """
        here, there = np.concatenate(labels), np.concatenate(labels[::-1])
        if min(len(np.unique(here)), len(np.unique(there))) < n_clusters:
            return None
        points = np.concatenate(pairs)
        later = make_pipeline(StandardScaler(), LogisticRegression(max_iter=_STEPS)).fit(points, there)
        likely = later.predict_proba(points)
        transition = np.stack([likely[here == a].mean(axis=0) for a in range(n_clusters)])
        if np.linalg.svd(transition, compute_uv=False)[-1] < _DISTINCT:
            return None
        return cls(later, np.linalg.inv(transition))

    def __call__(self, points: NDArray[np.floating]) -> Floats:
        """Give the membership of each point in each cluster, shape (n, n_clusters); rows sum to 1."""
        share = np.clip(self.later.predict_proba(points) @ self.back, 0.0, None)
        normalised: Floats = share / share.sum(axis=1, keepdims=True)
        return normalised


def sure(membership: NDArray[np.floating]) -> Ints:
    """Give the cluster that an atom belongs to by `SURE` or more, else -1; memberships of shape (n, n_clusters)."""
    labels: Ints = np.where(membership.max(axis=1) >= SURE, membership.argmax(axis=1), -1)
    return labels
