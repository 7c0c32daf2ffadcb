"""The map: which points are drawn, and where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cgcnn_md.analysis.project import gather, project, project_stores, stratified_sample
from cgcnn_md.store import Store


@pytest.fixture
def two_blobs() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(size=(60, 3)), rng.normal(size=(60, 3)) + 12]).astype(np.float32)


def make(path: Path, labels: np.ndarray, species: list[str], name: str = "") -> Store:
    n_frames, n_atoms = labels.shape
    store = Store.create(
        path / "e.zarr",
        name,
        n_frames=n_frames,
        atom_index=np.arange(n_atoms),
        species_names=species,
        features=2,
        frame_numbers=np.arange(n_frames),
        runs=np.zeros(n_frames),
        unit_frames=4,
    )
    frame, atom = np.mgrid[:n_frames, :n_atoms]
    store.write(0, np.stack([frame, atom], axis=-1).astype(np.float32), np.zeros(n_frames))
    store.write_clusters(0, labels)
    for unit in range(store.n_units):
        store.mark_done(unit)
    return store


def test_groups_stay_apart_and_a_seed_gives_the_same_bits(two_blobs: np.ndarray) -> None:
    first = project(two_blobs, seed=3)
    assert first.method == "UMAP"
    assert first.xy.shape == (120, 2)
    np.testing.assert_array_equal(project(two_blobs, seed=3).xy, first.xy)
    assert not np.array_equal(project(two_blobs, seed=4).xy, first.xy)
    near, far = first.xy[:60], first.xy[60:]
    gap = np.linalg.norm(near.mean(axis=0) - far.mean(axis=0))
    assert gap > 2 * max(near.std(axis=0).max(), far.std(axis=0).max())


@pytest.mark.parametrize("n_features", [1, 2, 16])
@pytest.mark.parametrize("n", [0, 1, 2, 9, 29])
def test_few_points_get_principal_components(n: int, n_features: int) -> None:
    points = np.random.default_rng(0).normal(size=(n, n_features))
    result = project(points)
    assert result.method == "PCA"
    assert result.xy.shape == (n, 2)
    assert np.isfinite(result.xy).all()
    if n == 29 and n_features == 2:
        distance = np.linalg.norm(points[0] - points[1])
        assert np.linalg.norm(result.xy[0] - result.xy[1]) == pytest.approx(distance, rel=1e-5)


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((100, 3)),
        np.repeat(np.eye(3), 50, axis=0),
        np.linspace(0, 1, 40)[:, None],
        np.repeat(np.random.default_rng(0).normal(size=(35, 2)), 5, axis=0),
        np.random.default_rng(0).normal(size=(40, 2)) * 1e6,
        np.where(np.arange(4) < 2, np.random.default_rng(0).normal(size=(40, 4)), np.nan),
    ],
    ids=["all the same", "three places", "one feature", "repeats", "huge", "missing features"],
)
def test_degenerate_points_still_give_a_picture(points: np.ndarray) -> None:
    assert np.isfinite(project(points).xy).all()


def test_rare_clusters_are_drawn_and_common_ones_look_common() -> None:
    labels = np.zeros((100, 100), dtype=np.int16)
    labels[::5, :5] = 1  # 1 %
    labels[3, 3] = 2
    labels[4, 4] = -1
    frame, atom = stratified_sample(labels, 500)
    counts = np.bincount(labels[frame, atom] + 1, minlength=4)
    assert len(frame) == 500
    assert counts[0] == counts[3] == 1
    assert 40 < counts[2] < 60
    assert len(set(zip(frame.tolist(), atom.tolist()))) == 500
    assert (np.diff(frame) >= 0).all()


@pytest.mark.parametrize("n", [0, 1, 3, 100, 4000])
def test_as_many_are_drawn_as_asked_or_all(n: int) -> None:
    labels = np.random.default_rng(0).integers(-1, 7, (30, 40))
    frame, _ = stratified_sample(labels, n)
    assert len(frame) == min(n, labels.size)


def test_units_make_no_difference(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 3, (10, 6))
    store = make(tmp_path, labels, ["O"] * 6)
    ours, whole = stratified_sample(store, 20, seed=5), stratified_sample(labels, 20, seed=5)
    np.testing.assert_array_equal(ours, whole)
    np.testing.assert_array_equal(gather(store, *ours), np.stack(ours, axis=-1))
    assert gather(store, *stratified_sample(store, 0)).shape == (0, 2)


def test_every_species_has_a_plane_and_systems_share_it(tmp_path: Path) -> None:
    labels = np.tile([0, 0, 1], (20, 1))
    stores = [make(tmp_path, labels, ["O", "O", "Na"], name) for name in ("a", "b")]
    table = project_stores(stores, points=100, seed=1)
    assert table.columns.tolist() == ["system", "frame", "atom", "species", "x", "y", "cluster", "method"]
    assert len(table) == 100
    assert set(table.system) == {"a", "b"}
    assert (table.cluster == (table.species == "Na")).all()
    assert (table.method == np.where(table.species == "Na", "PCA", "UMAP")).all()
    assert table.equals(project_stores(stores, points=100, seed=1))
    table.to_parquet(tmp_path / "map.parquet")


def test_frames_that_could_not_be_read_are_not_drawn(tmp_path: Path) -> None:
    store = make(tmp_path, np.zeros((8, 3), dtype=int), ["O"] * 3)
    store.write(5, np.full((1, 3, 2), np.nan, dtype=np.float32), [np.nan])
    store.write_clusters(4, np.full((2, 3), -1))
    frame, _ = stratified_sample(store, 100)
    assert sorted(set(frame.tolist())) == [0, 1, 2, 3, 4, 6, 7]


def test_undone_units_are_not_drawn(tmp_path: Path) -> None:
    store = make(tmp_path, np.zeros((8, 3), dtype=int), ["O"] * 3)
    store._group["done"][0] = False
    assert stratified_sample(store, 5)[0].min() >= 4
    store._group["done"][1] = False
    assert project_stores(store).empty
