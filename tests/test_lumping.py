"""What clusters keep of the slow motion, and which are merged first."""

from __future__ import annotations

import numpy as np
import pytest

from cgcnn_md.analysis.lumping import cheapest_merge, counts_of, kinetic_variance


def chain(transition: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Draw a Markov chain of n steps."""
    rng = np.random.default_rng(seed)
    steps, state = np.zeros(n, dtype=np.int64), 0
    for i, u in enumerate(rng.random(n)):
        state = int(np.searchsorted(transition[state].cumsum(), u))
        steps[i] = state
    return steps


@pytest.mark.parametrize("seed", range(3))
def test_kinetic_variance_is_the_vamp_2_score_of_the_markov_model(seed: int) -> None:
    decomposition = pytest.importorskip("deeptime.decomposition")
    transition = np.random.default_rng(seed).dirichlet([4.0, 1.0, 1.0], 3)
    steps = chain(transition, 3000, seed)
    now, later = (np.concatenate(ends) for ends in ((steps[:-1], steps[1:]), (steps[1:], steps[:-1])))
    model = decomposition.VAMP().fit((np.eye(3)[now], np.eye(3)[later])).fetch_model()
    assert kinetic_variance(counts_of(steps[:-1], steps[1:], 3)) == pytest.approx(model.score(2), rel=1e-6)


def test_short_lived_and_rare_goes_before_long_lived_and_rare() -> None:
    transition = np.array([
        [0.985, 0.005, 0.005, 0.005],  # common
        [0.005, 0.985, 0.005, 0.005],  # common
        [0.020, 0.020, 0.960, 0.000],  # rare, lasts
        [0.350, 0.350, 0.000, 0.300],  # rare, left at once
    ])  # fmt: skip
    steps = chain(transition, 40_000, 0)
    deep = np.zeros((4, 4))
    counts = counts_of(steps[:-1], steps[1:], 4)
    assert 3 in cheapest_merge(counts, deep, np.ones(4, dtype=bool))
    assert 2 in cheapest_merge(counts, deep, np.arange(4) == 2)


def test_of_states_that_last_for_ever_the_nearest_are_merged() -> None:
    nearness = np.array([[0, 0.01, 0.02], [0, 0, 0.15], [0, 0, 0]])
    assert cheapest_merge(np.diag([5.0, 3.0, 900.0]), nearness, np.ones(3, dtype=bool)) == (1, 2)
