"""k nearest periodic images by a cell list that keeps the best while it searches."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.errors import InputError
from cgcnn_md.frame import Floats, Frame, Ints
from cgcnn_md.kernels import binning, search

_FULL = 0.36  # atoms in a cell per neighbour wanted: the ball that 27 such cells hold has half as many again
_CROWDED = 2.0  # times more neighbours than that, as atoms see it, and cells are made smaller
_MOST_CELLS = 8  # per atom; the rest of the box is empty
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


@dataclass(frozen=True, eq=False)
class CellList:
    """Atoms of one frame binned in cells, ready to be asked for neighbours.

    Cost is linear in the number of atoms. The cell of a centre and the 26 around it are searched first, which gives
    most atoms their neighbours; the search around the others, in thin places, widens shell by shell until the cells
    seen must hold the k nearest images. No radius is guessed. Works in any box: triclinic, smaller than the search
    radius, partly periodic, or none.

    Parameters
    ----------
    frame
        The frame.
    cell, grid, heights
        Box in Å, open directions filled; cells along each of its rows; distance in Å between a cell's faces.
    position
        Wrapped positions in Å in cell order, shape (3, n_atoms).
    cell_of
        Cell of each atom, in cell order; the last row's cells lie side by side.
    start
        First place of every cell, and the end.
    order, place
        Atom at every place, and the place of every atom.
    """

    frame: Frame
    cell: Floats
    grid: Ints
    heights: Floats
    position: Floats
    cell_of: NDArray[np.int32]
    start: Ints
    order: Ints
    place: Ints

    @classmethod
    def of(cls, frame: Frame, k: int = 20) -> CellList:
        """Bin the atoms of a frame.

        Parameters
        ----------
        frame
            Snapshot, wrapped or not.
        k
            Neighbours that will be asked for: decides the size of the cells, hence speed, and nothing else.

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
        low = np.zeros(3)
        if not pbc.all():  # open directions get a box just as long as the atoms reach
            along = positions @ np.linalg.inv(cell)[:, ~pbc]
            extent = np.maximum(np.ptp(along, axis=0) * (1 + 1e-9), _MIN_EXTENT)
            cell[~pbc] *= extent[:, None]
            low[~pbc] = along.min(axis=0) / extent
        inverse = np.linalg.inv(cell)
        heights = 1.0 / np.linalg.norm(inverse, axis=0)
        n, wanted = len(positions), _FULL * (k + 1)
        side = (wanted * abs(float(np.linalg.det(cell))) / n) ** (1 / 3)
        flat, order, laid = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int64), np.empty((3, n))
        with search.threads_for(n):
            for _ in range(2):
                most = (_MOST_CELLS * n + 64) ** (1 / 3)
                side = max(side, float(np.prod(heights)) ** (1 / 3) / most)
                grid = np.clip(np.floor(heights / side), 1, 1024).astype(np.int64)
                binning.cell_numbers(positions, inverse, low, pbc, grid, flat)
                start, place = binning.places(flat, int(np.prod(grid)))
                # how full the cells are that atoms sit in: a slab's are fuller than its box is on average
                crowd = (float((np.diff(start) ** 2.0).sum()) / n - 1.0) / wanted
                if crowd < _CROWDED:
                    break
                side *= crowd ** (-1 / 3)
            binning.lay_out(positions, inverse, low, pbc, cell, place, order, laid)
        cell_of = np.repeat(np.arange(len(start) - 1, dtype=np.int32), np.diff(start))
        return cls(frame, cell, grid, heights / grid, laid, cell_of, start, order, place)

    def search(self, k: int, *, cutoff: float, places: Ints | None = None) -> tuple[NDArray[np.int32], Floats, Floats]:
        """Find the k nearest periodic images, all atoms being named by their places.

        Parameters
        ----------
        k
            Neighbours per centre.
        cutoff
            Largest distance in Å at which an atom still counts.
        places
            Ascending places to look from; None for all.

        Returns
        -------
        index
            Places of the neighbours, nearest first, shape (n_centres, k); -1 where there are fewer.
        distance, radius
            As `nearest` gives them.
        """
        n_atoms = len(self.order)
        centres = np.arange(n_atoms) if places is None else np.asarray(places, dtype=np.int64)
        index = np.empty((len(centres), k), dtype=np.int32)
        distance, radius = np.empty((len(centres), k)), np.empty(len(centres))
        grid, pbc = self.grid, np.asarray(self.frame.pbc, dtype=np.bool_)
        home = self.cell_of[centres]
        first = np.flatnonzero(np.diff(home, prepend=-1, append=-1))
        x, y, z = self.position
        reach = min(float(cutoff), float(self.heights.min()))
        with search.threads_for(len(centres)):
            search.near(
                home[first[:-1]], first, centres, x, y, z, self.start, grid, self.cell, pbc, reach,
                index, distance, radius,
            )  # fmt: skip
        if reach == cutoff:
            radius[radius < 0] = cutoff
        rest = np.flatnonzero(radius < 0)
        with search.threads_for(len(rest)):
            search.far(
                rest, centres, float(cutoff), x, y, z, self.start, self.cell_of, grid, self.cell, pbc, self.heights,
                index, distance, radius,
            )  # fmt: skip
        return index, distance, radius

    def nearest(
        self, k: int, *, cutoff: float, centres: Ints | None = None
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
        places = self.place if centres is None else self.place[np.asarray(centres, dtype=np.int64)]
        rows, back = np.unique(places, return_inverse=True)
        index, distance, radius = self.search(k, cutoff=cutoff, places=rows)
        atoms = np.where(index >= 0, self.order[index], -1).astype(np.int32)
        return atoms[back], distance[back], radius[back]

    def around(self, place: int, reach: float) -> tuple[Ints, Floats]:
        """Gather the atoms around one, each once.

        Parameters
        ----------
        place
            Where to look from.
        reach
            Distance in Å within which none is missing.

        Returns
        -------
        places, distance
            Places, and distances in Å to the nearest image, each of shape (n_found,); some lie beyond the reach.
        """
        pbc = np.asarray(self.frame.pbc, dtype=np.bool_)
        lines = []
        for home, size, height, periodic in zip(
            np.unravel_index(self.cell_of[place], self.grid), self.grid, self.heights, pbc, strict=True
        ):
            wide = min(math.ceil(reach / height), int(size))
            line = np.arange(home - wide, home + wide + 1)
            if periodic:
                line = line % size if len(line) < size else np.arange(size)
            lines.append(line[(line >= 0) & (line < size)])
        cells = ((lines[0][:, None, None] * self.grid[1] + lines[1][:, None]) * self.grid[2] + lines[2]).ravel()
        sizes = self.start[cells + 1] - self.start[cells]
        places = np.arange(sizes.sum()) + np.repeat(self.start[cells] - np.cumsum(sizes) + sizes, sizes)
        scaled = np.linalg.inv(self.cell).T @ (self.position[:, places] - self.position[:, [place]])
        scaled[pbc] -= np.round(scaled[pbc])
        return places, np.linalg.norm(self.cell.T @ scaled, axis=0)


def finish_edges(
    index: NDArray[np.int32], distance: Floats, radius: Floats, number: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """Turn what a search found into edges.

    Parameters
    ----------
    index, distance, radius
        As `CellList.search` gives them.
    number
        Node number of every place, from 1, shape (n_atoms,).

    Returns
    -------
    index, distance, weight
        Node numbers from 0, distances in Å and weights ``(1 - (d / r)^6)^2``, each of shape (n_centres, k); 0 where
        masked.
    """
    out = np.empty(index.shape, dtype=np.int32)
    length, weight = np.empty(index.shape, dtype=np.float32), np.empty(index.shape, dtype=np.float32)
    with search.threads_for(len(index)):
        search.edges(index, distance, radius, number, out, length, weight)
    return out, length, weight
