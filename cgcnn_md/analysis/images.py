"""Pairs around chosen atoms in any box: every periodic image in reach is put in place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.frame import Floats, Frame, Ints


def box_heights(cell: Floats, pbc: NDArray[np.bool_]) -> Floats:
    """Give the distance in Å between opposite faces of the box, for its periodic directions only."""
    return np.asarray(1 / np.linalg.norm(np.linalg.inv(completed(cell, pbc)), axis=0)[pbc])


def completed(cell: Floats, pbc: NDArray[np.bool_]) -> Floats:
    """Replace the cell vectors of open directions by unit vectors at right angles to the periodic ones."""
    full = np.asarray(cell, dtype=np.float64).copy()
    if pbc.all():
        return full
    # rows of vt past the rank span what the periodic vectors leave open
    rank = int(pbc.sum())
    full[~pbc] = np.linalg.svd(full[pbc])[2][rank:] if rank else np.eye(3)
    return full


def vectors_around(frame: Frame, centres: Ints, reach: float) -> tuple[Ints, Ints, Floats]:
    """List the atoms and images within reach of some atoms; an atom's own images count, it itself does not.

    Parameters
    ----------
    frame
        Snapshot, wrapped or not.
    centres
        Indices of the atoms to look from.
    reach
        Largest distance in Å.

    Returns
    -------
    row, other, vector
        Place in `centres`, index of the neighbour, and the way to it in Å, one of each per pair.
    """
    from scipy.spatial import cKDTree

    cell = completed(frame.cell, frame.pbc)
    scaled = frame.positions @ np.linalg.inv(cell)
    scaled[:, frame.pbc] -= np.floor(scaled[:, frame.pbc])
    atoms = np.arange(len(frame))
    for axis in np.flatnonzero(frame.pbc):
        margin = reach / box_heights(cell, np.ones(3, dtype=np.bool_))[axis]
        shifts = np.arange(-np.ceil(margin), np.ceil(margin) + 1)
        parts = [(scaled + shift * np.eye(3)[axis], atoms) for shift in sorted(shifts, key=abs)]
        inside = [(part[:, axis] >= -margin - 1e-9) & (part[:, axis] <= 1 + margin + 1e-9) for part, _ in parts]
        scaled = np.concatenate([part[keep] for (part, _), keep in zip(parts, inside)])
        atoms = np.concatenate([index[keep] for (_, index), keep in zip(parts, inside)])
    # the atoms themselves come first, in their order: the shift by 0 leads every list
    points = scaled @ cell
    pairs = cKDTree(points[centres]).sparse_distance_matrix(cKDTree(points), reach, output_type="ndarray")
    row, place = pairs["i"].astype(np.int64), pairs["j"].astype(np.int64)
    real = place != centres[row]
    row, place = row[real], place[real]
    return row, atoms[place], points[place] - points[centres[row]]
