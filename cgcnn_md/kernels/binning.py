"""Compiled loops that sort the atoms of a frame into cells."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from cgcnn_md.kernels import CACHE

_parallel = numba.njit(cache=CACHE, parallel=True)


@numba.njit(cache=CACHE)
def _scaled(position: Any, d: int, inverse: Any, low: Any, pbc: Any) -> float:
    """Give one scaled coordinate of an atom, in [0, 1)."""
    s: float = position[0] * inverse[0, d] + position[1] * inverse[1, d] + position[2] * inverse[2, d] - low[d]
    if pbc[d]:
        s -= math.floor(s)
        return s if s < 1.0 else 0.0
    return min(max(s, 0.0), 1.0 - 2.0**-53)


@_parallel
def cell_numbers(positions: Any, inverse: Any, low: Any, pbc: Any, grid: Any, number: Any) -> None:
    """Find the cell of every atom."""
    for i in numba.prange(len(positions)):
        c = 0
        for d in range(3):
            s = _scaled(positions[i], d, inverse, low, pbc)
            c = c * grid[d] + min(int(s * grid[d]), grid[d] - 1)
        number[i] = c


@numba.njit(cache=CACHE)
def places(number: Any, n_cells: int) -> Any:
    """Sort atoms by cell: start of every cell, and each atom's place in cell order."""
    start = np.zeros(n_cells + 1, np.int64)
    for c in number:
        start[c + 1] += 1
    for c in range(n_cells):
        start[c + 1] += start[c]
    fill = start[:-1].copy()
    place = np.empty(len(number), np.int64)
    for i in range(len(number)):
        place[i] = fill[number[i]]
        fill[number[i]] += 1
    return start, place


@_parallel
def lay_out(positions: Any, inverse: Any, low: Any, pbc: Any, cell: Any, place: Any, order: Any, laid: Any) -> None:
    """Write wrapped positions, shape (3, n_atoms), and the numbers of the atoms in cell order."""
    for i in numba.prange(len(positions)):
        at = place[i]
        order[at] = i
        sx = _scaled(positions[i], 0, inverse, low, pbc)
        sy = _scaled(positions[i], 1, inverse, low, pbc)
        sz = _scaled(positions[i], 2, inverse, low, pbc)
        for d in range(3):
            laid[d, at] = sx * cell[0, d] + sy * cell[1, d] + sz * cell[2, d]
