"""What an Amber topology says of the box, of which Amber's text trajectories hold no more than the lengths."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from cgcnn_md.readers.lammps import open_text

FORMATS = ("TOP", "PRMTOP", "PARM7")
_OCTAHEDRON = float(np.degrees(np.arccos(-1 / 3)))  # 109.47 degrees, of which files keep differing numbers of digits


def octahedral_angle(path: str) -> float | None:
    """Tell the angle of a truncated octahedron, whose three angles are the one that the topology holds.

    Parameters
    ----------
    path
        Amber topology, a prmtop.

    Returns
    -------
    float or None
        Angle in degrees; None for a box of any other shape, of which one angle does not tell the others.
    """
    with open_text(path) as file:
        inside = False
        for line in file:
            if line.startswith("%FLAG"):
                inside = line.split()[1:2] == ["BOX_DIMENSIONS"]
            elif inside and not line.startswith("%"):
                with suppress(ValueError):
                    return _OCTAHEDRON if abs(float(line[:16]) - _OCTAHEDRON) < 0.02 else None
                return None
    return None
