"""What a frame must be to be believed: finite coordinates, a box that spans something."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.errors import BadFrameError
from cgcnn_md.frame import Floats, Frame

_REMEDY = "repair the file or pass --on-bad-frame skip"
_FARTHEST = 1e6
"""Coordinate in Å beyond which a frame is taken as damaged."""


def check_positions(positions: Floats, where: str, atoms: NDArray[Any]) -> None:
    """Refuse coordinates that no simulation writes.

    Parameters
    ----------
    positions
        Coordinates in Å.
    where
        What to call the frame.
    atoms
        Topology index of each atom, for the message.

    Raises
    ------
    BadFrameError
        If a coordinate is not finite or beyond a million Å.
    """
    if positions.size == 0 or np.abs(positions).max() < _FARTHEST:  # nan compares false
        return
    row = int(np.flatnonzero(~(np.abs(positions) < _FARTHEST).all(axis=1))[0])
    at = ", ".join(f"{value:.6g}" for value in positions[row])
    raise BadFrameError(f"{where}: atom {int(atoms[row])} is at ({at}) Å; {_REMEDY}")


def check_cell(cell: Floats, pbc: NDArray[np.bool_], where: str) -> None:
    """Refuse a box whose periodic vectors do not span anything.

    Parameters
    ----------
    cell, pbc
        Row vectors in Å and which are periodic.
    where
        What to call the frame.

    Raises
    ------
    BadFrameError
        If the vectors are not finite, zero or not independent.
    """
    vectors = cell[pbc]
    if not len(vectors):
        return
    lengths = np.linalg.norm(vectors, axis=1)
    if np.isfinite(vectors).all() and lengths.min() > 1e-6:
        unit = vectors / lengths[:, None]
        if np.linalg.det(unit @ unit.T) > 1e-8:
            return
    listed = "; ".join(" ".join(f"{value:.6g}" for value in vector) for vector in cell)
    raise BadFrameError(f"{where}: box vectors ({listed}) Å do not span a box; {_REMEDY}")


def box_kind(frame: Frame) -> str:
    """Name the kind of a frame's box.

    Parameters
    ----------
    frame
        Frame.
    """
    if not frame.pbc.any():
        return "none"
    vectors = frame.cell[frame.pbc]
    unit = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    oblique = np.abs(unit @ unit.T - np.eye(len(unit))).max() > 1e-5
    kind = "triclinic" if oblique else "orthorhombic"
    if frame.pbc.all():
        return kind
    axes = ", ".join(axis for axis, periodic in zip("xyz", frame.pbc, strict=True) if periodic)
    return f"{kind}, periodic in {axes}"
