"""What a frame must be to be believed: finite coordinates, a box that spans something."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.errors import BadFrameError, UsageError
from cgcnn_md.frame import Floats, Frame

_REMEDY = "repair the file or pass --on-bad-frame skip"
_FARTHEST = 1e6
"""Coordinate in Å beyond which a frame is taken as damaged."""
_REACH = 3.0  # Å from a face within which atoms may meet those beyond it
_OVERHANG = 0.5  # Å that a cluster may stick out of a box shrunk around its lattice; what is farther out is wrapped
_TOO_NEAR = 0.75  # of the smallest distance that atoms have otherwise
_IMAGES = np.array([image for image in product((-1, 0, 1), repeat=3) if image > (0, 0, 0)])  # one of each two opposite


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
        If a coordinate is not finite or beyond a million Å, or all of several atoms are at one point, as in a frame of
        zeros that a broken write leaves.
    """
    if positions.size == 0:
        return
    if np.abs(positions).max() < _FARTHEST:  # nan compares false
        n = len(positions)
        # the last atom alone tells nearly every frame from such a one
        if n > 1 and (positions[-1] == positions[0]).all() and (positions == positions[0]).all():
            at = ", ".join(f"{value:.6g}" for value in positions[0])
            raise BadFrameError(f"{where}: all {n} atoms are at one point, ({at}) Å; {_REMEDY}")
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


def check_directions(pbc: NDArray[np.bool_], wanted: NDArray[np.bool_], where: str, first: str) -> None:
    """Refuse a frame that is periodic in other directions than the first: one without a box among others with one.

    Parameters
    ----------
    pbc, wanted
        Which directions are periodic in this frame and in the first.
    where, first
        What to call the two.

    Raises
    ------
    BadFrameError
        If they differ.
    """
    if (pbc == wanted).all():
        return
    if not pbc.any():
        raise BadFrameError(f"{where}: there is no periodic box, and {first} has one; {_REMEDY}")
    if not wanted.any():  # to skip would leave but the first
        remedy = "repair the file, pass --start to begin after it, or --pbc none"
        raise BadFrameError(f"{where}: there is a periodic box, and {first} has none; {remedy}")
    raise BadFrameError(
        f"{where}: the box is periodic in {_axes(pbc)}, and that of {first} in {_axes(wanted)}; {_REMEDY}"
    )


def _axes(directions: Iterable[Any]) -> str:
    """Name directions."""
    return ", ".join(axis for axis, chosen in zip("xyz", directions, strict=True) if chosen)


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
    return f"{kind}, periodic in {_axes(frame.pbc)}"


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
    """Ask whether a box repeats, where atoms come nearer across its faces, edges or corners than anywhere in it.

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
    heights = 1.0 / np.linalg.norm(np.linalg.inv(frame.cell), axis=0)
    fractions[fractions > 1 + _OVERHANG / heights] %= 1.0
    places = fractions @ frame.cell
    depth = fractions * heights
    low, high = depth < _REACH, depth > heights - _REACH
    nearest: dict[tuple[int, ...], float] = {}
    for image in _IMAGES:
        ahead, behind = image > 0, image < 0
        these = low[:, ahead].all(axis=1) & high[:, behind].all(axis=1)
        those = high[:, ahead].all(axis=1) & low[:, behind].all(axis=1)
        if these.any() and those.any():
            near = float(np.min(KDTree(places[these] + image @ frame.cell).query(places[those])[0]))
            axes = tuple(np.flatnonzero(image).tolist())
            nearest[axes] = min(near, nearest.get(axes, np.inf))

    def least(of: Floats) -> float:
        return float(np.asarray(KDTree(of).query(of, 2)[0])[:, 1].min())

    faces = places[(low | high).any(axis=1)]
    if min(nearest.values(), default=np.inf) >= _TOO_NEAR * least(faces):
        return None  # all atoms come no farther from each other than these: a large frame need not be searched
    within = least(places)
    met: list[tuple[int, ...]] = []
    for axes in sorted(nearest, key=len):
        # Atoms that meet across a face may as well meet across its edges: only that face does not repeat.
        if nearest[axes] < _TOO_NEAR * within and not any(set(known) < set(axes) for known in met):
            met.append(axes)
    if not met:
        return None
    across = _axes(any(axis in axes for axes in met) for axis in range(3))
    return (
        f"atoms come within {min(nearest.values()):.2g} Å of each other across the box in {across}, and nowhere "
        f"nearer than {within:.2g} Å within it; if it does not repeat there, name the directions in which it does, as "
        "--pbc xy, or --pbc none"
    )
