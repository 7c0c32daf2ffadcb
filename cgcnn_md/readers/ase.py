"""Frames decoded by ASE, or for xyz by a reader of its own: from files (in the worker) or in memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from itertools import islice
from typing import IO, Any

import numpy as np

from cgcnn_md.errors import InputError
from cgcnn_md.readers.lammps import open_text
from cgcnn_md.readers.source import RawFrame


def open_file(path: str, fmt: str) -> XYZSource | AtomsSource:
    """Open a file that ASE reads.

    Parameters
    ----------
    path, fmt
        File and ASE's name of its format.
    """
    if fmt in ("extxyz", "xyz"):
        return XYZSource(path)
    if fmt == "vasp-xdatcar":
        return AtomsSource(Xdatcar(path))
    if fmt == "traj":
        from ase.io import Trajectory

        return AtomsSource(Trajectory(path))  # type: ignore[no-untyped-call]
    from ase.io import iread

    return AtomsSource(Compact(iread(path, index=":", format=fmt)))


class AtomsSource:
    """Frames of a sequence of ``ase.Atoms``.

    Parameters
    ----------
    images
        The frames; they must hold the same atoms in the same order.
    """

    has_time = False

    def __init__(self, images: Any) -> None:
        if len(images) == 0:
            raise InputError("it holds no frame")
        self._images = images
        self._numbers = np.array(images[0].numbers)
        self.n_frames = len(images)
        self.n_atoms = len(self._numbers)
        self.labels: list[str] | None = images[0].get_chemical_symbols()
        self.notes: list[str] = []

    def read(self, number: int) -> RawFrame:
        """Decode one frame.

        Parameters
        ----------
        number
            Frame number, from 0.
        """
        atoms = self._images[number]
        if not np.array_equal(atoms.numbers, self._numbers):
            raise InputError(f"its {len(atoms)} atoms are not the {self.n_atoms} of frame 0, in the same order")
        cell = np.array(atoms.cell[:], float)
        return RawFrame(np.array(atoms.positions, float), cell, np.array(atoms.pbc, bool), float("nan"))


class Compact(Sequence[Any]):
    """Frames of a file that can only be read in order, kept as coordinates alone.

    Parameters
    ----------
    images
        Iterator over ``ase.Atoms``; what it raises belongs to the frame after the last one read.
    """

    def __init__(self, images: Iterable[Any]) -> None:
        from ase import Atoms

        self._frames: list[Any] = []
        self._error: Exception | None = None
        try:
            for image in images:
                self._frames.append(
                    Atoms(numbers=image.numbers, positions=image.positions, cell=image.cell, pbc=image.pbc)
                )
        except Exception as error:
            if not self._frames:
                raise
            self._error = error

    def __len__(self) -> int:
        return len(self._frames) + (self._error is not None)

    def __getitem__(self, number: Any) -> Any:
        if number == len(self._frames) and self._error is not None:
            raise self._error
        return self._frames[number]


class Xdatcar(Sequence[Any]):
    """Frames of a VASP XDATCAR by number, each parsed when it is asked for.

    Parameters
    ----------
    path
        XDATCAR file, of constant or varying cell.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._frames: list[tuple[str, int]] = []
        head: list[str] = []
        with open_text(path) as file:
            while line := file.readline():
                if "configuration" not in line:
                    head = [*head, line][-7:]
                    continue
                if len(head) < 7:
                    raise InputError("no seven lines of title, cell and species stand before the first configuration")
                text = "".join(head)
                self._frames.append((text, file.tell()))
                self._n_atoms = sum(int(word) for word in head[6].split())
                for _ in range(self._n_atoms):
                    file.readline()

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, number: Any) -> Any:
        from ase.io import read

        head, offset = self._frames[number]
        with open_text(self._path) as file:
            file.seek(offset)
            body = list(islice(file, self._n_atoms))
        if len(body) < self._n_atoms:
            raise InputError(f"the file ends after {len(body)} of {self._n_atoms} atoms")
        return read(StringIO(f"{head}Direct configuration= 1\n{''.join(body)}"), format="vasp-xdatcar", index=0)


class XYZSource:
    """Frames of an xyz or extended xyz file by number, with any labels in the species column.

    ASE reads the number in a LAMMPS type column as an atomic number and refuses bead names; this
    reader keeps labels as written.

    Parameters
    ----------
    path
        File; may be compressed.
    """

    has_time = False

    def __init__(self, path: str) -> None:
        self.notes: list[str] = []
        self._file: IO[str] = open_text(path)
        self._offsets = list(_frame_starts(self._file))
        self.n_frames = len(self._offsets)
        if not self.n_frames:
            raise InputError("it holds no frame")
        self.labels: list[str] | None = self._parse(0)[0]
        self.n_atoms = len(self.labels)

    def read(self, number: int) -> RawFrame:
        """Decode one frame.

        Parameters
        ----------
        number
            Frame number in the file, from 0.
        """
        labels, frame = self._parse(number)
        if labels != self.labels:
            raise InputError(f"its {len(labels)} atoms are not the {self.n_atoms} of frame 0, in the same order")
        return frame

    def _parse(self, number: int) -> tuple[list[str], RawFrame]:
        """Read labels and coordinates of one frame."""
        self._file.seek(self._offsets[number])
        count = int(self._file.readline())
        comment = self._file.readline()
        species, first = _columns(comment)
        rows = [line.split() for line in islice(self._file, count)]
        if len(rows) < count:
            raise InputError(f"the file ends after {len(rows)} of {count} atoms")
        labels = [row[species] for row in rows]
        positions = np.array([row[first : first + 3] for row in rows], float).reshape(count, 3)
        cell, pbc = _box(comment)
        return labels, RawFrame(positions, cell, pbc, float("nan"))


def _frame_starts(file: IO[str]) -> Iterator[int]:
    """Find where each frame begins."""
    while True:
        offset, line = file.tell(), file.readline()
        if not line.strip():
            if not line or not file.readline().strip():
                return
            raise InputError("an empty line stands where the number of atoms should be")
        if not line.split()[0].isdigit():
            raise InputError(f"{line.strip()[:20]!r} stands where the number of atoms should be")
        yield offset
        for _ in range(int(line.split()[0]) + 1):
            file.readline()


def _value(comment: str, key: str) -> str | None:
    """Read ``key=value`` from a comment line, where the value may be quoted or bracketed."""
    found = re.search(rf"(?:^|\s){key}\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([\[{{][^\]}}]*[\]}}])|(\S+))", comment, re.I)
    return next((text for text in found.groups() if text is not None), None) if found else None


def _columns(comment: str) -> tuple[int, int]:
    """Find the species column and the first coordinate column."""
    fields = (_value(comment, "Properties") or "species:S:1:pos:R:3").split(":")
    columns: dict[str, int] = {}
    position = 0
    for name, width in zip(fields[::3], fields[2::3], strict=False):
        columns[name.lower()] = position
        position += int(width)
    species = columns.get("species", columns.get("z"))
    if species is None or "pos" not in columns:
        raise InputError(f"Properties={':'.join(fields)} has no species or no pos")
    return species, columns["pos"]


def _box(comment: str) -> tuple[Any, Any]:
    """Read cell and periodicity; a Lattice without pbc is periodic, as in ASE."""
    lattice, periodic = _value(comment, "Lattice"), _value(comment, "pbc")
    cell = np.zeros((3, 3))
    if lattice:
        numbers = np.array(re.findall(r"[-+\d.eE]+", lattice), float)
        if numbers.size not in (3, 9):
            raise InputError(f"Lattice holds {numbers.size} numbers; wanted 9")
        cell = np.diag(numbers) if numbers.size == 3 else numbers.reshape(3, 3)
    flags = re.findall(r"[TtFf]\w*|[01]", periodic) if periodic else []
    if len(flags) == 3:
        return cell, np.array([flag[0] in "Tt1" for flag in flags])
    return cell, np.full(3, lattice is not None)
