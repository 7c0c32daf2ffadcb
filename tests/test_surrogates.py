"""Shuffled pairs on stores of known structure, and the null test of clusters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cgcnn_md.analysis.cautions import of_files
from cgcnn_md.analysis.cluster import find_clusters
from cgcnn_md.analysis.nulls import try_surrogates
from cgcnn_md.analysis.surrogates import Shuffles, shuffle_pairs, shuffle_table, timeless
from cgcnn_md.store import Store


def store_of(path: Path, values: np.ndarray, *, runs: np.ndarray | None = None, name: str = "") -> Store:
    """Store values of shape (frames, atoms, coordinates)."""
    n_frames, n_atoms, features = values.shape
    store = Store.create(
        path / "e.zarr", name, n_frames=n_frames, atom_index=np.arange(n_atoms), species_names=["Li"] * n_atoms,
        features=features, frame_numbers=np.arange(n_frames), runs=np.zeros(n_frames) if runs is None else runs,
        unit_frames=64,
    )  # fmt: skip
    store.write(0, values.astype(np.float32), np.arange(n_frames) * 1.0)
    for unit in range(store.n_units):
        store.mark_done(unit)
    return store


def shuffled(*stores: Store, lag: int = 2, held_out: float = 0.9) -> Shuffles:
    n = stores[0].features
    found = shuffle_pairs(stores, "Li", lag, lambda values, _: values.astype(np.float64), np.full(n, held_out))
    assert found is not None
    return found


def slow(rng: np.random.Generator, n_frames: int, n: int, keep: float) -> np.ndarray:
    """Ornstein-Uhlenbeck walkers of variance 1, shape (n_frames, n), whose memory falls to `keep` with every frame."""
    x = np.empty((n_frames, n))
    x[0] = rng.normal(size=n)
    for t in range(1, n_frames):
        x[t] = keep * x[t - 1] + np.sqrt(1 - keep**2) * rng.normal(size=n)
    return x


FROZEN, BOX, SLOW, NOISE = range(4)


def known(rng: np.random.Generator, box: float, n_frames: int = 200, n_atoms: int = 60) -> np.ndarray:
    """A label of each atom, a label of the box, a slow coordinate and noise."""
    shape = n_frames, n_atoms
    columns = [np.empty(shape) for _ in range(4)]
    columns[FROZEN][:] = rng.normal(size=n_atoms)
    columns[BOX][:] = box
    columns[SLOW][:] = slow(rng, *shape, 0.95)
    columns[NOISE][:] = rng.normal(size=shape)
    return np.stack(columns, axis=2) + 0.05 * rng.normal(size=(*shape, 4))


def test_what_each_shuffle_keeps_tells_labels_boxes_and_motion_apart(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    found = shuffled(*(store_of(tmp_path, known(rng, box), name=f"b{i}") for i, box in enumerate((-1.0, 0.0, 1.0))))
    assert found.frozen.tolist() == [True, True, False, False]
    assert found.of_box.tolist() == [False, True, False, False]
    assert found.significant.tolist() == [True, True, True, False]
    assert found.lagged[SLOW] == pytest.approx(0.95**2, abs=0.02)
    np.testing.assert_allclose(found.time[[FROZEN, BOX]], 1.0, atol=0.02)
    np.testing.assert_allclose(found.atoms[[FROZEN, SLOW, NOISE]], 0.0, atol=0.06)
    assert abs(found.time[NOISE]) < 4 * found.time_error[NOISE]
    assert 0 < found.lagged_error[SLOW] < 0.02


def test_chance_has_the_memory_of_the_data(tmp_path: Path) -> None:
    """Few slow atoms agree by chance more than many fast ones, so that one walker needs more than a thousand do."""
    rng = np.random.default_rng(1)
    fast = shuffled(store_of(tmp_path / "a", rng.normal(size=(400, 50, 1))))
    lasting = shuffled(store_of(tmp_path / "b", np.repeat(rng.normal(size=(1, 50, 1)), 400, axis=0)))
    assert fast.chance[0] < 0.04
    assert 0.25 < lasting.chance[0] < 0.6  # 3 / sqrt(50) = 0.42


def test_errors_are_those_of_repeated_trials(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    trials = [shuffled(store_of(tmp_path / str(i), slow(rng, 100, 30, 0.8)[:, :, None])) for i in range(40)]
    spread = np.std([t.lagged[0] for t in trials])
    assert np.median([t.lagged_error[0] for t in trials]) == pytest.approx(spread, rel=0.5)


def test_one_atom_is_measured_by_stretches_of_time(tmp_path: Path) -> None:
    found = shuffled(store_of(tmp_path, slow(np.random.default_rng(3), 4000, 1, 0.9)[:, :, None]))
    assert np.isnan(found.atoms[0])
    assert found.lagged[0] == pytest.approx(0.81, abs=0.05)
    assert found.lagged_error[0] > 0
    assert found.significant[0]
    assert not found.of_box[0]


def test_runs_are_not_joined_and_holes_are_left_out(tmp_path: Path) -> None:
    """Every run has a label of its own: pairs across runs would lower the autocorrelation."""
    rng = np.random.default_rng(4)
    values = np.repeat(rng.normal(size=(4, 20, 1)), 16, axis=0)
    values[15] = np.nan
    found = shuffled(store_of(tmp_path, values, runs=np.arange(64) // 16), lag=3)
    assert found.lagged[0] == pytest.approx(1.0)
    assert found.time[0] == pytest.approx(1.0)


def test_without_pairs_there_is_nothing_to_shuffle(tmp_path: Path) -> None:
    store = store_of(tmp_path, np.zeros((3, 2, 1)))
    assert shuffle_pairs([store], "Li", 5, lambda values, _: values.astype(np.float64), np.ones(1)) is None
    assert shuffle_table({}, {}).columns.tolist() == ["species", "group", "feature"]


def test_the_table_has_a_row_for_each_coordinate(tmp_path: Path) -> None:
    found = shuffled(store_of(tmp_path, known(np.random.default_rng(0), 0.0)))
    table = shuffle_table({"Li b": found}, {"Li b": "Li"})
    assert table.species.tolist() == ["Li"] * 4
    assert table.group.tolist() == ["Li b"] * 4
    assert table.feature.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(table.shuffled_time, found.time)


def test_a_coordinate_within_chance_is_not_looked_at() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(4000, 2))
    points[:2000, 1] += 10.0
    keep = np.array([0.9, 0.5])
    assert find_clusters(points, keep, np.arange(4000), chance=np.array([0.1, 0.1])).n_clusters == 2
    left = find_clusters(points, keep, np.arange(4000), chance=np.array([0.1, 0.6]))
    assert left.columns.tolist() == [0]
    assert left.n_clusters == 1


@pytest.mark.parametrize("shape", ["normal", "skewed"])
def test_one_environment_and_its_surrogates_give_one_cluster(shape: str) -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(6000, 2)) @ np.array([[1.0, 0.6], [0.0, 0.5]])
    points = points if shape == "normal" else np.exp(0.5 * points)
    when = np.repeat(np.arange(60), 100)
    found = try_surrogates(find_clusters(points, np.full(2, 0.9), when), points, when)
    assert found.evidence.surrogates == 5
    assert found.evidence.verdict.endswith("; surrogates without structure give one cluster (5 of 5)")


def test_surrogates_of_two_environments_have_no_valley() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(6000, 2)) + 8.0 * rng.integers(0, 2, 6000)[:, None]
    when = np.repeat(np.arange(60), 100)
    found = try_surrogates(find_clusters(points, np.full(2, 0.9), when), points, when)
    assert found.n_clusters == 2
    assert found.evidence.surrogates == 5
    assert found.evidence.verdict.startswith("2 environments")
    nothing = find_clusters(points, np.full(2, 0.1), when)
    assert try_surrogates(nothing, points, when).evidence.surrogates is None


def test_what_was_slow_in_the_training_and_is_not_in_these_files_is_gone(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    walk, fast = slow(rng, 600, 30, 0.9), rng.normal(size=(600, 30))
    found = shuffled(store_of(tmp_path, np.stack([walk, fast], axis=-1)), held_out=0.9)
    assert found.gone.tolist() == [False, True]
    assert found.kept[0] == 0.9
    assert found.kept[1] == pytest.approx(0.0, abs=0.1)
    assert [caution.words for caution in of_files("Li", found)] == [
        f"Li: coordinate 1 keeps nothing over a lag in these files (autocorrelation {found.lagged[1]:.2f}, 0.90 in the "
        "training): no environments are seen in it"
    ]


def test_no_timescale_follows_of_what_is_frozen_or_of_the_box(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    label = np.tile(rng.normal(size=30), (600, 1)) + 0.1 * rng.normal(size=(600, 30))
    box = slow(rng, 600, 1, 0.95) + 0.1 * rng.normal(size=(600, 30))
    store = store_of(tmp_path, np.stack([label, box, slow(rng, 600, 30, 0.9)], axis=-1))
    found = shuffled(store)
    assert timeless(shuffle_table({"Li": found}, {"Li": "Li"})).tolist() == [True, True, False]
    assert (found.frozen | found.of_box).tolist() == [True, True, False]
