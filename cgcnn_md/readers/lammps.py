"""What LAMMPS files say beside the coordinates: atom style, boundary flags, columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import IO

from cgcnn_md.errors import InputError

_STYLES = {
    "atomic": "id type x y z",
    "charge": "id type charge x y z",
    "molecular": "id resid type x y z",
    "bond": "id resid type x y z",
    "angle": "id resid type x y z",
    "full": "id resid type charge x y z",
    "sphere": "id type diameter density x y z",
    "dipole": "id type charge x y z mux muy muz",
}

TIMES = {"real": "fs", "metal": "ps"}
"""Unit of time in those of LAMMPS' units whose lengths are in Å."""


def open_binary(path: str) -> IO[bytes]:
    """Open a file that may be compressed.

    Parameters
    ----------
    path
        File; ``.gz``, ``.bz2`` and ``.xz`` are decompressed.
    """
    compression = {".gz": "gzip", ".bz2": "bz2", ".xz": "lzma"}.get(Path(path).suffix)
    library = import_module(compression) if compression else None
    file: IO[bytes] = library.open(path, "rb") if library else Path(path).open("rb")  # noqa: SIM115 - handed on
    return file


def open_text(path: str) -> IO[str]:
    """Open a text file that may be compressed.

    Parameters
    ----------
    path
        File.
    """
    return TextIOWrapper(open_binary(path), errors="replace")


def units(path: str) -> str | None:
    """Tell LAMMPS' name of the units of a data file, which stands in its first line where ``write_data`` wrote it.

    Parameters
    ----------
    path
        LAMMPS data file.
    """
    with open_text(path) as file:
        found = re.search(r"^LAMMPS data file via write_data.*\bunits = (\w+)", file.readline())
    return found.group(1) if found else None


def atom_style(path: str) -> str | None:
    """Tell the columns of a data file's Atoms section, in MDAnalysis' words; None leaves it to MDAnalysis.

    Parameters
    ----------
    path
        LAMMPS data file.
    """
    with open_text(path) as file:
        for line in file:
            found = re.match(r"\s*Atoms\b\s*(?:#\s*(\w+))?", line)
            if found:
                named = _STYLES.get(found.group(1) or "")
                return named or _style_of_rows([row.split("#")[0].split() for row in islice(file, 1, 200)])
    return None


def _style_of_rows(rows: list[list[str]]) -> str | None:
    """Tell the style from the number of columns; image flags add three whole numbers."""
    full = [row for row in rows if row]
    if not full:
        return None
    width = len(full[0])
    full = [row for row in full if len(row) == width]  # the next section may have begun
    if width in (5, 8):
        return _STYLES["atomic"]
    if width in (7, 10):
        return _STYLES["full"]
    if width in (6, 9):
        whole = all(re.fullmatch(r"[+-]?\d+", row[2]) for row in full)
        return _STYLES["molecular" if whole else "charge"]
    return None


@dataclass(frozen=True)
class DumpHeader:
    """First header of a dump file.

    Parameters
    ----------
    columns
        Names of the per-atom columns.
    pbc
        Which directions are periodic.
    """

    columns: tuple[str, ...]
    pbc: tuple[bool, bool, bool]


def dump_header(path: str) -> DumpHeader:
    """Read the first header of a LAMMPS dump.

    Parameters
    ----------
    path
        Dump file.

    Raises
    ------
    InputError
        If the file is no text dump that MDAnalysis can read.
    """
    pbc = (True, True, True)
    with open_text(path) as file:
        for line in islice(file, 20):
            if line.startswith(("ITEM: UNITS", "ITEM: TIME\n")):
                item = line.split()[1].lower()
                raise InputError(
                    f"{path}: holds 'ITEM: {item.upper()}', which cannot be read; write the dump without "
                    f"'dump_modify {item} yes'"
                )
            if line.startswith("ITEM: BOX BOUNDS"):
                flags = [word for word in line.split()[3:] if re.fullmatch(r"[pfsm]{2}", word)]
                if len(flags) == 3:
                    pbc = (flags[0] == "pp", flags[1] == "pp", flags[2] == "pp")
            if line.startswith("ITEM: ATOMS"):
                columns = tuple(line.split()[2:])
                if "id" not in columns:
                    raise InputError(f"{path}: has no column 'id', by which atoms are followed; dump it with 'id'")
                return DumpHeader(columns, pbc)
    raise InputError(f"{path}: no 'ITEM: ATOMS' in the first lines; wanted a LAMMPS text dump")
