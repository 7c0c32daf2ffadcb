"""How much an atom belongs to each cluster, read from where atoms like it are found later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from cgcnn_md.analysis.lumping import counts_of
from cgcnn_md.frame import Floats, Ints

SURE = 0.75  # membership below which an atom is between clusters
_DISTINCT = 0.2  # least singular value of the transition matrix for which it can be turned round
_STEPS = 500  # of the regression
_FROZEN, _MOST = 1 - 1e-9, 1 << 20  # an exchange that is not seen; times that a lag is made longer at once
_SMALL = 1e-6  # probability of a transition that was never seen
_HALF = 0.5  # of the fastest exchange between clusters, that is left over the longest lag

AtLag = Callable[[int], tuple[Floats, Floats] | None]
"""Gives slow coordinates of atoms now and so many frames later, each of shape (n_pairs, n); None where it cannot."""


@dataclass(frozen=True, eq=False)
class Membership:
    r"""Fuzzy clusters of one species.

    With :math:`T_{ab}` the share of atoms of cluster a that are found in b one lag away in time, either way,
    memberships :math:`\chi(x)` of slow coordinates x are such that an atom is found in b with probability
    :math:`\sum_a \chi_a(x) T_{ab}`: 1 where it leaves no oftener than others of its cluster do, and equal on the
    border from where both sides are reached as often. That is the membership of PCCA+ (S. Röblitz, M. Weber, Adv. Data
    Anal. Classif. 7, 147 (2013), doi:10.1007/s11634-013-0134-6) for given clusters. Their form is that of a logistic
    regression, fitted by maximum likelihood.

    Parameters
    ----------
    centre, scale
        Mean and standard deviation of every coordinate, each of shape (n,).
    weights
        Of the scaled coordinates, and last of a constant, shape (n + 1, n_clusters).
    transition
        T, shape (n_clusters, n_clusters).
    """

    centre: Floats
    scale: Floats
    weights: Floats
    transition: Floats

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
        counts = counts_of(*labels, n_clusters)
        if not counts.any(axis=1).all():
            return None
        transition = counts / counts.sum(axis=1, keepdims=True)
        if np.linalg.svd(transition, compute_uv=False)[-1] < _DISTINCT:
            return None
        points, later = np.concatenate(pairs), np.concatenate(labels[::-1])
        centre, scale = points.mean(axis=0), np.maximum(points.std(axis=0), 1e-12)
        weights = _regress((points - centre) / scale, np.maximum(transition, _SMALL)[:, later].T)
        return cls(centre, scale, weights, transition)

    @classmethod
    def over_time(
        cls, predict: Callable[[Floats], Ints], n_clusters: int, pairs: tuple[Floats, Floats], lag: int,
        at_lag: AtLag | None = None,
    ) -> Self | None:  # fmt: skip
        """Fit at the longest lag over which half of the fastest exchange between clusters is left.

        What follows after a short lag tells on which side of a border an atom is, and not whether it goes back.

        Parameters
        ----------
        predict
            Gives the cluster of points of shape (n_points, n), shape (n_points,).
        n_clusters
            Clusters.
        pairs, lag
            Slow coordinates now and one lag later, each of shape (n_pairs, n), and that lag in frames.
        at_lag
            Gives such pairs at other lags; None for none.
        """
        found, ends = cls.fit(pairs, (predict(pairs[0]), predict(pairs[1])), n_clusters), None
        while found is not None and at_lag is not None and found.exchange > _HALF:
            times = int(min(np.log(_HALF) / np.log(min(found.exchange, _FROZEN)), _MOST))
            while times > 1 and (ends := at_lag(times * lag)) is None:
                times //= 2
            longer = None
            if times > 1 and ends is not None:
                longer = cls.fit(ends, (predict(ends[0]), predict(ends[1])), n_clusters)
            if longer is None or longer.exchange < _HALF:
                break
            found, lag = longer, times * lag
        return found

    @property
    def exchange(self) -> float:
        """Autocorrelation over the lag of the fastest exchange between clusters."""
        return float(np.linalg.eigvals(self.transition).real.min())

    def __call__(self, points: NDArray[np.floating]) -> Floats:
        """Give the membership of each point in each cluster, shape (n, n_clusters); rows sum to 1."""
        return _softmax((points - self.centre) / self.scale, self.weights)


def _softmax(scaled: NDArray[np.floating], weights: Floats) -> Floats:
    """Give the share of each class, shape (n, n_classes); worked out class by class, as classes are few."""
    log = weights[:-1].T @ scaled.T + weights[-1][:, None]
    share: Floats = np.exp(log - log.max(axis=0))
    share /= share.sum(axis=0)
    return share.T


def _regress(scaled: Floats, follows: Floats) -> Floats:
    """Fit the weights of a logistic regression for what is seen of each point.

    Parameters
    ----------
    scaled
        Coordinates of variance 1, shape (n_points, n).
    follows
        Probability of what was seen of each point, would it be of each class, shape (n_points, n_classes).

    Returns
    -------
    Floats
        Of the greatest likelihood, with scikit-learn's penalty (C = 1), shape (n + 1, n_classes).
    """
    n, shape = len(scaled), (scaled.shape[1] + 1, follows.shape[1])
    follows = np.ascontiguousarray(follows.T).T

    def unlikely(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(shape)
        share = _softmax(scaled, weights)
        joint = share * follows
        seen = joint.sum(axis=1, keepdims=True)
        left = share - joint / seen
        slope = np.concatenate([scaled.T @ left, left.sum(axis=0)[None]]) + weights
        return float(-np.log(seen).sum() + (flat @ flat) / 2) / n, slope.ravel() / n

    found = minimize(unlikely, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
    weights: Floats = found.x.reshape(shape)
    return weights


def sure(membership: NDArray[np.floating]) -> Ints:
    """Give the cluster that an atom belongs to by `SURE` or more, else -1; memberships of shape (n, n_clusters)."""
    labels: Ints = np.where(membership.max(axis=1) >= SURE, membership.argmax(axis=1), -1)
    return labels
