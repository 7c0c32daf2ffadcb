"""Frames spread over a trajectory, with a cluster on every atom that has one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cgcnn_md.frame import Floats, Frame, Ints
from cgcnn_md.readers.molecules import Molecules
from cgcnn_md.store import Store


@dataclass(frozen=True, eq=False)
class LabelledFrame:
    """A frame whose atoms carry cluster labels.

    Parameters
    ----------
    frame
        Snapshot.
    labels
        Cluster of every atom of the frame, -1 where there is none, shape (n_atoms,).
    species
        Names of the frame's species codes.
    molecules
        Molecules of the frame's atoms; None where there are none.
    """

    frame: Frame
    labels: Ints
    species: Sequence[str]
    molecules: Molecules | None = None

    def kinds(self) -> tuple[list[str], Ints]:
        """Name every atom as a neighbour: by species, and by molecule where there are several kinds of these.

        Returns
        -------
        names, codes
            "O of PEO" and "O of TFSI", or "O"; and the place of every atom's name.
        """
        codes = self.frame.species.astype(np.int64)
        held = self.molecules
        if held is None or len(held.names) < 2:
            return list(self.species), codes
        code = codes * (len(held.names) + 1) + held.kind + 1
        found, inverse = np.unique(code, return_inverse=True)
        pairs = [divmod(int(c), len(held.names) + 1) for c in found]
        return [self.species[s] + (f" of {held.names[m - 1]}" if m else "") for s, m in pairs], inverse

    def body(self, atoms: Ints) -> Ints:
        """Give a number to the independent body, see `bootstrap.bodies`, of each of some atoms of one species."""
        from cgcnn_md.analysis.bootstrap import bodies

        if self.molecules is None:
            return atoms
        alike = np.flatnonzero(self.frame.species == self.frame.species[atoms[0]])
        index = self.molecules.index[alike]
        return bodies(np.where(index >= 0, len(self.frame) + index, alike))[np.searchsorted(alike, atoms)]

    def around(self, most: int, reach: float, rng: np.random.Generator) -> Iterator[tuple[Ints, Ints, Ints, Floats]]:
        """Draw atoms of every cluster that the frame holds, and list what is within reach of them.

        Parameters
        ----------
        most
            Atoms drawn of a cluster.
        reach
            Largest distance in Å.
        rng
            Draws.

        Yields
        ------
        centres, row, other, vector
            Atoms of one cluster; place in these, neighbour, and the way to it in Å, one of each per pair.
        """
        from cgcnn_md.analysis.images import vectors_around

        members = [np.flatnonzero(self.labels == c) for c in np.unique(self.labels) if c >= 0]
        drawn = [mine if len(mine) <= most else rng.choice(mine, most, replace=False) for mine in members]
        if not drawn:
            return
        row, other, vector = vectors_around(self.frame, np.concatenate(drawn), reach)
        order = np.argsort(row, kind="stable")
        row, other, vector = row[order], other[order], vector[order]
        start = 0
        for centres in drawn:
            mine = slice(*np.searchsorted(row, [start, start + len(centres)]))
            yield centres, row[mine] - start, other[mine], vector[mine]
            start += len(centres)


class FrameSource(Protocol):
    """What is asked of a reader."""

    species: tuple[str, ...]
    targets: Ints
    masses: Floats
    molecules: Molecules

    def frames(self, indices: Sequence[int]) -> Iterator[Frame]:
        """Yield frames in the order asked for."""


def evenly(frames: Ints, n: int) -> list[int]:
    """Choose about n frames, evenly spread: the middle of each of n parts."""
    return [int(part[len(part) // 2]) for part in np.array_split(frames, n) if len(part)]


def labelled_frames(store: Store) -> Ints:
    """Give the frames that are done and hold a label: none of those that could not be read and were skipped."""
    labelled = [unit.start + np.flatnonzero((store.clusters(unit) >= 0).any(axis=1)) for unit in store.done_units()]
    return np.concatenate([np.zeros(0, dtype=np.int64), *labelled])


def sample_frames(reader: FrameSource, store: Store, n_frames: int | None = None) -> Iterator[LabelledFrame]:
    """Yield labelled frames, evenly spaced over what is done and holds a label.

    Parameters
    ----------
    reader
        The reader that the store was made from.
    store
        Its labels.
    n_frames
        Frames; None for 20, and up to 200 where there are few atoms to look at.

    Yields
    ------
    LabelledFrame
        A frame with the labels of its targets.
    """
    if n_frames is None:
        n_frames = int(np.clip(4000 // max(store.n_atoms, 1), 20, 200))
    picked = evenly(labelled_frames(store), n_frames)
    for index, frame in zip(picked, reader.frames(picked), strict=True):
        labels = np.full(len(frame), -1, dtype=np.int64)
        labels[reader.targets] = store.clusters(index)
        yield LabelledFrame(frame, labels, reader.species, reader.molecules)
