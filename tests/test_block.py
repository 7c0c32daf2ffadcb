"""Compact blocks against the distances to all targets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cgcnn_md.errors import InputError
from cgcnn_md.frame import Frame
from cgcnn_md.graph import compact_block
from cgcnn_md.kernels.neighbours import CellList


def nearest(frame: Frame, targets: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Measure the distance of every target, as the block's text says it."""
    apart = frame.positions[targets] - frame.positions[targets[rng.integers(len(targets))]]
    images = np.stack(np.meshgrid(*[np.arange(-2, 3) if p else [0] for p in frame.pbc]), -1).reshape(-1, 3)
    distance = np.min([np.linalg.norm(apart - shift, axis=1) for shift in images @ frame.cell], axis=0)
    return np.sort(targets[np.argsort(distance)[:size]])


@pytest.mark.parametrize("place", ["gas", "slab", "droplet"])
@pytest.mark.parametrize("pbc", [(True, True, True), (True, True, False), (False, True, False), (False, False, False)])
def test_is_nearest_in_every_box(place: str, pbc: tuple[bool, bool, bool]) -> None:
    rng = np.random.default_rng(5)
    cell = np.array([[30.0, 0, 0], [6.0, 28.0, 0], [-5.0, 4.0, 32.0]])
    scaled = rng.random((4000, 3))
    if place == "slab":
        scaled *= [1.0, 1.0, 0.1]
    if place == "droplet":
        scaled = 0.5 + rng.normal(size=(4000, 3)) * np.repeat([[0.02], [0.2]], 2000, axis=0)
    frame = Frame(scaled @ cell, cell, np.array(pbc), np.zeros(4000, np.int16))
    cells = CellList.of(replace(frame, positions=(scaled + rng.integers(-2, 3, scaled.shape) * pbc) @ cell))
    for targets in (np.arange(4000), np.sort(rng.permutation(4000)[:900])):
        for seed in range(8):
            block = compact_block(cells, targets, 60, np.random.default_rng(seed))
            np.testing.assert_array_equal(block, nearest(frame, targets, 60, np.random.default_rng(seed)))


def test_has_the_size_asked_for_in_a_perfect_crystal() -> None:
    lattice = np.stack(np.meshgrid(*[np.arange(12)] * 3), -1).reshape(-1, 3) * 2.0
    cells = CellList.of(Frame(lattice, np.eye(3) * 24, np.ones(3, bool), np.zeros(1728, np.int16)))
    for size in (1, 50, 1000, 1727, 1728):
        block = compact_block(cells, np.arange(1728), size, np.random.default_rng(0))
        assert len(np.unique(block)) == size
        np.testing.assert_array_equal(block, compact_block(cells, np.arange(1728), size, np.random.default_rng(0)))


def test_refuses_a_selection_without_atoms() -> None:
    cells = CellList.of(Frame(np.eye(3), np.zeros((3, 3)), np.zeros(3, bool), np.zeros(3, np.int16)))
    with pytest.raises(InputError, match="0 target atoms, wanted at least 1; choose another selection"):
        compact_block(cells, np.arange(0), 5, np.random.default_rng(0))
