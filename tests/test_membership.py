"""Memberships against PCCA+ of a Markov model on the same series."""

from __future__ import annotations

import numpy as np
import pytest

from cgcnn_md.analysis.membership import Membership, sure

deeptime = pytest.importorskip("deeptime", exc_type=ImportError)


def double_well(n_steps: int, rng: np.random.Generator) -> np.ndarray:
    """Overdamped motion of 50 walkers in (x^2 - 1)^2, shape (n_steps, 50)."""
    x = np.where(rng.random(50) < 0.5, -1.0, 1.0)
    path = np.empty((n_steps, 50))
    for step in range(n_steps):
        x = x - 0.02 * 4 * x * (x * x - 1) + np.sqrt(2 * 0.02 * 0.25) * rng.normal(size=50)
        path[step] = x
    return path


def test_memberships_are_those_of_pcca() -> None:
    lag, path = 20, double_well(4000, np.random.default_rng(0))
    now, later = path[:-lag].reshape(-1, 1), path[lag:].reshape(-1, 1)
    edges = np.linspace(-1.4, 1.4, 41)
    bins = np.digitize(path, edges[1:-1])
    counts = deeptime.markov.TransitionCountEstimator(lag, "sliding").fit_fetch(list(bins.T))
    model = deeptime.markov.msm.MaximumLikelihoodMSM(reversible=True).fit_fetch(counts)
    theirs = model.pcca(2).memberships
    centres = (edges[1:] + edges[:-1]) / 2
    theirs = theirs[:, [theirs[0].argmax(), theirs[-1].argmax()]]
    found = Membership.fit((now, later), ((now[:, 0] > 0).astype(int), (later[:, 0] > 0).astype(int)), 2)
    assert found is not None
    ours = found(centres[:, None])
    assert np.abs(ours - theirs).max() < 0.1
    assert found(np.zeros((1, 1)))[0, 0] == pytest.approx(0.5, abs=0.05)  # the barrier's top
    np.testing.assert_allclose(ours.sum(axis=1), 1.0)


def test_what_follows_must_tell_clusters_apart() -> None:
    """Labels that time forgets at once carry no membership."""
    rng = np.random.default_rng(1)
    now, later = rng.normal(size=(2, 2000, 1))
    assert Membership.fit((now, later), ((now[:, 0] > 0).astype(int), (later[:, 0] > 0).astype(int)), 2) is None


def test_between_clusters_is_no_cluster() -> None:
    assert sure(np.array([[0.9, 0.1], [0.6, 0.4], [0.25, 0.75], [0.0, 0.0]])).tolist() == [0, -1, 1, -1]
