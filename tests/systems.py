"""Small systems that several tests share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase
import ase.build
import numpy as np

from cgcnn_md.frame import Frame
from cgcnn_md.store import Store


def random_frame(
    rng: np.random.Generator, n: int = 60, length: float = 9.0, skew: float = 0.3, n_species: int = 2
) -> Frame:
    """Make a random periodic triclinic frame whose atoms keep a little apart."""
    cell = np.eye(3) * length + np.tril(rng.uniform(-skew, skew, (3, 3)) * length, -1)
    points: list[np.ndarray] = []
    while len(points) < n:
        trial = rng.random(3)
        apart = np.array(points) - trial if points else np.full((1, 3), 0.5)
        apart -= np.round(apart) if points else 0.0
        if np.linalg.norm(apart @ cell, axis=1).min() > 0.9:
            points.append(trial)
    species = rng.integers(0, n_species, n).astype(np.int16)
    return Frame(np.array(points) @ cell, cell, np.ones(3, bool), species)


def with_positions(frame: Frame, positions: np.ndarray) -> Frame:
    """Move the atoms of a frame."""
    return Frame(positions, frame.cell, frame.pbc, frame.species)


def store_of(
    path: Path,
    labels: np.ndarray,
    *,
    species: list[str] | None = None,
    molecules: np.ndarray | None = None,
    identity: list[str] | None = None,
    runs: np.ndarray | None = None,
    numbers: np.ndarray | None = None,
    dt: float | None = 2.0,
    unit: int = 64,
    name: str = "",
) -> Store:
    """Store labels, with nothing else in it."""
    n_frames, n_atoms = labels.shape
    store = Store.create(
        path / "e.zarr",
        name,
        n_frames=n_frames,
        atom_index=np.arange(n_atoms),
        species_names=species or ["Li"] * n_atoms,
        features=1,
        frame_numbers=np.arange(n_frames) if numbers is None else numbers,
        runs=np.zeros(n_frames) if runs is None else runs,
        labels={
            **({} if molecules is None else {"molecule": molecules.astype(str)}),
            **({} if identity is None else {"identity": identity}),
        },
        attrs={"dt": dt},
        unit_frames=unit,
    )
    store.write_clusters(0, labels)
    store.write(0, np.zeros((n_frames, n_atoms, 1), dtype=np.float32), np.arange(n_frames) * (dt or np.nan))
    for done in range(store.n_units):
        store.mark_done(done)
    return store


def markov(n_frames: int, n_atoms: int, leave: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Two-state chains in equilibrium."""
    labels = np.empty((n_frames, n_atoms), dtype=np.int16)
    state = (rng.random(n_atoms) < leave[0] / sum(leave)).astype(np.int16)
    for frame in range(n_frames):
        labels[frame] = state
        state = np.where(rng.random(n_atoms) < np.asarray(leave)[state], 1 - state, state)
    return labels


def hops(transition: np.ndarray, n_frames: int, n_atoms: int, rng: np.random.Generator) -> np.ndarray:
    """Make Markov chains in equilibrium, shape (n_frames, n_atoms)."""
    values, vectors = np.linalg.eig(transition.T)
    share = np.abs(vectors[:, np.argmax(values.real)].real)
    reached = np.cumsum(transition, axis=1)
    state = rng.choice(len(transition), n_atoms, p=share / share.sum())
    labels = np.empty((n_frames, n_atoms), dtype=np.int16)
    for frame in range(n_frames):
        labels[frame] = state
        state = np.minimum((rng.random(n_atoms)[:, None] > reached[state]).sum(axis=1), len(transition) - 1)
    return labels


TINY: dict[str, Any] = {"epochs": 1, "steps_per_epoch": 2, "batch_atoms": 200, "width": 16, "layers": 2, "k": 12}


def crystal(n_frames: int = 8, amplitude: float = 0.2, symbol: str = "NaCl") -> list[ase.Atoms]:
    """Give frames of a rock salt of 32 atoms about its sites."""
    rng = np.random.default_rng(0)
    perfect = ase.build.bulk(symbol, "rocksalt", 5.64, cubic=True).repeat((2, 2, 1))
    frames = [perfect.copy() for _ in range(n_frames)]
    for frame in frames:
        frame.positions += rng.normal(0.0, amplitude, frame.positions.shape)
    return frames
