"""How well vectors and clusters agree with labels: the same for every method."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from labelled import Points
from scipy.optimize import linear_sum_assignment
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score, homogeneity_score, recall_score
from sklearn.metrics.cluster import contingency_matrix
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cgcnn_md.frame import Floats, Ints

MOST_COMPONENTS = 6
_FITTED = 5_000  # points that a mixture is fitted to
_STARTS = 2


@dataclass(frozen=True, eq=False)
class Vectors:
    """What a method makes of some atom-frames.

    Parameters
    ----------
    values
        A vector for each, shape (n, n_features).
    found
        Clusters with nothing given, shape (n,); -1 where a method leaves an atom between clusters.
    into
        Gives as many clusters as asked for, shape (n,).
    likeliest
        Likeliest cluster of every atom, shape (n,); None for a method that leaves none between.
    """

    values: Floats
    found: Ints
    into: Callable[[int], Ints]
    likeliest: Ints | None = None


def by_mixtures(values: Floats, *, columns: int | None = None, seed: int = 0) -> Vectors:
    """Cluster vectors by Gaussian mixtures, in as many components as the Bayesian information criterion says.

    Parameters
    ----------
    values
        Vectors, shape (n, n_features).
    columns
        The first so many are clustered in; None for all.
    seed
        Seed of the mixtures.
    """
    scaled = values / max(float(values.std(axis=0).max()), 1e-12)
    points = scaled[:, :columns]
    pick = np.random.default_rng(seed).choice(len(points), min(_FITTED, len(points)), replace=False)

    def fit(n: int) -> GaussianMixture:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return GaussianMixture(n, n_init=_STARTS, random_state=seed).fit(points[pick])

    fitted = {n: fit(n) for n in range(1, MOST_COMPONENTS + 1)}
    best = min(fitted.values(), key=lambda mixture: mixture.bic(points[pick]))
    return Vectors(scaled, best.predict(points), lambda n: (fitted.get(n) or fit(n)).predict(points))


def balanced_accuracy(labels: Ints, clusters: Ints) -> float:
    """Give the mean recall of the labels under the best one-to-one assignment of clusters to labels.

    A label without a cluster has recall 0; the atoms of a cluster without a label are wrong.
    """
    counts = contingency_matrix(labels, clusters)
    recall = counts / counts.sum(axis=1, keepdims=True)
    return float(recall[linear_sum_assignment(recall, maximize=True)].sum() / len(recall))


def probe(values: Floats, labels: Ints, early: np.ndarray) -> float | None:
    """Give the mean recall, on late points, of a logistic regression fitted to early ones; None for one label."""
    if len(np.unique(labels[early])) < 2 or early.all():
        return None
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))
    guessed = model.fit(values[early], labels[early]).predict(values[~early])
    late = labels[~early]
    return float(recall_score(late, guessed, labels=np.unique(late), average="macro"))


def score(points: Points, vectors: Vectors) -> dict[str, object]:
    """Score one method on one species: with nothing given, with the number given, and by a linear probe.

    `ari`, `homogeneity` and `balanced` are of the atoms in clusters; `between` is the share of the others, which
    `ari_all` counts with their likeliest cluster.
    """
    mine, labels = points.scored, points.label[points.scored]
    n = len(np.unique(labels))
    found = vectors.found[mine]
    inside = found >= 0
    every = found if vectors.likeliest is None else vectors.likeliest[mine]
    row: dict[str, object] = {
        "labels": n,
        "clusters": len(np.unique(vectors.found[vectors.found >= 0])),
        "ari": adjusted_rand_score(labels[inside], found[inside]),
        "between": 1.0 - float(inside.mean()),
        "ari_all": adjusted_rand_score(labels, every),
        "homogeneity": homogeneity_score(labels[inside], found[inside]),
        "balanced": balanced_accuracy(labels[inside], found[inside]),
        "ari_given": None, "ari_given_interface": None, "probe": None,
    }  # fmt: skip
    if n > 1:
        row["ari_given"] = adjusted_rand_score(labels, vectors.into(n)[mine])
        row["probe"] = probe(vectors.values[mine], labels, points.when[mine] < 0.5)
        known = points.label >= 0
        if (every := len(np.unique(points.label[known]))) > n:
            row["ari_given_interface"] = adjusted_rand_score(points.label[known], vectors.into(every)[known])
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()}
