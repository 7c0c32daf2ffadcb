"""Samples that clusters are sought in, and the numbers that clusters get."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cgcnn_md.analysis import discover as module
from cgcnn_md.analysis.cluster import Evidence, SpeciesClusters
from cgcnn_md.analysis.discover import Coordinates, discover
from cgcnn_md.analysis.draws import own_lags, sample_pairs
from cgcnn_md.kinetic_map import KineticMap
from cgcnn_md.store import Store

RUNS = np.repeat([0, 1], [7, 5])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    n_frames, n_atoms = len(RUNS), 6
    store = Store.create(
        tmp_path / "e.zarr", "", n_frames=n_frames, atom_index=np.arange(n_atoms), species_names=["O", "H"] * 3,
        features=2, frame_numbers=np.arange(n_frames), runs=RUNS, unit_frames=4, attrs={"lag": 3},
    )  # fmt: skip
    frame, atom = np.mgrid[:n_frames, :n_atoms]
    store.write(0, np.stack([frame, atom], axis=-1).astype(np.float32), np.zeros(n_frames))
    for unit in range(store.n_units):
        store.mark_done(unit)
    return store


def test_pairs_are_one_atom_one_lag_apart_in_one_run(store: Store) -> None:
    now, later, _ = sample_pairs([store], "H", 3, seed=1)
    assert len(now) == (4 + 2) * 3
    np.testing.assert_array_equal(later - now, np.broadcast_to([3.0, 0.0], now.shape))
    assert set(now[:, 1]) <= {1.0, 3.0, 5.0}
    np.testing.assert_array_equal(RUNS[now[:, 0].astype(int)], RUNS[later[:, 0].astype(int)])


def test_systems_whose_frames_are_further_apart_have_shorter_lags(store: Store, tmp_path: Path) -> None:
    other = Store.create(
        tmp_path / "coarse.zarr", "", n_frames=8, atom_index=np.arange(1), species_names=["O"], features=2,
        frame_numbers=np.arange(8), runs=np.zeros(8), unit_frames=8, attrs={"lag": 1},
    )  # fmt: skip
    other.write(0, np.stack([100.0 + np.arange(8), np.zeros(8)], axis=-1)[:, None].astype(np.float32), np.zeros(8))
    other.mark_done(0)
    assert own_lags([store, other], 3) == [3, 1]
    assert own_lags([store, other], 6) == [6, 2]
    assert own_lags([other], 3) == [3]
    now, later, _ = sample_pairs([store, other], "O", 3)
    coarse = now[:, 0] >= 100
    assert set((later - now)[coarse, 0]) == {1.0}
    assert set((later - now)[~coarse, 0]) == {3.0}


def test_frames_that_are_missing_are_in_no_pair(store: Store) -> None:
    store.write(5, np.full((1, 6, 2), np.nan, dtype=np.float32), [np.nan])
    now, later, _ = sample_pairs([store], "O", 1)
    assert np.isfinite(now).all()
    assert np.isfinite(later).all()
    assert sample_pairs([store], "O", 7) is None
    assert sample_pairs([store], "K", 1) is None


@pytest.mark.parametrize("turned", [False, True])
def test_clusters_are_numbered_by_population_and_memberships_follow(
    store: Store, monkeypatch: pytest.MonkeyPatch, turned: bool
) -> None:
    """Atom 5, of three H, is in a cluster of its own, which is found first or second; O is one environment."""

    class Alone(SpeciesClusters):
        def membership(self, embedding: np.ndarray) -> np.ndarray:
            alone = embedding[:, 1] > 4
            share = np.stack([0.9 - 0.8 * alone, 0.1 + 0.8 * alone], axis=1)
            return share[:, ::-1] if turned else share

    def find(points: np.ndarray, *_: object, **__: object) -> SpeciesClusters:
        h = points[0, 1] % 2 == 1
        evidence = Evidence(2 if h else 1, 2, 0.0, 1.0, 0.0, "")
        return (Alone if h else SpeciesClusters)(np.arange(2), None, evidence)

    monkeypatch.setattr(module, "find_clusters", find)
    monkeypatch.setattr(module, "try_surrogates", lambda found, *_, **__: found)
    mapping = KineticMap(np.zeros((1, 2)), np.eye(2), np.ones(2), np.ones(2))
    discover([store], Coordinates({"O": mapping, "H": mapping}))
    every = slice(0, store.n_frames)
    np.testing.assert_array_equal(store.clusters(every), np.tile([2, 0, 2, 0, 2, 1], (store.n_frames, 1)))
    membership = store.membership(every)
    assert membership is not None
    np.testing.assert_allclose(membership[:, 1], [[0.9, 0.1]] * store.n_frames, atol=1e-3)
    np.testing.assert_allclose(membership[:, 5], [[0.1, 0.9]] * store.n_frames, atol=1e-3)
    np.testing.assert_array_equal(membership[:, 0], [[1.0, np.nan]] * store.n_frames)


def test_kinds_that_live_in_different_clusters_are_groups_of_their_own(tmp_path: Path) -> None:
    """Ten methyls that change place, far along one coordinate, hide two phases of eighty other carbons."""
    rng, n_frames = np.random.default_rng(0), 60
    methyl = np.where(rng.random((n_frames, 10)) < 0.02, -1.0, 1.0).cumprod(axis=0)
    phase = np.repeat([[-1.0, 1.0]], 40, axis=1)
    values = 0.3 * rng.normal(size=(n_frames, 90, 2))
    values[:, :10, 0] += 20 * methyl
    values[:, 10:, 1] += phase + 0.15 * rng.normal(size=(n_frames, 80))
    identity = ["C(C,H,H,H)"] * 10 + ["C(C,C,H,H):12345678"] * 80
    store = Store.create(
        tmp_path / "e.zarr", "", n_frames=n_frames, atom_index=np.arange(90), species_names=["C"] * 90, features=2,
        frame_numbers=np.arange(n_frames), runs=np.zeros(n_frames), labels={"identity": identity}, unit_frames=16,
    )  # fmt: skip
    store.write(0, values.astype(np.float32), np.arange(n_frames) * 1.0)
    for unit in range(store.n_units):
        store.mark_done(unit)
    mapping = KineticMap(np.zeros((1, 2)), np.eye(2), np.full(2, 0.9), np.full(2, 0.9))
    coordinates = Coordinates({"C": mapping})
    found = discover([store], coordinates, lag=1)
    assert {name: group.n_clusters for name, group in found.by_group.items()} == {
        "C bonded to 2 C and 2 H": 2, "C bonded to C and 3 H": 2,
    }  # fmt: skip
    labels = store.clusters(slice(0, n_frames))
    assert len(np.unique(labels[:, :10])) == 2
    assert (labels[:, 10:] == np.where(phase > 0, labels[0, -1], labels[0, 10])).mean() > 0.97
    assert store.groups("found").tolist() == ["C bonded to C and 3 H"] * 10 + ["C bonded to 2 C and 2 H"] * 80
    asked = discover([store], coordinates, lag=1, n_clusters=2)
    assert {name: group.n_clusters for name, group in asked.by_group.items()} == {"C": 2}
    assert set(store.groups("found")) == {"C"}


def test_identity_classes_that_have_no_cluster_in_common_are_groups_of_their_own(tmp_path: Path) -> None:
    """Ten methyls and, bonded alike, twenty second and eighty other carbons: each in two states along its own way."""
    rng, n_frames, numbers = np.random.default_rng(0), 60, (10, 20, 80)
    of = np.repeat([0, 1, 2], numbers)
    state = np.where(rng.random((n_frames, 110)) < 0.04, -1.0, 1.0).cumprod(axis=0)
    values = 0.1 * rng.normal(size=(n_frames, 110, 3))
    values[:, np.arange(110), of] += state + np.array([9.0, 5.0, 0.0])[of]
    identity = np.array(["C(C,H,H,H)", "C(C,C,H,H):11111111", "C(C,C,H,H):22222222"])[of]
    store = Store.create(
        tmp_path / "e.zarr", "", n_frames=n_frames, atom_index=np.arange(100, 210), species_names=["C"] * 110,
        features=3, frame_numbers=np.arange(n_frames), runs=np.zeros(n_frames), labels={"identity": identity},
        unit_frames=16,
    )  # fmt: skip
    store.write(0, values.astype(np.float32), np.arange(n_frames) * 1.0)
    for unit in range(store.n_units):
        store.mark_done(unit)
    mapping = KineticMap(np.zeros((1, 3)), np.eye(3), np.full(3, 0.9), np.full(3, 0.9))
    found = discover([store], Coordinates({"C": mapping}), lag=1)
    names = ["C bonded to 2 C and 2 H like atom 110", "C bonded to 2 C and 2 H like atom 130", "C bonded to C and 3 H"]
    assert {name: group.n_clusters for name, group in found.by_group.items()} == dict.fromkeys(names, 2)
    assert set(found.shuffles) <= {"C", *names}
    assert store.groups("found").tolist() == np.array([names[2], names[0], names[1]])[of].tolist()
    labels = store.clusters(slice(0, n_frames))
    for first, n in zip((0, 10, 30), numbers, strict=True):
        mine = labels[:, first : first + n]
        upper = mine[state[:, first : first + n] > 0]
        assert (upper == np.bincount(upper).argmax()).mean() > 0.97
