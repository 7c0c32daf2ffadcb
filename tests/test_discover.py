"""Samples that clusters are sought in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cgcnn_md.analysis.discover import sample_pairs
from cgcnn_md.store import Store

RUNS = np.repeat([0, 1], [7, 5])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    n_frames, n_atoms = len(RUNS), 6
    store = Store.create(
        tmp_path / "e.zarr", "", n_frames=n_frames, atom_index=np.arange(n_atoms), species_names=["O", "H"] * 3,
        features=2, frame_numbers=np.arange(n_frames), runs=RUNS, unit_frames=4,
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


def test_frames_that_are_missing_are_in_no_pair(store: Store) -> None:
    store.write(5, np.full((1, 6, 2), np.nan, dtype=np.float32), [np.nan])
    now, later, _ = sample_pairs([store], "O", 1)
    assert np.isfinite(now).all()
    assert np.isfinite(later).all()
    assert sample_pairs([store], "O", 7) is None
    assert sample_pairs([store], "K", 1) is None
