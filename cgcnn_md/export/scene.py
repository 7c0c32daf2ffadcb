"""What is shown: every frame of a system, with what was found of its atoms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.analysis.samples import labelled_frames
from cgcnn_md.frame import Floats, Frame, Ints
from cgcnn_md.readers import Reader
from cgcnn_md.store import Store

GREY = (0.78, 0.78, 0.78)
"""Colour of atoms without a cluster, as red, green and blue."""


@dataclass(frozen=True, eq=False)
class Shot:
    """A frame, and what was found of its atoms.

    Parameters
    ----------
    frame
        Snapshot.
    cluster
        Cluster of every atom, -1 between clusters and where there is none, shape (n_atoms,).
    membership
        How much every atom belongs to that cluster, or to the nearest; 0 where it has no vector, shape (n_atoms,).
    slow
        Its first slow coordinates; 0 where it has no vector, shape (n_atoms, n).
    """

    frame: Frame
    cluster: Ints
    membership: Floats
    slow: Floats


@dataclass(frozen=True, eq=False)
class Scene:
    """A system to be shown.

    Parameters
    ----------
    reader, store
        Its frames, and what was found.
    colours
        Red, green and blue of every cluster, from 0 to 1.
    step
        Every how many stored frames are shown.
    n_slow
        Slow coordinates that are shown.
    """

    reader: Reader
    store: Store
    colours: Mapping[int, tuple[float, float, float]]
    step: int = 1
    n_slow: int = 3

    @property
    def name(self) -> str:
        """What its files are called."""
        return self.reader.name

    @property
    def n_atoms(self) -> int:
        """Atoms of a frame."""
        return self.reader.n_atoms

    @property
    def species(self) -> NDArray[np.str_]:
        """Species of every atom, shape (n_atoms,)."""
        return np.asarray(self.reader.species, dtype=np.str_)[self.reader.species_codes]

    def shots(self) -> Iterator[Shot]:
        """Go through the frames, one at a time; those that could not be read are left out."""
        rows = self._rows()
        has = rows >= 0
        chosen = [int(i) for i in labelled_frames(self.store)[:: self.step]]
        for index, frame in zip(chosen, self.reader.frames(chosen), strict=True):
            cluster = np.full(self.n_atoms, -1, dtype=np.int64)
            cluster[has] = self.store.clusters(index)[rows[has]]
            chi = self.store.membership(index)
            membership = np.zeros(self.n_atoms)
            known = np.ones(self.store.n_atoms) if chi is None else np.nan_to_num(chi).max(axis=-1)
            membership[has] = known[rows[has]]
            slow = np.zeros((self.n_atoms, self.n_slow))
            values = self.store.embedding(index)[:, : self.n_slow]
            slow[has, : values.shape[1]] = np.nan_to_num(values[rows[has]])
            yield Shot(frame, cluster, membership, slow)

    def colour(self, cluster: Ints) -> Floats:
        """Give the colour of every atom, shape (n_atoms, 3)."""
        table = np.array([*(self.colours[c] for c in range(len(self.colours))), GREY])
        return np.asarray(table[cluster], dtype=np.float64)  # -1 is the last

    def _rows(self) -> Ints:
        """Give the row of every atom in the store, its own or that of its group; -1 where it has none."""
        atoms, row = self.store.members
        rows = np.full(self.n_atoms, -1, dtype=np.int64)
        rows[np.searchsorted(self.reader.environment_index, atoms)] = row
        return rows
