"""What decodes frames: one run's frames by number, all atoms, nothing checked yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.frame import Floats


@dataclass(frozen=True)
class RawFrame:
    """A frame as decoded.

    Parameters
    ----------
    positions
        Coordinates in Å, shape (atoms, 3), float32 or float64.
    cell
        Row vectors of the box in Å; zeros where there is none.
    pbc
        Which vectors are periodic.
    time
        Time in ps, nan where the file holds none.
    """

    positions: NDArray[Any]
    cell: Floats
    pbc: NDArray[np.bool_]
    time: float


class Source(Protocol):
    """Random access to the frames of one run.

    Attributes
    ----------
    n_frames, n_atoms
        Size of the run.
    labels
        What the file itself calls each atom, where it says so and no topology is needed.
    has_time
        Whether frames carry a time in ps.
    notes
        What the user should know.
    """

    n_frames: int
    n_atoms: int
    labels: list[str] | None
    has_time: bool
    notes: list[str]

    def read(self, number: int) -> RawFrame:
        """Decode one frame.

        Parameters
        ----------
        number
            Frame number in the file, from 0.
        """


def cell_of_dimensions(dimensions: Any) -> tuple[Floats, NDArray[np.bool_]]:
    """Turn lengths and angles into row vectors and periodicity.

    Parameters
    ----------
    dimensions
        a, b, c in Å and alpha, beta, gamma in degrees, or None for no box. A length of zero
        stands for a direction that is not periodic.

    Returns
    -------
    cell
        Row vectors in Å, a along x, b in the xy plane.
    pbc
        Which of them are periodic.
    """
    cell = np.zeros((3, 3))
    if dimensions is None:
        return cell, np.zeros(3, bool)
    box = np.asarray(dimensions, float)
    lengths, angles = box[:3], box[3:]
    pbc = lengths != 0
    if pbc.any() and not np.isfinite(box).all():
        return np.full((3, 3), np.nan), pbc  # no box, and not a straight one either
    if pbc.sum() < 2 or (angles == 90).all() or (angles == 0).all():
        return np.diag(lengths), pbc
    if not pbc.all():  # of the angles, that between the two that repeat; a third is put across them, and taken away
        made, _ = cell_of_dimensions([*np.where(pbc, lengths, 1.0), *np.where(pbc, 90.0, angles)])
        return made * pbc[:, None], pbc
    # cos(90 degrees) must be exactly 0, or an orthorhombic box with one oblique angle gets stray 1e-15 terms
    cos_a, cos_b, cos_g = np.where(angles == 90, 0.0, np.cos(np.radians(angles)))
    sin_g = np.sqrt(max(1.0 - cos_g**2, 0.0))
    cell[0, 0] = lengths[0]
    cell[1, :2] = lengths[1] * cos_g, lengths[1] * sin_g
    across = (cos_a - cos_b * cos_g) / sin_g if sin_g > 0 else 0.0
    cell[2] = (
        lengths[2] * cos_b,
        lengths[2] * across,
        lengths[2] * np.sqrt(max(1.0 - cos_b**2 - across**2, 0.0)),
    )
    return cell, pbc


def along_x(positions: NDArray[Any], cell: Floats) -> tuple[NDArray[Any], NDArray[Any]]:
    """Turn atoms and box so that the first vector is along x, as MDAnalysis' lengths and angles have it.

    Parameters
    ----------
    positions
        Coordinates in Å, shape (atoms, 3).
    cell
        Row vectors in Å, all of them periodic.

    Returns
    -------
    positions, dimensions
        Turned coordinates, and lengths (Å) and angles (degrees) of the box.
    """
    from MDAnalysis.lib.mdamath import triclinic_box, triclinic_vectors

    box = triclinic_box(*cell)
    return np.linalg.solve(cell.T, positions.T).T @ triclinic_vectors(box), box
