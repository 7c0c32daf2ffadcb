"""What a DCD file says that MDAnalysis does not: who wrote it, and whether its last frame is whole."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO


def is_of_lammps(path: str) -> bool:
    """Tell a file written by LAMMPS, whose times are in its own units, by its title.

    Parameters
    ----------
    path
        DCD file.
    """
    with Path(path).open("rb") as file:
        return b"Written by LAMMPS" in file.read(400)


def has_tail(path: str) -> bool:
    """Tell whether bytes follow the last whole frame; False where the layout is not the usual one.

    Parameters
    ----------
    path
        DCD file.
    """
    with Path(path).open("rb") as file:
        start = file.read(4)
        order = next((order for order in "<>" if start == struct.pack(f"{order}i", 84)), None)
        if order is None:
            return False
        control = struct.unpack(f"{order}20i", file.read(84)[4:84])
        fixed, box, fourth = control[8], control[10], control[11]
        file.seek(0)
        try:
            for _ in range(3):
                _skip_record(file, order)
            first = file.tell()
            for _ in range(3 + bool(box) + bool(fourth)):
                _skip_record(file, order)
        except (struct.error, ValueError):
            return False
        frame = file.tell() - first
    return not fixed and (Path(path).stat().st_size - first) % frame != 0


def _skip_record(file: IO[bytes], order: str) -> None:
    """Skip one Fortran record, checking that its length stands at both ends."""
    (length,) = struct.unpack(f"{order}i", file.read(4))
    file.seek(length, 1)
    if struct.unpack(f"{order}i", file.read(4))[0] != length:
        raise ValueError("record lengths differ")
