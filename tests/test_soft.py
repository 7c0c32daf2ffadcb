"""Kinetics of soft states: known relaxation is found, deeptime agrees, and memberships of 0 and 1 are counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from systems import hops, store_of

deeptime = pytest.importorskip("deeptime", exc_type=ImportError)

from cgcnn_md.analysis.kinds import find_kinds  # noqa: E402
from cgcnn_md.analysis.kinetics import find_kinetics  # noqa: E402
from cgcnn_md.analysis.kinetics_model import Markov  # noqa: E402
from cgcnn_md.analysis.membership import sure  # noqa: E402
from cgcnn_md.analysis.soft import gather_soft_counts  # noqa: E402
from cgcnn_md.store import Store  # noqa: E402

TWO = np.asarray([[0.98, 0.02], [0.06, 0.94]])
THREE = np.asarray([[0.97, 0.02, 0.01], [0.04, 0.93, 0.03], [0.02, 0.03, 0.95]])


def soft_store(path: Path, chi: np.ndarray, **settings: object) -> Store:
    """Store memberships, and the labels that they give."""
    n_frames, n_atoms, n = chi.shape
    store = store_of(path, sure(chi.reshape(-1, n)).reshape(n_frames, n_atoms), **settings)  # type: ignore[arg-type]
    store.lay_out_membership(n)
    store.write_membership(0, chi)
    return store


def model_of(store: Store, n: int, *, soft: bool = True) -> Markov:
    (found,) = find_kinetics([store], {"Li": np.arange(n)}, soft=soft)
    assert found.model is not None
    assert found.model.soft == soft
    return found.model


def test_each_system_has_a_model_of_its_own_memberships(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    chi = {"brief": np.eye(2)[hops(TWO, 60, 30, rng)], "long": np.eye(2)[hops(TWO[::-1, ::-1], 800, 6, rng)]}
    alone = {name: model_of(soft_store(tmp_path / f"{name} alone", own), 2) for name, own in chi.items()}
    stores = [soft_store(tmp_path / name, own, name=name) for name, own in chi.items()]
    found = {group.name: group.model for group in find_kinetics(stores, {"Li": np.arange(2)}, soft=True)}
    assert list(found) == ["Li in brief", "Li in long"]
    for name, model in alone.items():
        other = found[f"Li in {name}"]
        assert other is not None
        assert other.soft
        np.testing.assert_array_equal(other.lags, model.lags)
        np.testing.assert_allclose(other.timescales.value, model.timescales.value)


def blurred(labels: np.ndarray, n: int, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Give the posterior of each state from a noisy look at it in every frame, of which nothing is left in the next."""
    seen = np.eye(n)[labels] + noise * rng.standard_normal((*labels.shape, n))
    share = np.bincount(labels.ravel(), minlength=n) / labels.size
    weight = share * np.exp(seen / noise**2)
    return np.asarray(weight / weight.sum(axis=-1, keepdims=True))


def crossing(n_frames: int, n_atoms: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Let atoms diffuse over two wells; memberships are of the slowest eigenvector, with its relaxation time."""
    x = np.linspace(-1, 1, 21)
    energy = 3.5 * (x**2 - 0.5) ** 2 * 4
    down = np.exp(-np.maximum(np.diff(energy), 0)) / 2, np.exp(-np.maximum(-np.diff(energy), 0)) / 2
    hop = np.diag(down[0], 1) + np.diag(down[1], -1)
    hop += np.diag(1 - hop.sum(axis=1))
    hop = np.linalg.matrix_power(hop, 4)
    values, vectors = np.linalg.eig(hop)
    order = np.argsort(-values.real)
    slow = vectors[:, order[1]].real
    chi = (slow - slow.min()) / np.ptp(slow)
    place = hops(hop, n_frames, n_atoms, rng)
    return np.stack([chi[place], 1 - chi[place]], axis=2), float(-1 / np.log(values.real[order[1]]))


@pytest.mark.parametrize("transition", [TWO, THREE], ids=["two", "three"])
def test_memberships_of_0_and_1_give_the_markov_model(tmp_path: Path, transition: np.ndarray) -> None:
    n = len(transition)
    labels = hops(transition, 800, 6, np.random.default_rng(0))
    store = soft_store(tmp_path, np.eye(n)[labels], runs=np.arange(800) // 300)
    hard, soft = model_of(store, n, soft=False), model_of(store, n)
    assert soft.lag == hard.lag
    np.testing.assert_allclose(soft.timescales.value, hard.timescales.value, rtol=1e-5)
    np.testing.assert_allclose(soft.transition.value, hard.transition.value, rtol=1e-5)
    np.testing.assert_allclose(soft.populations.value, hard.populations.value, rtol=1e-5)
    np.testing.assert_allclose(soft.relaxation.low, hard.relaxation.low, rtol=0.1)


@pytest.mark.parametrize("unit", [7, 64, 4000])
def test_relaxation_times_are_those_of_deeptimes_tica(tmp_path: Path, unit: int) -> None:
    """Every trajectory is taken forward and backward, so that both estimates are of the same symmetric products."""
    labels = hops(THREE, 500, 4, np.random.default_rng(1))
    chi = blurred(labels, 3, 0.3, np.random.default_rng(2))
    chi = np.concatenate([chi, chi[::-1]], axis=1).astype(np.float16)
    model = model_of(soft_store(tmp_path, chi, unit=unit), 3)
    chi = chi.astype(np.float64)
    chi /= chi.sum(axis=2, keepdims=True)
    assert len(model.lags) > 3
    for lag, times in zip(model.lags, model.timescales.value):
        tica = deeptime.decomposition.TICA(lagtime=int(lag), epsilon=1e-12).fit_from_timeseries(
            list(chi[:, :, :2].swapaxes(0, 1))
        )
        theirs = tica.fetch_model().timescales()
        np.testing.assert_allclose(times[times > lag], theirs[times > lag], rtol=1e-3)


@pytest.mark.parametrize(("transition", "noise"), [(TWO, 0.4), (THREE, 0.25)], ids=["two", "three"])
def test_a_blurred_chain_relaxes_as_it_does_where_a_border_is_too_fast(
    tmp_path: Path, transition: np.ndarray, noise: float
) -> None:
    n, rng = len(transition), np.random.default_rng(3)
    labels = hops(transition, 4000, 20, rng)
    chi = blurred(labels, n, noise, rng)
    true = -1 / np.log(np.sort(np.linalg.eigvals(transition).real)[-2])
    border = model_of(store_of(tmp_path / "hard", chi.argmax(axis=2)), n, soft=False)
    soft = model_of(soft_store(tmp_path / "soft", chi), n)
    assert soft.relaxation.value[0] == pytest.approx(true, rel=0.1)
    same = int(np.flatnonzero(soft.lags == 1)[0])
    assert border.timescales.value[same, 0] < soft.timescales.value[same, 0] < 1.05 * true
    share = np.bincount(labels.ravel(), minlength=n) / labels.size
    np.testing.assert_allclose(soft.populations.value, share, atol=0.02)


def test_memberships_that_are_slow_need_no_lag_where_a_border_does(tmp_path: Path) -> None:
    chi, true = crossing(3000, 20, np.random.default_rng(4))
    border = model_of(store_of(tmp_path / "hard", chi.argmax(axis=2)), 2, soft=False)
    soft = model_of(soft_store(tmp_path / "soft", chi), 2)
    assert border.timescales.value[0, 0] < 0.7 * true
    assert soft.timescales.value[0, 0] == pytest.approx(true, rel=0.15)
    assert soft.lag < border.lag


def test_products_cross_neither_runs_nor_missing_frames(tmp_path: Path) -> None:
    """In each run every atom stays where it is; nothing of one state is found in the other later."""
    labels = np.asarray([[0, 1]] * 10 + [[1, 0]] * 10 + [[0, 0]] * 5)
    runs, numbers = np.asarray([0] * 10 + [1] * 15), np.asarray([*range(20), *range(30, 35)])
    store = soft_store(tmp_path, np.eye(2)[labels], runs=runs, numbers=numbers, unit=6)
    chi = np.eye(2)[labels].astype(np.float32)
    chi[15] = np.nan  # could not be read
    store.write_membership(0, chi)
    kinds = find_kinds([store], {"Li": np.arange(2)})
    made = gather_soft_counts(store, kinds, lags=np.asarray([1, 2, 4, 8]), seed=0)["Li"]
    np.testing.assert_allclose(made.by_molecules.sum(axis=1), made.by_blocks.sum(axis=1))
    products = made.by_molecules.sum(axis=1)
    assert np.all(products * np.tile(1 - np.eye(2), (2, 1)) == 0)
    # runs of 10, 5, 4 and 5 frames
    wanted = [2 * sum(max(n - lag, 0) for n in (10, 5, 4, 5)) for lag in (1, 2, 4, 8)]
    assert products[:, :2].sum(axis=(1, 2)).tolist() == wanted
    np.testing.assert_allclose(products[:, 2:].sum(axis=(1, 2)), wanted)
