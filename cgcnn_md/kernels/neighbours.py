"""k nearest periodic images by a cell list that keeps the best while it searches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from cgcnn_md.errors import InputError
from cgcnn_md.frame import Floats, Frame

_ATOMS_PER_CELL = 2.5
_WORTH_THREADS = 500  # fewer centres are done before other threads have woken up
_MIN_EXTENT = 1.0  # Å; a flat or single-atom system still needs a box to be binned in


def complete_cell(cell: Floats, pbc: NDArray[np.bool_]) -> Floats:
    """Fill the missing rows of a cell with unit vectors perpendicular to the others.

    Parameters
    ----------
    cell
        Row vectors in Å, shape (3, 3); rows of non-periodic directions may be zero.
    pbc
        Periodic directions, shape (3,).

    Returns
    -------
    Floats
        Three independent rows, shape (3, 3); periodic rows unchanged.

    Raises
    ------
    InputError
        If the periodic rows are zero or coplanar.
    """
    full = np.array(cell, dtype=np.float64)
    known = full[pbc]
    sizes = np.linalg.norm(known, axis=1)
    scale = float(np.prod(sizes)) if len(known) else 1.0
    gram = float(np.sqrt(max(np.linalg.det(known @ known.T), 0.0))) if len(known) else 1.0
    if not np.all(np.isfinite(full)) or (sizes <= 1e-6).any() or gram < 1e-6 * scale:
        msg = f"box {full.tolist()} is periodic along {pbc.tolist()} but has no volume; repair the box or turn pbc off"
        raise InputError(msg)
    # the null space of the periodic rows is perpendicular to all of them
    perpendicular = np.linalg.svd(known)[2][len(known) :] if len(known) else np.eye(3)
    full[~pbc] = perpendicular
    return full


@numba.njit(cache=True)
def _bin(cells: Any, n_cells: int) -> Any:
    """Sort atoms by cell: start of every cell, and the atoms in cell order."""
    start = np.zeros(n_cells + 1, np.int64)
    for c in cells:
        start[c + 1] += 1
    for c in range(n_cells):
        start[c + 1] += start[c]
    fill = start[:-1].copy()
    order = np.empty(len(cells), np.int64)
    for i in range(len(cells)):
        order[fill[cells[i]]] = i
        fill[cells[i]] += 1
    return start, order


def _k_best(
    centres: Any, k: int, cutoff: float, grid: Any, sorted_pos: Any, order: Any, start: Any, cell_of: Any,
    pos: Any, cell: Any, pbc: Any, heights: Any, side: float,
) -> Any:  # fmt: skip
    n = len(centres)
    index = np.full((n, k), -1, np.int32)
    distance = np.full((n, k), np.inf, np.float64)
    radius = np.empty(n, np.float64)
    cutoff2 = cutoff * cutoff
    for row in numba.prange(n):
        i = centres[row]
        best = np.full(k + 1, cutoff2, np.float64)
        who = np.full(k + 1, -1, np.int64)
        home = cell_of[i]
        old = np.full(3, -1, np.int64)
        new = np.empty(3, np.int64)
        shell = 0
        while True:
            reach = True  # does this block already hold the whole of every non-periodic direction?
            for d in range(3):
                new[d] = math.ceil(shell * side / heights[d])
                if pbc[d] or home[d] - new[d] > 0 or home[d] + new[d] < grid[d] - 1:
                    reach = False
            for dx in range(-new[0], new[0] + 1):
                cx = home[0] + dx
                sx = cx // grid[0]
                if sx != 0 and not pbc[0]:
                    continue
                for dy in range(-new[1], new[1] + 1):
                    cy = home[1] + dy
                    sy = cy // grid[1]
                    if sy != 0 and not pbc[1]:
                        continue
                    inside = abs(dx) <= old[0] and abs(dy) <= old[1]
                    for dz in range(-new[2], new[2] + 1):
                        if inside and abs(dz) <= old[2]:
                            continue
                        cz = home[2] + dz
                        sz = cz // grid[2]
                        if sz != 0 and not pbc[2]:
                            continue
                        c = ((cx - sx * grid[0]) * grid[1] + cy - sy * grid[1]) * grid[2] + cz - sz * grid[2]
                        ox = sx * cell[0, 0] + sy * cell[1, 0] + sz * cell[2, 0] - pos[i, 0]
                        oy = sx * cell[0, 1] + sy * cell[1, 1] + sz * cell[2, 1] - pos[i, 1]
                        oz = sx * cell[0, 2] + sy * cell[1, 2] + sz * cell[2, 2] - pos[i, 2]
                        for s in range(start[c], start[c + 1]):
                            x = sorted_pos[s, 0] + ox
                            y = sorted_pos[s, 1] + oy
                            z = sorted_pos[s, 2] + oz
                            d2 = x * x + y * y + z * z
                            if d2 >= best[k]:
                                continue
                            j = order[s]
                            if j == i and sx == 0 and sy == 0 and sz == 0:
                                continue
                            at = k
                            while at > 0 and best[at - 1] > d2:
                                best[at] = best[at - 1]
                                who[at] = who[at - 1]
                                at -= 1
                            best[at] = d2
                            who[at] = j
            covered = shell * side
            if reach or covered * covered >= best[k]:
                break
            old[:] = new
            shell += 1
        radius[row] = math.sqrt(best[k])
        for at in range(k):
            if who[at] >= 0:
                index[row, at] = who[at]
                distance[row, at] = math.sqrt(best[at])
    return index, distance, radius


_k_best_serial = numba.njit(cache=True)(_k_best)
_k_best_parallel = numba.njit(parallel=True, cache=True)(_k_best)


@dataclass(frozen=True, eq=False)
class CellList:
    """Atoms of one frame binned in cells, ready to be asked for neighbours.

    Cost is linear in the number of atoms; the search around a centre widens shell by shell and stops as soon as
    the cells already visited must hold its k nearest images, so empty space costs little and no radius is guessed.
    Works in any box: triclinic, smaller than the search radius, partly periodic, or none.
    """

    frame: Frame
    cell: Floats
    grid: NDArray[np.int64]
    heights: Floats
    side: float
    wrapped: Floats
    cell_of: NDArray[np.int64]
    start: NDArray[np.int64]
    order: NDArray[np.int64]

    @classmethod
    def of(cls, frame: Frame) -> CellList:
        """Bin the atoms of a frame.

        Raises
        ------
        InputError
            If a coordinate is not finite or the box has no volume.
        """
        positions = np.asarray(frame.positions, dtype=np.float64)
        if not np.isfinite(positions).all():
            atom = int(np.argwhere(~np.isfinite(positions))[0, 0])
            where = tuple(float(x) for x in positions[atom])
            msg = f"frame {frame.number}: atom {atom} is at {where} Å, wanted finite coordinates; repair the frame"
            raise InputError(msg)
        pbc = np.asarray(frame.pbc, dtype=np.bool_)
        cell = complete_cell(np.asarray(frame.cell, dtype=np.float64), pbc)
        frac = positions @ np.linalg.inv(cell)
        # periodic directions are wrapped; the others get a box just as long as the atoms reach
        low = np.where(pbc, 0.0, frac.min(axis=0))
        extent = np.where(pbc, 1.0, np.maximum(np.ptp(frac, axis=0) * (1 + 1e-9), _MIN_EXTENT))
        cell = cell * extent[:, None]
        frac = (frac - low) / extent
        frac[:, pbc] -= np.floor(frac[:, pbc])
        frac = np.where(frac >= 1.0, np.where(pbc, 0.0, np.nextafter(1.0, 0.0)), frac)
        heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
        volume = abs(float(np.linalg.det(cell)))
        side = (_ATOMS_PER_CELL * volume / len(frac)) ** (1 / 3)
        grid = np.clip(np.floor(heights / side), 1, 1024).astype(np.int64)
        cell_of = np.minimum((frac * grid).astype(np.int64), grid - 1)
        flat = (cell_of[:, 0] * grid[1] + cell_of[:, 1]) * grid[2] + cell_of[:, 2]
        start, order = _bin(flat, int(np.prod(grid)))
        return cls(frame, cell, grid, heights / grid, side, frac @ cell, cell_of, start, order)

    def nearest(
        self, k: int, *, cutoff: float, centres: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int32], Floats, Floats]:
        """Find the k nearest periodic images of some atoms.

        Parameters
        ----------
        k
            Neighbours per centre.
        cutoff
            Largest distance in Å at which an atom still counts.
        centres
            Atoms to look from; None for all.

        Returns
        -------
        index
            Neighbours, nearest first, shape (n_centres, k); -1 where there are fewer. An atom may occur
            several times, as several images, its own among them.
        distance
            Distances in Å, shape (n_centres, k); inf where masked.
        radius
            Distance in Å of the (k+1)-th neighbour or the cutoff, whichever is smaller, shape (n_centres,).
        """
        rows = self.order if centres is None else np.asarray(centres, dtype=np.int64)
        search = _k_best_serial if len(rows) < _WORTH_THREADS else _k_best_parallel
        index, distance, radius = search(
            rows, k, float(cutoff), self.grid, self.wrapped[self.order], self.order, self.start, self.cell_of,
            self.wrapped, self.cell, np.asarray(self.frame.pbc, dtype=np.bool_), self.heights, self.side,
        )  # fmt: skip
        if centres is not None:
            return index, distance, radius
        back = np.empty_like(rows)
        back[rows] = np.arange(len(rows))
        return index[back], distance[back], radius[back]
