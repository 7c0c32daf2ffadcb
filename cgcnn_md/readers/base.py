"""The Reader: checked frames by number, in any order, from whatever decodes them."""

from __future__ import annotations

import math
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.errors import BadFrameError, CgcnnMdWarning
from cgcnn_md.frame import Frame
from cgcnn_md.readers.checks import box_kind, check_cell, check_directions, check_positions
from cgcnn_md.readers.groups import Groups
from cgcnn_md.readers.identity import Identity
from cgcnn_md.readers.molecules import Molecules
from cgcnn_md.readers.selection import Layout
from cgcnn_md.readers.source import RawFrame
from cgcnn_md.readers.species import Species
from cgcnn_md.readers.timeline import Timeline


class SpeciesRow(NamedTuple):
    """A line of the species table: species, atoms, what told it, some of their names."""

    species: str
    atoms: int
    source: str
    examples: tuple[str, ...]


class Decoder(Protocol):
    """What turns frame numbers into raw frames.

    Attributes
    ----------
    paths
        What to call each run in messages.
    """

    paths: Sequence[str]

    def fetch(self, wanted: Iterable[tuple[int, int]]) -> Iterator[RawFrame | BadFrameError]:
        """Decode frames in the given order, working ahead where it can.

        Parameters
        ----------
        wanted
            Run and number of each frame.
        """

    def close(self) -> None:
        """Let go of files and processes."""


class Reader:
    """Frames of one system, of one or more runs.

    Parameters
    ----------
    name
        What the system is called.
    sources
        Paths of its trajectories and topology; empty in memory.
    decoder
        Gives raw frames of the environment atoms.
    layout, species, timeline
        Which atoms, of which species, in which frames.
    identity
        What each environment atom is in its molecule.
    molecules
        Which molecule each environment atom is in.
    groups
        What gets a vector: the target atoms, or groups of them.
    periodic
        Directions that may be periodic, shape (3,); whether they are, a frame says.
    skip_bad
        Whether iterating over the reader leaves out frames that cannot be read, with a warning.
    notes
        What the user should be told.

    Attributes
    ----------
    species : tuple of str
        Species names; `Frame.species` are codes into it.
    species_codes : numpy.ndarray
        Code of every environment atom.
    masses : numpy.ndarray
        Mass of every environment atom, in some unit.
    targets, atom_index : numpy.ndarray
        Target atoms as indices into a frame and into the topology.
    environment_index : numpy.ndarray
        Topology index of every atom of a frame.
    runs, frame_numbers : numpy.ndarray
        Run and number in its file of every frame.
    run_names : sequence of str
        File of every run, or what to call it.
    dt : float
        Time in ps between frames that follow each other; nan if unknown.
    bad_frames : dict of int to str
        Frames found unreadable so far, with the reason.
    """

    def __init__(
        self,
        name: str,
        sources: Sequence[str],
        decoder: Decoder,
        layout: Layout,
        species: Species,
        timeline: Timeline,
        identity: Identity,
        molecules: Molecules,
        groups: Groups,
        periodic: NDArray[np.bool_],
        *,
        skip_bad: bool = False,
        notes: Iterable[str] = (),
    ) -> None:
        self.name = name
        self.sources = tuple(sources)
        self.species = layout.species
        self.species_codes = layout.codes
        self.masses = layout.masses
        self.targets = layout.targets
        self.environment_index = layout.environment
        self.atom_index = layout.atom_index
        self.names, self.resnames, self.resids = layout.names, layout.resnames, layout.resids
        self.types = layout.types
        self.runs, self.frame_numbers = timeline.runs, timeline.numbers
        self.run_names = tuple(decoder.paths)
        self.dt = timeline.dt
        self.identity = identity
        self.molecules = molecules
        self.groups = groups
        self.notes: list[str] = list(dict.fromkeys(notes))
        self.bad_frames: dict[int, str] = {}
        self._decoder = decoder
        self._assignment = species
        self._file_dt = timeline.file_dt
        self._periodic = periodic
        self._skip_bad = skip_bad
        self._box_kind: str | None = None
        self._like: tuple[int, NDArray[np.bool_]] | None = None  # the first frame read: all are periodic as it is

    @property
    def n_atoms(self) -> int:
        """Atoms in a frame."""
        return len(self.environment_index)

    @property
    def n_targets(self) -> int:
        """Atoms that get an embedding, alone or in groups."""
        return len(self.targets)

    @property
    def box_kind(self) -> str:
        """Kind of the first frame's box: "orthorhombic", "triclinic" or "none".

        Where one or two directions are periodic they are named: "orthorhombic, periodic in x, y".
        """
        if self._box_kind is None:
            first = self.first()
            self._box_kind = "unknown" if first is None else box_kind(first)
        return self._box_kind

    def first(self) -> Frame | None:
        """Give the first of the first three frames that can be read."""
        for position in range(min(len(self), 3)):
            with suppress(BadFrameError):
                return self[position]
        return None

    def species_table(self) -> list[SpeciesRow]:
        """List the species of a frame's atoms: name, number of atoms, what told it, examples."""
        counts = np.bincount(self.species_codes, minlength=len(self.species))
        found = self._assignment
        return [
            SpeciesRow(label, int(count), found.sources[label], found.examples[label])
            for label, count in zip(self.species, counts, strict=True)
        ]

    def __len__(self) -> int:
        return len(self.frame_numbers)

    def __getitem__(self, index: int) -> Frame:
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"frame {index}: there are {len(self)}")
        pairs = [(int(self.runs[position]), int(self.frame_numbers[position]))]
        (raw,) = self._decoder.fetch(pairs)
        return self._checked(position, raw)

    def __iter__(self) -> Iterator[Frame]:
        position = 0
        while position < len(self):
            try:
                for frame in self.frames(range(position, len(self))):
                    yield frame
                    position += 1
                return
            except BadFrameError as error:
                if not self._skip_bad:
                    raise
                warnings.warn(f"skipped: {error}", CgcnnMdWarning, stacklevel=2)
                position += 1

    def frames(self, indices: Iterable[int]) -> Iterator[Frame]:
        """Read frames in the given order, decoding ahead.

        Parameters
        ----------
        indices
            Frame indices of this reader, from 0.

        Yields
        ------
        Frame
            Each frame.

        Raises
        ------
        BadFrameError
            At a frame that cannot be read, whatever `on_bad_frame` says: which frame a place in the
            sequence stands for must never be in doubt. Going on after it is the caller's choice, as it
            is made by iterating over the reader itself.
        """
        order: deque[int] = deque()

        def wanted() -> Iterator[tuple[int, int]]:
            for index in indices:
                position = int(index)
                if not 0 <= position < len(self):
                    raise IndexError(f"frame {position}: there are {len(self)}")
                order.append(position)
                yield int(self.runs[position]), int(self.frame_numbers[position])

        for raw in self._decoder.fetch(wanted()):
            yield self._checked(order.popleft(), raw)

    def index_of(self, frame: Frame) -> int:
        """Tell which of this reader's frames a frame is.

        Parameters
        ----------
        frame
            One that this reader gave.
        """
        found = np.flatnonzero((self.runs == frame.run) & (self.frame_numbers == frame.number))
        return int(found[0])

    def _checked(self, position: int, raw: RawFrame | BadFrameError) -> Frame:
        """Turn a raw frame into a Frame, or refuse it and remember that."""
        run, number = int(self.runs[position]), int(self.frame_numbers[position])
        try:
            if isinstance(raw, BadFrameError):
                raise raw
            where = f"frame {number} of {self._decoder.paths[run]}"
            positions = raw.positions.astype(np.float64, copy=False)
            check_positions(positions, where, self.environment_index)
            pbc = raw.pbc & self._periodic
            check_cell(raw.cell, pbc, where)
            first, wanted = self._like = self._like or (position, pbc)
            told = "" if self.runs[first] == run else f" of {self._decoder.paths[self.runs[first]]}"
            check_directions(pbc, wanted, where, f"frame {self.frame_numbers[first]}{told}")
        except BadFrameError as error:
            self.bad_frames[position] = str(error)
            raise
        time = raw.time if self._file_dt is None else number * self._file_dt
        return Frame(positions, raw.cell, pbc, self.species_codes, time, number, run)

    def close(self) -> None:
        """Let go of files and the child process; the reader may not be used after."""
        self._decoder.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        dt = f"{self.dt:g} ps" if math.isfinite(self.dt) else "unknown"
        atoms = f"{self.n_targets} targets of {self.n_atoms} atoms"
        return f"<Reader {self.name}: {len(self)} frames, dt {dt}, {atoms}>"
