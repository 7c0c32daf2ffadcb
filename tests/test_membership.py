"""Memberships against PCCA+ of a Markov model on the same series."""

from __future__ import annotations

from functools import partial

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


@pytest.fixture(scope="module")
def path() -> np.ndarray:
    return double_well(4000, np.random.default_rng(0))


def at_lag(path: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray] | None:
    if 2 * lag > len(path):
        return None
    return path[:-lag].reshape(-1, 1), path[lag:].reshape(-1, 1)


def side(points: np.ndarray) -> np.ndarray:
    return (points[:, 0] > 0).astype(int)


def of_pcca(path: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Give places along the double well, shape (n, 1), and memberships of PCCA+ there, shape (n, 2)."""
    edges = np.linspace(-1.4, 1.4, 41)
    counts = deeptime.markov.TransitionCountEstimator(lag, "sliding").fit_fetch(list(np.digitize(path, edges[1:-1]).T))
    model = deeptime.markov.msm.MaximumLikelihoodMSM(reversible=True).fit_fetch(counts)
    theirs = model.pcca(2).memberships
    return (edges[1:, None] + edges[:-1, None]) / 2, theirs[:, [theirs[0].argmax(), theirs[-1].argmax()]]


def test_memberships_are_those_of_pcca(path: np.ndarray) -> None:
    now, later = path[:-20].reshape(-1, 1), path[20:].reshape(-1, 1)
    places, theirs = of_pcca(path, 20)
    found = Membership.fit((now, later), (side(now), side(later)), 2)
    assert found is not None
    ours = found(places)
    assert np.abs(ours - theirs).max() < 0.1
    assert found(np.zeros((1, 1)))[0, 0] == pytest.approx(0.5, abs=0.05)  # the barrier's top
    np.testing.assert_allclose(ours.sum(axis=1), 1.0)


def test_memberships_do_not_depend_on_how_often_frames_were_written(path: np.ndarray) -> None:
    places, theirs = of_pcca(path, 20)
    short = path[:-1].reshape(-1, 1), path[1:].reshape(-1, 1)
    once = Membership.fit(short, (side(short[0]), side(short[1])), 2)
    found = Membership.over_time(side, 2, short, 1, partial(at_lag, path))
    assert once is not None
    assert found is not None
    assert found.exchange >= 0.5
    assert np.abs(found(places) - theirs).max() < 0.1 < 0.2 < np.abs(once(places) - theirs).max()


def test_what_follows_must_tell_clusters_apart() -> None:
    """Labels that time forgets at once carry no membership."""
    rng = np.random.default_rng(1)
    now, later = rng.normal(size=(2, 2000, 1))
    assert Membership.fit((now, later), ((now[:, 0] > 0).astype(int), (later[:, 0] > 0).astype(int)), 2) is None


def test_between_clusters_is_no_cluster() -> None:
    assert sure(np.array([[0.9, 0.1], [0.6, 0.4], [0.25, 0.75], [0.0, 0.0]])).tolist() == [0, -1, 1, -1]
