"""Small systems that several tests share."""

from __future__ import annotations

import numpy as np

from cgcnn_md.frame import Frame


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
