"""Frames go through the encoder in order, whether or not the next graphs are built meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ase
import ase.build
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cgcnn_md.config import ModelConfig, ReadConfig
from cgcnn_md.embedding import encode_system
from cgcnn_md.errors import BadFrameError, StorageError
from cgcnn_md.graph import KnnGraph
from cgcnn_md.nn import Model
from cgcnn_md.progress import Silent
from cgcnn_md.readers import Reader, open_systems
from cgcnn_md.store import Store

FRAMES, UNIT, WIDTH = 8, 3, 4


class FakeModel(Model):
    """Tells of each atom the distances to its nearest neighbours, wherever its weights are."""

    def features(self, graphs: Sequence[KnnGraph]) -> NDArray[np.float32]:
        return np.concatenate([g.distance[g.rows, :WIDTH] for g in graphs])


@pytest.fixture(params=["cpu", "meta"])
def model(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FakeModel:
    monkeypatch.setattr("cgcnn_md.embedding._BATCH_NODES", 60)  # two frames
    made = FakeModel.new(["Cu"], ModelConfig(k=8, width=WIDTH, layers=1), shortest=1.0, longest=6.0)
    made.encoder.to(torch.device(request.param))
    return made  # type: ignore[return-value]


def copper(bad: int | None = None) -> Reader:
    rng = np.random.default_rng(0)
    frames = [ase.build.bulk("Cu", cubic=True).repeat(2) for _ in range(FRAMES)]
    for number, frame in enumerate(frames):
        frame.positions += rng.normal(0.0, 0.1, frame.positions.shape)
        if number == bad:
            frame.positions[3] = np.nan
    return open_systems(frames, None, ReadConfig())[0]


def new_store(path: Path, reader: Reader) -> Store:
    return Store.create(
        path, n_frames=FRAMES, atom_index=reader.atom_index, species_names=["Cu"] * reader.n_targets, features=WIDTH,
        frame_numbers=reader.frame_numbers, runs=reader.runs, unit_frames=UNIT,
    )  # fmt: skip


def expected(model: Model, reader: Reader, frame: int) -> NDArray[np.float32]:
    return model.features([model.graph(reader[frame], reader.targets, model.codes(reader.species))])


def test_every_frame_is_where_it_belongs(model: FakeModel, tmp_path: Path) -> None:
    reader = copper()
    store = new_store(tmp_path / "e.zarr", reader)
    assert encode_system(model, reader, store, Silent(), hidden=True) == 0
    assert store.done.all()
    for frame in range(FRAMES):
        np.testing.assert_array_equal(store.embedding(frame), expected(model, reader, frame))


def test_goes_on_with_the_units_that_are_missing(model: FakeModel, tmp_path: Path) -> None:
    reader = copper()
    store = new_store(tmp_path / "e.zarr", reader)
    store.mark_done(1)
    encode_system(model, reader, store, Silent(), hidden=True)
    assert np.isnan(store.embedding(slice(3, 6))).all()
    for frame in (0, 1, 2, 6, 7):
        np.testing.assert_array_equal(store.embedding(frame), expected(model, reader, frame))


def test_a_bad_frame_stops_it_and_what_was_read_stands(model: FakeModel, tmp_path: Path) -> None:
    reader = copper(bad=5)
    store = new_store(tmp_path / "e.zarr", reader)
    with pytest.raises(BadFrameError, match="frame 5"):
        encode_system(model, reader, store, Silent(), hidden=True)
    assert store.done.tolist() == [True, False, False]
    for frame in (0, 2, 3, 4):
        np.testing.assert_array_equal(store.embedding(frame), expected(model, reader, frame))
    assert np.isnan(store.embedding(slice(5, 8))).all()


def test_a_bad_frame_is_left_out_on_request(model: FakeModel, tmp_path: Path) -> None:
    reader, said = copper(bad=5), []
    store = new_store(tmp_path / "e.zarr", reader)
    told = Silent()
    told.say = said.append  # type: ignore[method-assign]
    assert encode_system(model, reader, store, told, hidden=True, skip=True) == 1
    assert store.done.all()
    assert store.is_hole(5)
    np.testing.assert_array_equal(store.embedding(4), expected(model, reader, 4))
    assert len(said) == 1
    assert said[0].startswith("skipped: ")


class Interrupted(Silent):
    """Interrupts when the third batch is done, in the second unit."""

    batches = 0

    def advance(self, n: int = 1, **fields: float) -> None:
        self.batches += 1
        if self.batches == 3:
            raise KeyboardInterrupt


def test_an_interruption_leaves_what_was_encoded(model: FakeModel, tmp_path: Path) -> None:
    reader = copper()
    store = new_store(tmp_path / "e.zarr", reader)
    with pytest.raises(KeyboardInterrupt):
        encode_system(model, reader, store, Interrupted(), hidden=True)
    assert store.done.tolist() == [True, False, False]
    np.testing.assert_array_equal(store.embedding(4), expected(model, reader, 4))
    assert np.isnan(store.embedding(slice(5, 8))).all()


def test_a_full_disk_is_told(model: FakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = copper()
    store = new_store(tmp_path / "e.zarr", reader)

    def full(self: Store, unit: int) -> None:
        raise StorageError("no space left")

    monkeypatch.setattr(Store, "mark_done", full)
    with pytest.raises(StorageError, match="no space left"):
        encode_system(model, reader, store, Silent(), hidden=True)
    assert not store.done.any()
