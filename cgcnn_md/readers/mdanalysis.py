"""Frames decoded by MDAnalysis, from files (in the worker) or from a Universe (in process)."""

from __future__ import annotations

import contextlib
import re
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.errors import InputError
from cgcnn_md.frame import Floats
from cgcnn_md.readers import dcd, lammps
from cgcnn_md.readers.source import RawFrame, cell_of_dimensions

_SINGLE_PRECISION_TIME = ("XTC", "TRR")
_CRYST1 = ((6, 9), (15, 9), (24, 9), (33, 7), (40, 7), (47, 7))  # columns, and their widths, of a PDB's box
_TAIL = "ends in an incomplete frame, which is left out"
_STRAIGHT = "the trajectory holds no angles of the box: it is taken as rectangular; of any other, give the NetCDF"


def open_file(
    path: str, fmt: str, n_atoms: int, units: str | None = None, angle: float | None = None
) -> MDAnalysisSource:
    """Open a trajectory or structure file without a topology.

    Parameters
    ----------
    path, fmt
        File and MDAnalysis' name of its format.
    n_atoms
        Atoms of the topology, which some formats do not repeat.
    units
        LAMMPS' name of the units that it was written in, if that is known.
    angle
        All three angles of the box in degrees, for a trajectory that holds none, if the topology tells them.
    """
    if fmt == "GRO":
        return GroSource(path)
    from MDAnalysis.coordinates.core import get_reader_for

    options: dict[str, Any] = {}
    if fmt == "DATA":
        options["atom_style"] = lammps.atom_style(path)
    if fmt == "DCD" and dcd.is_of_lammps(path):
        fmt = "LAMMPS"
        options["timeunit"] = lammps.TIMES.get(units or "", "fs")
    reader = get_reader_for(path, format=fmt)(path, n_atoms=n_atoms, **options)
    source = MDAnalysisSource(reader, angle)
    if fmt == "PDB" and source.n_frames > 1:
        source.box = box_before_models(path)
    if fmt == "LAMMPS" and units is None:
        source.notes.append(f"{Path(path).name}: time step taken as fs (LAMMPS units real); else pass --dt")
    elif fmt == "LAMMPS" and units not in lammps.TIMES:
        source.has_time = False
    if fmt == "LAMMPSDUMP":
        source.boundary = np.array(lammps.dump_header(path).pbc)
    if fmt in ("DCD", "LAMMPS") and dcd.has_tail(path):
        source.notes.append(f"{Path(path).name} {_TAIL}")
    if fmt == "LAMMPSDUMP" and (said := _end_of_dump(reader, path)):
        source.notes.append(f"{Path(path).name} {said}")
    return source


def box_before_models(path: str) -> NDArray[np.float64] | None:
    """Read the box of a PDB file that stands once before its models, where MDAnalysis does not look for it.

    Parameters
    ----------
    path
        PDB file.

    Returns
    -------
    ndarray or None
        Lengths in Å and angles in degrees, shape (6,); None where there is none that can be read, or one of 1 Å, which
        stands for none.
    """
    with lammps.open_text(path) as file:
        for line in file:
            if line.startswith("CRYST1"):
                with contextlib.suppress(ValueError):
                    box = np.array([float(line[start : start + n]) for start, n in _CRYST1])
                    return box if box[:3].max() > 1 else None
            if line.startswith(("MODEL", "ATOM", "HETATM")):
                return None
    return None


def _end_of_dump(reader: Any, path: str) -> str:
    """Say what is wrong with the end of a dump, if anything is."""
    with lammps.open_text(path) as file:
        if path.endswith((".gz", ".bz2", ".xz")):
            return ""  # seeking to the end would decompress it all again
        file.seek(reader._offsets[-1])
        lines = [line for line in file if line.strip()]
    if len(lines) > int(reader.n_atoms) + 9:
        return _TAIL
    whole = lines[-1][-1:].isspace()
    return "" if whole else "ends without a line break: if it was cut off there, its last number is not whole"


class MDAnalysisSource:
    """Frames of an MDAnalysis trajectory reader; always by index, for iterating stops silently at damage.

    Parameters
    ----------
    reader
        Trajectory, e.g. ``universe.trajectory``.
    angle
        All three angles of the box in degrees, of a trajectory that holds none.
    """

    labels: list[str] | None = None

    def __init__(self, reader: Any, angle: float | None = None) -> None:
        self.reader = reader
        self.n_frames = int(reader.n_frames)
        self.n_atoms = int(reader.n_atoms)
        self.boundary = np.ones(3, bool)
        self.box: NDArray[np.float64] | None = None  # of frames that have none
        self.notes: list[str] = []
        self._format = str(reader.format[0] if isinstance(reader.format, list | tuple) else reader.format).upper()
        self._members = _members(reader)
        straight = self._format == "TRJ" and reader.ts.dimensions is not None
        self._angle = angle if straight else None
        if (straight and angle is None) or any(_STRAIGHT in member.notes for member in self._members):
            self.notes.append(_STRAIGHT)
        self._first_box = _first_box(reader) if self._format == "PDB" else None
        # given by the user of a Universe
        self._fixed_dt: bool = "dt" in getattr(reader, "_ts_kwargs", {})
        self.has_time: bool = self._fixed_dt or ("time" in reader.ts.data and self._format not in ("LAMMPSDUMP", "GSD"))
        if self._format in ("DCD", "LAMMPS", "CHAIN") and self.has_time and not self._fixed_dt:
            # A header without time step; a chain's dt is its first member's.
            own = bool(np.isfinite(reader.dt) and reader.dt > 0)
            self.has_time = own and all(member.has_time for member in self._members)

    def read(self, number: int) -> RawFrame:
        """Decode one frame.

        Parameters
        ----------
        number
            Frame number in the file, from 0.
        """
        file, place = self._file_of(number)
        if file._format == "PDB":  # a model without a box is left with that of whichever was read before
            file.reader.ts.dimensions = file._first_box
        step = self.reader[number]
        if not getattr(step, "has_positions", True):
            raise InputError("it holds no coordinates")
        cell, pbc = file._box_of(step, place)
        return RawFrame(np.array(step.positions), cell, pbc & self.boundary, self._time(step))

    def _file_of(self, number: int) -> tuple[MDAnalysisSource, int]:
        """Give what holds a frame, this itself or a member of the chain, and the frame's number there."""
        if not self._members:
            return self, number
        member, place = self.reader._get_local_frame(number)
        return self._members[member], int(place)

    def _box_of(self, step: Any, number: int) -> tuple[Floats, NDArray[np.bool_]]:
        """Give the cell of a frame that was read, and where it is periodic."""
        if self._format == "GSD":
            return _hoomd_box(self.reader._file[number].configuration)
        box = self.box if step.dimensions is None else step.dimensions
        if box is not None and self._angle is not None:
            box = np.array([*box[:3], *[self._angle] * 3])
        return cell_of_dimensions(box)

    def _time(self, step: Any) -> float:
        """Give the time in ps, without the noise of single precision."""
        if not self.has_time:
            return float("nan")
        return float(str(np.float32(step.time))) if self._format in _SINGLE_PRECISION_TIME else float(step.time)


def _members(reader: Any) -> list[MDAnalysisSource]:
    """Give the files of a chain, none where it is none; the chain stands where it stood."""
    if not (files := getattr(reader, "readers", ())):
        return []
    stood = int(reader.frame)
    members = [MDAnalysisSource(file) for file in files]
    reader[stood]
    return members


def _first_box(reader: Any) -> Any:
    """Give lengths and angles of the first frame, None where it has none; the reader stands where it stood."""
    stood = min(int(reader.frame), int(reader.n_frames) - 1)  # a chain gives its file the chain's own number
    box = reader[0].dimensions
    box = None if box is None else np.array(box)
    reader[stood]
    return box


def _hoomd_box(configuration: Any) -> tuple[Floats, NDArray[np.bool_]]:
    """Give the cell of a HOOMD frame, and where it is periodic; MDAnalysis takes the tilts of a box for cosines."""
    x, y, z, xy, xz, yz = (float(number) for number in configuration.box)
    cell = np.array([[x, 0.0, 0.0], [xy * y, y, 0.0], [xz * z, yz * z, z]])
    flat = configuration.dimensions == 2  # the height of its box means nothing
    return cell, np.array([x != 0, y != 0, z != 0 and not flat])


class GroSource(MDAnalysisSource):
    """Frames of a GRO file, of which MDAnalysis itself reads only the first.

    Parameters
    ----------
    path
        GRO file of one or more frames.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._offsets: list[int] = []
        self.n_atoms = 0
        with lammps.open_binary(path) as file:
            while True:
                position, title, count = file.tell(), file.readline(), file.readline().strip()
                if not count and not title.strip():
                    break
                if not count.isdigit():
                    raise InputError(f"{path}: {count[:20]!r} stands where the number of atoms should be")
                self._offsets.append(position)
                self.n_atoms = self.n_atoms or int(count)
                for _ in range(int(count) + 1):
                    file.readline()
        self.n_frames = len(self._offsets)
        self.notes = []
        self.has_time = not np.isnan(self._title_time(0))

    def _title_time(self, number: int) -> float:
        """Read the time in ps from a title such as ``water t= 10.0 step= 5``."""
        with lammps.open_binary(self._path) as file:
            file.seek(self._offsets[number])
            found = re.search(rb"\bt=\s*([-+\d.eE]+)", file.readline())
        return float(found.group(1)) if found else float("nan")

    def read(self, number: int) -> RawFrame:
        """Decode one frame.

        Parameters
        ----------
        number
            Frame number in the file, from 0.
        """
        from MDAnalysis.coordinates.GRO import GROReader
        from MDAnalysis.lib.util import NamedStream

        end = self._offsets[number + 1] if number + 1 < self.n_frames else None
        with lammps.open_binary(self._path) as file:
            file.seek(self._offsets[number])
            text = file.read(-1 if end is None else end - self._offsets[number]).decode(errors="replace")
        step = GROReader(NamedStream(StringIO(text), self._path)).ts
        cell, pbc = cell_of_dimensions(step.dimensions)
        return RawFrame(np.array(step.positions), cell, pbc, self._title_time(number))


def file_numbers(reader: Any) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Give the run and the number in its file of every frame of a Universe's trajectory.

    Parameters
    ----------
    reader
        Trajectory; one made of several files has a run for each.
    """
    members = getattr(reader, "readers", None)
    lengths = [int(member.n_frames) for member in members] if members else [int(reader.n_frames)]
    if sum(lengths) != int(reader.n_frames):  # a continuous chain leaves overlapping frames out
        lengths = [int(reader.n_frames)]
    runs = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    numbers = np.concatenate([np.arange(length, dtype=np.int64) for length in lengths])
    return runs, numbers
