"""What a frame must be to be believed: finite coordinates, a box that spans something."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.errors import BadFrameError, UsageError
from cgcnn_md.frame import Floats, Frame

_REMEDY = "repair the file or pass --on-bad-frame skip"
_FARTHEST = 1e6
"""Coordinate in Å beyond which a frame is taken as damaged."""
_REACH = 3.0  # Å from a face within which atoms may meet those beyond it
_TOO_NEAR = 0.75  # of the smallest distance that atoms have otherwise


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


def periodic_directions(text: str | None) -> NDArray[np.bool_]:
    """Read the directions in which a box may repeat.

    Parameters
    ----------
    text
        Some of the letters x, y and z, or "none"; None for all.

    Returns
    -------
    numpy.ndarray
        Shape (3,).

    Raises
    ------
    UsageError
        If it is something else.
    """
    if text is None:
        return np.ones(3, bool)
    letters = "" if text == "none" else str(text)
    if not text or len(set(letters)) < len(letters) or not set(letters) <= set("xyz"):
        raise UsageError(f"--pbc {text}: wanted the directions in which the box repeats, as xyz, xy or z, or none")
    return np.array([axis in letters for axis in "xyz"])


def meets_itself(frame: Frame) -> str | None:
    """Ask whether a box repeats, where atoms come nearer across its faces than anywhere in it.

    So it is with a cluster or a slab in a box that was shrunk around it, which the file does not tell from one that
    repeats.

    Parameters
    ----------
    frame
        Snapshot.

    Returns
    -------
    str or None
        What to ask the user; None where nothing speaks against it.
    """
    from scipy.spatial import KDTree

    if len(frame) < 2 or not frame.pbc.all():
        return None
    fractions = np.linalg.solve(frame.cell.T, frame.positions.T).T
    fractions -= fractions.min(axis=0)
    fractions[fractions > 1 + 1e-6] %= 1.0
    places = fractions @ frame.cell
    heights = 1.0 / np.linalg.norm(np.linalg.inv(frame.cell), axis=0)
    depth = fractions * heights
    nearest = {}
    for axis, name in enumerate("xyz"):
        low, high = depth[:, axis] < _REACH, depth[:, axis] > heights[axis] - _REACH
        if low.any() and high.any():
            nearest[name] = float(np.min(KDTree(places[low] + frame.cell[axis]).query(places[high])[0]))

    def least(of: Floats) -> float:
        return float(np.asarray(KDTree(of).query(of, 2)[0])[:, 1].min())

    faces = places[((depth < _REACH) | (depth > heights - _REACH)).any(axis=1)]
    if min(nearest.values(), default=np.inf) >= _TOO_NEAR * least(faces):
        return None  # all atoms come no farther from each other than these: a large frame need not be searched
    within = least(places)
    met = {name: distance for name, distance in nearest.items() if distance < _TOO_NEAR * within}
    if not met:
        return None
    return (
        f"atoms come within {min(met.values()):.2g} Å of each other across the box in {', '.join(met)}, and nowhere "
        f"nearer than {within:.2g} Å within it; if it does not repeat there, name the directions in which it does, as "
        "--pbc xy, or --pbc none"
    )
