"""Directions that relax each in its own way, against pyRiemann and made processes."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import ortho_group
from sklearn.metrics import adjusted_rand_score, balanced_accuracy_score

from cgcnn_md.analysis.cautions import of_group
from cgcnn_md.analysis.cluster import find_clusters
from cgcnn_md.analysis.parting import across
from cgcnn_md.analysis.processes import diagonalise, find_processes, lags_around
from cgcnn_md.analysis.trust import GroupTrust
from cgcnn_md.analysis.valley import NEAR, PASS

Series = NDArray[np.float64]


def off_diagonal(turn: Series, matrices: Series) -> float:
    turned = turn.T @ matrices @ turn
    return float((turned**2).sum() - (np.diagonal(turned, axis1=1, axis2=2) ** 2).sum())


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_diagonalises_as_pyriemann_does(noise: float) -> None:
    rjd = pytest.importorskip("pyriemann.geometry.ajd").rjd
    rng = np.random.default_rng(3)
    mixed, error = ortho_group.rvs(6, random_state=4), rng.normal(size=(4, 6, 6)) * noise
    matrices = np.stack([mixed @ np.diag(d) @ mixed.T for d in rng.normal(size=(4, 6))])
    matrices += error + error.transpose(0, 2, 1)
    turn = diagonalise(matrices)
    np.testing.assert_allclose(turn.T @ turn, np.eye(6), atol=1e-12)
    peer = np.asarray(rjd(matrices)[0])
    assert off_diagonal(turn, matrices) <= off_diagonal(peer, matrices) * (1 + 1e-6) + 1e-12
    np.testing.assert_allclose(np.abs(turn.T @ peer).max(axis=0), 1.0, atol=1e-4)  # the same axes, in another order
    if noise == 0.0:
        np.testing.assert_allclose(np.abs(turn.T @ mixed).max(axis=0), 1.0, atol=1e-6)


N = 16


def made(
    n_atoms: int, n_frames: int, rng: np.random.Generator, width: float = 0.35
) -> tuple[Series, NDArray[np.bool_]]:
    """Make a jump between two states, and fifteen continua, most of them as slow over four frames but not over one.

    Gives coordinates in which all are mixed, shape (n_frames, n_atoms, N), and the state.
    """
    stay = np.exp(-1 / 14)
    state, jump = np.empty((n_frames, n_atoms), dtype=bool), rng.random((n_frames, n_atoms))
    state[0] = rng.random(n_atoms) < 0.2
    for t in range(1, n_frames):
        state[t] = jump[t] < np.where(state[t - 1], 0.2 + 0.8 * stay, 0.2 * (1 - stay))
    frames = np.concatenate([[120.0, 60.0, 30.0], np.linspace(50.0, 70.0, N - 4)])
    keeps, share = np.stack([np.full(N - 1, 0.2), np.exp(-1 / frames)]), np.sqrt([0.25, 0.75])
    both, rest = rng.normal(size=(2, n_atoms, N - 1)), np.empty((n_frames, n_atoms, N - 1))
    for t in range(n_frames):
        both = keeps[:, None] * both + np.sqrt(1 - keeps**2)[:, None] * rng.normal(size=both.shape)
        rest[t] = share[0] * both[0] + share[1] * both[1]
    jumps = (state - 0.2) / 0.4 + rng.normal(size=state.shape) * width
    return np.concatenate([jumps[..., None], rest], axis=2) @ ortho_group.rvs(N, random_state=1), state


def test_finds_the_two_states_that_continua_hide() -> None:
    series, state = made(8, 4000, np.random.default_rng(5))
    points, truth, when = series.reshape(-1, N), state.ravel(), np.repeat(np.arange(4000), 8)

    def at_lag(lag: int) -> tuple[Series, Series]:
        return series[:-lag].reshape(-1, N), series[lag:].reshape(-1, N)

    def best(lags: list[int]) -> float:
        along = points @ find_processes([at_lag(lag) for lag in lags])
        np.testing.assert_allclose(along.std(axis=0), 1.0, atol=0.01)
        return max(abs(float(np.corrcoef(line, truth)[0, 1])) for line in along.T)

    assert best(lags_around(4)) > 0.9 > 0.7 > best([4])
    keeps = np.full(N, 0.7)
    assert find_clusters(points, keeps, when, pairs=at_lag(4), lag=4).n_clusters == 1
    found = find_clusters(points, keeps, when, pairs=at_lag(4), lag=4, at_lag=at_lag)
    assert found.n_clusters == 2
    assert found.evidence.valley <= 0.082
    assert found.evidence.stability is not None
    assert found.evidence.stability > 0.95
    assert (found.membership(points).argmax(axis=1) == truth).mean() > 0.99


def vapour(n_atoms: int, n_frames: int, seed: int) -> tuple[Series, NDArray[np.bool_]]:
    """Make a narrow state, and one of 3 % that spreads wide in six coordinates, with atoms on the way between them."""
    rng, leaves = np.random.default_rng(seed), 1 - np.exp(-1 / 12)
    rare, z = rng.random(n_atoms) < 0.03, np.zeros(n_atoms)
    narrow, wide = rng.normal(size=(2, n_atoms, 6))
    series, state = np.empty((n_frames, n_atoms, 6)), np.empty((n_frames, n_atoms), dtype=bool)
    for t in range(n_frames + 20):  # twenty to come to equilibrium
        rare = rng.random(n_atoms) < np.where(rare, 1 - 0.97 * leaves, 0.03 * leaves)
        narrow = 0.8 * narrow + 0.6 * rng.normal(size=narrow.shape)
        wide = 0.7 * wide + np.sqrt(0.51) * rng.normal(size=wide.shape)
        z = 0.4 * z + 0.6 * rare
        if t >= 20:
            out = 4 * wide + np.array([14.0, 0, 0, 0, 0, 0])
            series[t - 20], state[t - 20] = 0.5 * narrow * (1 - z[:, None]) + out * z[:, None], rare
    return (series - series.mean(axis=(0, 1))) / series.std(axis=(0, 1)), state


@pytest.mark.parametrize("seed", [2, 8])
def test_finds_what_is_rare_and_spreads_wide(seed: int) -> None:
    series, state = vapour(400, 60, seed)
    keeps = np.array([np.corrcoef(series[:-1, :, i].ravel(), series[1:, :, i].ravel())[0, 1] for i in range(6)])
    series *= keeps
    when, where = np.repeat(np.arange(60), 400), np.tile(np.arange(400), 60)

    def at_lag(lag: int) -> tuple[Series, Series] | None:
        return (series[:-lag].reshape(-1, 6), series[lag:].reshape(-1, 6)) if lag < 30 else None

    pairs = at_lag(1)
    found = find_clusters(series.reshape(-1, 6), keeps, when, where=where, pairs=pairs, lag=1, at_lag=at_lag)
    assert found.n_clusters == 2
    assert adjusted_rand_score(found.membership(series.reshape(-1, 6)).argmax(axis=1), state.ravel()) > 0.9


def test_what_is_parted_by_little_is_said_and_one_environment_can_be_parted() -> None:
    row = GroupTrust("Li", N, 1.0, None, None, None, None, None, None)
    for width, n, limits, said in (
        (0.53, 1, (PASS, NEAR), "one environment by little"),
        (0.49, 2, (0.8 * PASS, PASS), "the least parted of 2 environments are two by little"),
    ):
        series, state = made(8, 4000, np.random.default_rng(5), width=width)
        points, when, keeps = series.reshape(-1, N), np.repeat(np.arange(4000), 8), np.full(N, 0.7)

        def at_lag(lag: int, series: Series = series) -> tuple[Series, Series]:
            return series[:-lag].reshape(-1, N), series[lag:].reshape(-1, N)

        find = partial(find_clusters, points, keeps, when, pairs=at_lag(4), lag=4, at_lag=at_lag)
        evidence = find().evidence
        left = evidence.near if n == 1 else evidence.valley
        assert evidence.n_clusters == n
        assert limits[0] < left <= limits[1]
        (caution,) = of_group(evidence, row)
        assert f"{said} ({left:.3f} of the density is left" in caution.words
        assert balanced_accuracy_score(state.ravel(), find(n_clusters=2).fitted.labels_ == 1) > 0.9


@pytest.mark.parametrize("seed", range(5))
def test_what_atoms_cross_is_turned_to_where_they_move(seed: int) -> None:
    series, state = made(8, 4000, np.random.default_rng(5))
    series -= series.mean(axis=(0, 1))
    series = series @ np.linalg.inv(np.linalg.cholesky(np.cov(series.reshape(-1, N).T))).T  # uncorrelated
    points, truth = series.reshape(-1, N), state.ravel()
    best = points[truth].mean(axis=0) - points[~truth].mean(axis=0)
    best /= np.linalg.norm(best)
    aside = np.random.default_rng(seed).normal(size=N)
    aside -= (aside @ best) * best
    begun = 0.9 * best + np.sqrt(1 - 0.9**2) * aside / np.linalg.norm(aside)
    now, later = series[:-4].reshape(-1, N), series[4:].reshape(-1, N)
    assert across(points, now, later, begun) @ best > 0.99
    assert across(points, now[:20], later[:20], begun) is begun  # too few cross


def test_continua_alone_are_one_environment() -> None:
    series, _ = made(8, 4000, np.random.default_rng(6))
    mixed = np.linalg.cholesky(np.cov(series.reshape(-1, N).T))  # as wide, and without two states
    steps = np.random.default_rng(7).normal(size=(4000, 8, N))
    for t in range(1, 4000):
        steps[t] = 0.93 * steps[t - 1] + np.sqrt(1 - 0.93**2) * steps[t]
    points = steps @ mixed.T

    def at_lag(lag: int) -> tuple[Series, Series]:
        return points[:-lag].reshape(-1, N), points[lag:].reshape(-1, N)

    when = np.repeat(np.arange(4000), 8)
    found = find_clusters(points.reshape(-1, N), np.full(N, 0.7), when, pairs=at_lag(4), lag=4, at_lag=at_lag)
    assert found.n_clusters == 1


def test_lags_lie_around_that_of_the_pairs() -> None:
    assert lags_around(1) == lags_around(4) == [1, 2, 4, 8]
    assert lags_around(16) == [4, 8, 16, 32]
    assert lags_around(6) == [2, 3, 6, 12]
