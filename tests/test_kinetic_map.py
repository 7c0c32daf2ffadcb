"""The kinetic map on Ornstein-Uhlenbeck walkers, whose timescales are known, and against deeptime."""

from __future__ import annotations

import numpy as np
import pytest

from cgcnn_md.kinetic_map import LaggedMoments, fit_kinetic_map


def walkers(rng: np.random.Generator, timescales: list[float], n_steps: int = 400, n: int = 400) -> np.ndarray:
    """Make independent stationary walkers, shape (n_steps, n, n_coordinates)."""
    keep = np.exp(-1.0 / np.array(timescales))
    x = rng.normal(size=(n, len(keep)))
    path = [x]
    for _ in range(n_steps - 1):
        x = keep * x + np.sqrt(1 - keep**2) * rng.normal(size=x.shape)
        path.append(x)
    return np.array(path)


def moments(path: np.ndarray, lag: int) -> LaggedMoments:
    gathered = LaggedMoments(path.shape[2])
    for t in range(0, len(path) - lag):
        gathered.add(path[t], path[t + lag])
    return gathered


def test_finds_the_timescales_of_ornstein_uhlenbeck_walkers() -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(3, 3))
    path = walkers(rng, [40.0, 10.0, 2.0], n=3000) @ mixing
    lag, dt = 5, 0.25
    found = fit_kinetic_map(moments(path[:280], lag), moments(path[280:], lag), 3, ridges=[1e-8])
    assert found.timescale(lag * dt)[:2] == pytest.approx([40 * dt, 10 * dt], rel=0.1)
    mapped = found(path.reshape(-1, 3), np.zeros(path.shape[0] * path.shape[1], dtype=int))
    np.testing.assert_allclose(mapped.std(axis=0), found.autocorrelation, atol=0.05)


def test_equals_deeptime_tica() -> None:
    tica = pytest.importorskip("deeptime.decomposition").TICA
    rng = np.random.default_rng(1)
    path = walkers(rng, [30.0, 5.0], n=20) @ rng.normal(size=(2, 2))
    mine = fit_kinetic_map(moments(path, 3), LaggedMoments(2), 2, ridges=[1e-12])
    series = [path[:, i] for i in range(path.shape[1])]
    theirs = tica(lagtime=3, epsilon=1e-12).fit(series).fetch_model()
    np.testing.assert_allclose(mine.fitted, theirs.singular_values, rtol=1e-4)


def test_noise_does_not_survive() -> None:
    rng = np.random.default_rng(2)
    path = rng.normal(size=(100, 50, 6))
    found = fit_kinetic_map(moments(path[:70], 1), moments(path[70:], 1), 6)
    assert np.abs(found.autocorrelation).max() < 0.1
    assert found.weights.shape == (6, 2)


def test_constant_features_give_one_empty_coordinate() -> None:
    gathered = LaggedMoments(3)
    gathered.add(np.ones((10, 3)), np.ones((10, 3)))
    assert fit_kinetic_map(gathered, LaggedMoments(3), 3)(np.ones((2, 3)), np.zeros(2, dtype=int)).tolist() == [
        [0.0],
        [0.0],
    ]


def test_covariances_are_about_the_means_of_classes() -> None:
    rng = np.random.default_rng(3)
    n, n_classes = 3000, 4
    classes = rng.integers(0, n_classes, (n, 2))
    offset = 5.0 * rng.normal(size=(n_classes, 3))
    x = rng.normal(size=(n, 3))
    y = 0.5 * x + rng.normal(size=(n, 3))
    x, y = x + offset[classes[:, 0]], y + offset[classes[:, 1]]
    gathered = LaggedMoments(3, n_classes + 1)  # the last is of no pair
    for part in np.array_split(np.arange(n), 7):
        gathered.add(x[part], y[part], classes[part])
    ends, codes = np.concatenate([x, y]), classes.T.ravel()
    means = np.array([ends[codes == c].mean(axis=0) for c in range(n_classes)] + [ends.mean(axis=0)])
    np.testing.assert_allclose(gathered.means, means)
    a, b = x - means[classes[:, 0]], y - means[classes[:, 1]]
    c0, ct = gathered.covariances
    np.testing.assert_allclose(c0, (a.T @ a + b.T @ b) / (2 * n), atol=1e-9)
    np.testing.assert_allclose(ct, (a.T @ b + b.T @ a) / (2 * n), atol=1e-9)


def test_being_at_a_chain_end_is_no_coordinate() -> None:
    """Features are an offset of the class, which never changes, a slow environment, and noise."""
    rng = np.random.default_rng(4)
    n_steps, n = 300, 200
    classes = np.arange(n) % 5
    environment = walkers(rng, [20.0], n_steps, n)[:, :, 0]
    path = rng.normal(size=(n_steps, n, 4))
    path[:, :, 0] += environment
    path[:, :, 1] += np.linspace(-6.0, 6.0, 5)[classes]
    share = {}
    for centred in (False, True):
        gathered = LaggedMoments(4, 5)
        for t in range(n_steps - 5):
            codes = classes if centred else np.zeros(n, dtype=int)
            gathered.add(path[t], path[t + 5], np.stack([codes, codes], axis=1))
        found = fit_kinetic_map(gathered, LaggedMoments(4), 2)
        first = found(path.reshape(-1, 4), np.tile(codes, n_steps))[:, 0]
        share[centred] = abs(np.corrcoef(first, environment.ravel())[0, 1]), found.fitted[0]
    assert share[False][0] < 0.1
    assert share[False][1] > 0.85
    assert share[True][0] > 0.65
    assert share[True][1] == pytest.approx(np.exp(-5 / 20) / 2, abs=0.05)  # half the feature is noise
