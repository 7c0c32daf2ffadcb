"""Mean square displacements: MDAnalysis agrees, staying is asked for, and what cannot be followed is left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import MDAnalysis as mda
import numpy as np
import pytest
from ase.data import atomic_masses, atomic_numbers
from MDAnalysis.analysis.msd import EinsteinMSD
from systems import markov, store_of

from cgcnn_md.analysis.mobility import Mobility, displacements
from cgcnn_md.frame import Frame
from cgcnn_md.store import Store

CELL = np.asarray([[12.0, 0, 0], [3.0, 11.0, 0], [-2.0, 1.0, 13.0]])
LARGE = 40 * np.eye(3)


class Reader:
    """Frames in memory, wrapped into the box."""

    def __init__(self, way: np.ndarray, cell: np.ndarray = CELL, species: Sequence[str] = ("Li",)) -> None:
        self.way, self.cell, self.species = way, cell, tuple(species)
        self.targets = np.arange(way.shape[1])
        self.masses = atomic_masses[[atomic_numbers[name] for name in species]][self.targets % len(species)]
        self.molecules: Any = SimpleNamespace(index=np.full(way.shape[1], -1))

    def frames(self, indices: Sequence[int]) -> Iterator[Frame]:
        codes = np.arange(self.way.shape[1]) % len(self.species)
        for i in indices:
            scaled = self.way[i] @ np.linalg.inv(self.cell)
            inside = (scaled - np.floor(scaled)) @ self.cell
            yield Frame(inside, self.cell, np.ones(3, bool), codes.astype(np.int16))


def walk(n_frames: int, n_atoms: int, step: float | np.ndarray, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    way = np.cumsum(rng.normal(0, 1, (n_frames, n_atoms, 3)) * step, axis=0) + rng.random((n_atoms, 3)) * 10
    return way - (way - way[0]).mean(axis=1, keepdims=True)  # the centre of mass stays


def followed(reader: Reader, store: Store, n: int = 1, frames: int | None = None) -> Mobility:
    return displacements([(reader, store)], n_clusters=n, frames=frames)  # type: ignore[list-item]


def test_one_state_gives_mdanalysis_msd(tmp_path: Path) -> None:
    """A triclinic box, crossed by most atoms, that drifts as a whole."""
    way = walk(60, 15, 0.5)
    universe = mda.Universe.empty(15, trajectory=True).load_new(way.astype(np.float32), order="fac")
    theirs = EinsteinMSD(universe, fft=False).run().results.timeseries
    assert (np.abs(way[-1] - way[0]) > 5).any()
    drift = np.arange(60)[:, None, None] * np.asarray([0.3, -0.2, 0.1])
    table = followed(Reader(way + drift), store_of(tmp_path, np.zeros((60, 15), int)), frames=60).table
    assert table.lag_frames.tolist() == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48]
    np.testing.assert_allclose(table.msd, theirs[table.lag_frames], rtol=1e-5)
    assert table.intervals.tolist() == [15 * (60 - lag) for lag in table.lag_frames]
    np.testing.assert_allclose(table.time_ps, 2.0 * table.lag_frames)


def test_drift_is_that_of_the_mass(tmp_path: Path) -> None:
    """Heavy atoms at rest, light ones that march: the centre of mass hardly moves."""
    way = np.zeros((10, 6, 3)) + np.arange(6)[:, None]
    way[:, 1::2, 0] += np.arange(10)[:, None] * 0.5
    labels = np.tile([0, 1], (10, 3))
    store = store_of(tmp_path, labels, species=["U", "H"] * 3)
    table = followed(Reader(way, species=("U", "H")), store, 2, frames=10).table
    first = table[table.lag_frames == 1].set_index("cluster").msd
    share = 1.008 / (1.008 + 238.029)
    np.testing.assert_allclose(first, [(0.5 * share) ** 2, (0.5 * (1 - share)) ** 2], rtol=1e-4)


def test_only_atoms_that_stay_all_the_time_count(tmp_path: Path) -> None:
    """Plain loops over every interval; attempts to leave are none."""
    labels = markov(50, 12, (0.1, 0.1), np.random.default_rng(1)).astype(int)
    labels[1:][np.random.default_rng(2).random((49, 12)) < 0.1] = -1
    way = walk(50, 12, 0.3)
    table = followed(Reader(way, LARGE), store_of(tmp_path, labels), 2, frames=50).table
    for row in range(1, 50):
        labels[row] = np.where(labels[row] < 0, labels[row - 1], labels[row])
    for row in table.itertuples():
        lag = row.lag_frames
        squares = [
            ((way[t + lag, a] - way[t, a]) ** 2).sum()
            for t in range(50 - lag)
            for a in range(12)
            if (labels[t : t + lag + 1, a] == row.cluster).all()
        ]
        assert row.msd == pytest.approx(np.mean(squares))
        assert row.intervals == len(squares)


def test_states_differ_as_their_atoms_do(tmp_path: Path) -> None:
    step = np.where(np.arange(40) < 20, 0.1, 0.4)[:, None]
    labels = np.tile(np.repeat([0, 1], 20), (400, 1))
    found = followed(Reader(walk(400, 40, step), LARGE), store_of(tmp_path, labels), 2)
    first = found.table[found.table.lag_frames == 1]
    variance = np.asarray([0.01, 0.16])
    truth = 3 * (variance * (1 - 2 / 40) + variance.mean() / 40)  # less the motion of all
    assert (first.msd_low < truth).all()
    assert (first.msd_high > truth).all()
    assert found.words(1).startswith("moves ")
    last = found.table[found.table.cluster == 0].iloc[-1]
    assert found.words(0) == f"moves {np.sqrt(last.msd):.2g} Å in {last.time_ps:.3g} ps"


def test_atoms_that_cannot_be_followed_are_left_out_and_said(tmp_path: Path) -> None:
    step = np.where(np.arange(40) < 20, 0.2, 6.0)[:, None]
    labels = np.tile(np.repeat([0, 1], 20), (40, 1))
    found = followed(Reader(walk(40, 40, step)), store_of(tmp_path, labels), 2)
    assert set(found.table.cluster) == {0}
    assert found.lost[1] > 0.1
    assert found.doubts == [
        "Atoms of cluster 1 cross so much of the box from frame to frame that they cannot be followed: no mean square "
        "displacement."
    ]


def test_windows_cross_neither_runs_nor_frames_that_could_not_be_read(tmp_path: Path) -> None:
    """Between runs and beside a hole atoms jump by 2 Å; elsewhere they rest."""
    jump = np.where(np.isin(np.arange(60), [30, 45, 46]), 2.0, 0.0).cumsum()
    way = np.zeros((60, 4, 3)) + np.arange(4)[:, None] + jump[:, None, None] * np.asarray([[1, 0, 0], [-1, 0, 0]] * 2)
    labels = np.zeros((60, 4), int)
    labels[45] = -1
    store = store_of(tmp_path, labels, runs=np.arange(60) // 30)
    table = followed(Reader(way, LARGE), store).table
    assert len(table) > 1
    assert table.msd.max() < 1e-12


def test_what_two_windows_show_has_no_interval(tmp_path: Path) -> None:
    """One atom, which stays for ten frames in two of the windows and for three in all others."""
    stay = np.where(np.isin(np.arange(20), [4, 9]), 10, 3)
    labels = np.concatenate([np.where(np.arange(10) < n, 0, 1) for n in stay])[:, None]
    table = followed(
        Reader(walk(200, 2, 0.3), LARGE), store_of(tmp_path, np.repeat(labels, 2, axis=1)), 2, frames=10
    ).table
    rows = table[table.cluster == 0].set_index("lag_frames")
    assert np.isfinite(rows.msd_high[2])
    assert np.isnan(rows.msd_high[8])
    assert np.isfinite(rows.msd[8])


def test_one_frame_moves_nothing(tmp_path: Path) -> None:
    found = followed(Reader(walk(1, 4, 1.0)), store_of(tmp_path, np.zeros((1, 4), int)))
    assert found.table.empty
    assert found.words(0) == ""
