"""What each input file is."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from cgcnn_md.errors import InputError, MissingFileError
from cgcnn_md.readers.lammps import open_text

Role = Literal["trajectory", "topology", "structure", "movie"]
"""Coordinates only; topology only; one snapshot with its topology; frames with their topology."""

_TRAJECTORIES = (
    "XTC", "TRR", "DCD", "TRZ", "NCDF", "NC", "TNG", "H5MD", "MDCRD", "CRDBOX", "TRJ", "INPCRD", "RESTRT",
    "COOR", "NAMDBIN", "TRC",
)  # fmt: skip
_TOPOLOGIES = ("XML", "PSF", "PRMTOP", "PARM7", "TPR", "ITP")
_STRUCTURES = ("GRO", "PDB", "ENT", "PQR", "PDBQT", "XPDB", "MMTF", "MMCIF", "DMS", "DATA", "CRD")
_MOVIES = ("LAMMPSDUMP", "GSD", "TXYZ", "ARC", "MOL2", "HISTORY")
_UNPACKED = (
    "XTC", "TRR", "DCD", "TRZ", "NCDF", "NC", "TNG", "H5MD", "INPCRD", "RESTRT", "COOR", "NAMDBIN", "GSD", "DMS",
    "HISTORY", "TRC", "traj",
)  # fmt: skip
"""Formats whose readers open no compressed file; MDAnalysis opens none with .xz."""
_ALIASES = {
    "LAMMPSTRJ": "LAMMPSDUMP", "DUMP": "LAMMPSDUMP", "LMP": "DATA", "LAMMPSDATA": "DATA", "RST7": "RESTRT",
    "RST": "RESTRT", "NETCDF": "NCDF",
}  # fmt: skip
_ASE = {
    "xyz": ("extxyz", "movie"), "extxyz": ("extxyz", "movie"), "exyz": ("extxyz", "movie"),
    "traj": ("traj", "movie"), "xdatcar": ("vasp-xdatcar", "movie"), "outcar": ("vasp-out", "movie"),
    "poscar": ("vasp", "structure"), "contcar": ("vasp", "structure"), "vasp": ("vasp", "structure"),
    "xsf": ("xsf", "movie"), "res": ("res", "structure"), "cfg": ("cfg", "structure"),
}  # fmt: skip


@dataclass(frozen=True)
class InputFile:
    """One file and what it is good for.

    Parameters
    ----------
    path
        As given by the user.
    backend
        Library that reads it.
    format
        The library's name of the format.
    role
        What the file holds.
    """

    path: str
    backend: Literal["mdanalysis", "ase"]
    format: str
    role: Role

    @property
    def stem(self) -> str:
        """File name without its endings."""
        name = re.sub(r"\.(gz|bz2|xz)$", "", Path(self.path).name)
        return re.sub(r"(?<=.)\.[^.]+$", "", name)


def classify(path: str | os.PathLike[str]) -> InputFile:
    """Tell what a file is from its name, and from its first bytes where the name does not say.

    Parameters
    ----------
    path
        File.

    Raises
    ------
    MissingFileError
        If it is not there.
    InputError
        If nobody knows its format.
    """
    text = os.fspath(path)
    if not Path(text).is_file():
        what = "is a folder" if Path(text).is_dir() else "no such file"
        raise MissingFileError(f"{text}: {what}; wanted a trajectory or topology file")
    if Path(text).stat().st_size == 0:
        raise InputError(f"{text}: is empty; wanted a trajectory or topology file")
    name = re.sub(r"\.(gz|bz2|xz)$", "", Path(text).name)
    extension = name.rpartition(".")[2].upper() if "." in name else ""
    ambiguous = extension in ("", "TOP", "XML", "CIF", "DAT", "TXT", "OUT", "LAMMPS", "LMP")
    file = None if ambiguous else _of_format(text, _ALIASES.get(extension, extension))
    file = file or _ase_by_name(text, name) or _sniff(text) or _ase_by_content(text)
    if file is None:
        raise InputError(f"{text}: unknown kind of file; wanted a format that MDAnalysis or ASE reads")
    _check_packing(file)
    return file


def _check_packing(file: InputFile) -> None:
    """Refuse a compressed file whose reader does not decompress it."""
    tool = {".gz": "gunzip", ".bz2": "bunzip2", ".xz": "unxz"}.get(Path(file.path).suffix)
    if tool and (file.format in _UNPACKED or (tool == "unxz" and file.backend == "mdanalysis")):
        raise InputError(f"{file.path}: {file.format} cannot be read compressed; unpack it first ({tool} {file.path})")


def _of_format(path: str, key: str) -> InputFile | None:
    """Look a MDAnalysis format up in the tables, then in ASE's by extension."""
    tables: dict[Role, tuple[str, ...]] = {
        "trajectory": _TRAJECTORIES,
        "topology": _TOPOLOGIES,
        "structure": _STRUCTURES,
        "movie": _MOVIES,
    }
    for role, formats in tables.items():
        if key in formats:
            return InputFile(path, "mdanalysis", key, role)
    return None


def _ase_by_name(path: str, name: str) -> InputFile | None:
    """Recognise XDATCAR, POSCAR_2, vasprun.xml, a.xyz, ..."""
    lower = name.lower()
    if "vasprun" in lower and lower.endswith("xml"):
        return InputFile(path, "ase", "vasp-xml", "movie")
    for key, (fmt, role) in _ASE.items():
        if lower.endswith(f".{key}") or (key.endswith("car") and key in lower):
            plain = fmt == "extxyz" and not _has_lattice(path)
            return InputFile(path, "ase", "xyz" if plain else fmt, role)  # type: ignore[arg-type]
    return _of_format(path, lower.upper())  # HISTORY


def _has_lattice(path: str) -> bool:
    """Tell an extended xyz file, which describes itself, from a plain one."""
    with open_text(path) as file:
        return "lattice=" in "".join(islice(file, 2)).lower().replace(" ", "")


def _sniff(path: str) -> InputFile | None:
    """Recognise a file by how it begins."""
    with Path(path).open("rb") as file:
        head = file.read(64)
    binary = {b"CORD": "DCD", b"\x00\x00\x07\xcb": "XTC", b"\x00\x00\x07\xc9": "TRR"}
    for magic, key in binary.items():
        if head[:4] == magic or (magic == b"CORD" and head[4:8] == magic):
            return _of_format(path, key)
    if head.startswith(b"CDF"):
        return _of_format(path, "NCDF")
    try:
        with open_text(path) as text:
            start = text.read(6000)
    except (OSError, EOFError):
        return None
    rules = (
        (r"ITEM: (TIMESTEP|UNITS|TIME)", "LAMMPSDUMP"),
        (r"PSF\b", "PSF"),
        (r"%VERSION", "PRMTOP"),
        (r"(?s).*<hoomd_xml", "XML"),
        (r"(?s).*^\s*(\[ *(defaults|moleculetype|system) *\]|#include)", "ITP"),
        (r"(?s).*^\s*_atom_site\.", "MMCIF"),
        (r"(?s).*^\s*\d+\s+atoms\s*$", "DATA"),
        (r"(?s).*^(ATOM  |HETATM|CRYST1)", "PDB"),
    )
    for pattern, key in rules:
        if re.match(pattern, start, re.MULTILINE):
            return _of_format(path, key)
    if re.search(r"^\s*_(atom_site_|cell_length_)", start, re.MULTILINE):
        return InputFile(path, "ase", "cif", "structure")
    return InputFile(path, "ase", "vasp-xml", "movie") if "<modeling>" in start else None


def _ase_by_content(path: str) -> InputFile | None:
    """Ask ASE, which knows some seventy formats."""
    from ase.io.formats import UnknownFileTypeError, filetype

    try:
        fmt = str(filetype(path, guess=False))
    except (UnknownFileTypeError, OSError, UnicodeDecodeError):
        return None
    return InputFile(path, "ase", fmt, "movie")
