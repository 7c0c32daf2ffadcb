"""Frames whose particles are groups of atoms, at their centres of mass, among the atoms that are in none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from cgcnn_md.analysis.images import completed
from cgcnn_md.analysis.samples import FrameSource
from cgcnn_md.config import ATOM
from cgcnn_md.frame import Floats, Frame, Ints
from cgcnn_md.readers import Reader
from cgcnn_md.readers.groups import Groups
from cgcnn_md.readers.molecules import Molecules


def particles(reader: Reader) -> FrameSource:
    """Give frames of what gets a vector: the reader itself, or its groups as particles."""
    return reader if reader.groups.level == ATOM else CoarseReader(reader)


class CoarseReader:
    """Frames of groups, each a particle at its centre of mass; atoms that are in no group are particles too.

    Parameters
    ----------
    reader
        The system.

    Attributes
    ----------
    species : tuple of str
        Kinds of groups, and species of the other atoms.
    targets : numpy.ndarray
        Groups as indices into a frame: they come first.
    masses : numpy.ndarray
        Masses of groups and of the other atoms, in some unit.
    molecules : Molecules
        Molecules of several particles, with the bonds between these.
    """

    def __init__(self, reader: Reader) -> None:
        groups = reader.groups
        self._reader, self._centres = reader, Centres(groups, reader.molecules.bonds)
        self._rest = np.setdiff1d(np.arange(reader.n_atoms), groups.atoms)
        others = np.asarray(reader.species, dtype=np.str_)[reader.species_codes[self._rest]]
        known, codes = np.unique(np.concatenate([groups.names, others]), return_inverse=True)
        self.species: tuple[str, ...] = tuple(known.tolist())
        self._codes = codes.astype(np.int16)
        self.targets: Ints = np.arange(len(groups))
        self.masses: Floats = np.concatenate([np.bincount(groups.group, groups.masses), reader.masses[self._rest]])
        particle = np.empty(reader.n_atoms, dtype=np.int64)
        particle[groups.atoms] = groups.group
        particle[self._rest] = len(groups) + np.arange(len(self._rest))
        self.molecules = _coarse(reader.molecules, particle, np.concatenate([groups.first, self._rest]))

    def frames(self, indices: Sequence[int]) -> Iterator[Frame]:
        """Yield frames in the order asked for."""
        for frame in self._reader.frames(indices):
            positions = np.concatenate([self._centres(frame), frame.positions[self._rest]])
            yield replace(frame, positions=positions, species=self._codes)


class Centres:
    """Centres of mass of groups, whole over periodic borders.

    Parameters
    ----------
    groups
        The groups.
    bonds
        Bonds between the atoms of a frame, shape (n_bonds, 2): an atom is put next to one that it is bonded to, and a
        piece that no bond holds next to the group's first atom.
    """

    def __init__(self, groups: Groups, bonds: Ints) -> None:
        self._groups = groups
        self._steps = _walk(groups, bonds)

    def __call__(self, frame: Frame) -> Floats:
        """Give the centres in Å, shape (n_groups, 3); not wrapped into the box."""
        groups, cell = self._groups, completed(frame.cell, frame.pbc)
        inverse = np.linalg.inv(cell)
        found = frame.positions[groups.atoms]
        whole = found.copy()
        for child, parent in self._steps:
            way = found[child] - found[parent]
            shift = np.where(frame.pbc, np.round(way @ inverse), 0.0)
            whole[child] = whole[parent] + way - shift @ cell
        weight = groups.masses / np.bincount(groups.group, groups.masses)[groups.group]
        return np.stack([np.bincount(groups.group, weight * x) for x in whole.T], axis=1)


def _walk(groups: Groups, bonds: Ints) -> list[tuple[Ints, Ints]]:
    """Give members, and the member that each is put next to, in rounds: those put next to come in earlier ones."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components, dijkstra

    n = len(groups.atoms)
    place = np.full(max(int(groups.atoms.max()), int(bonds.max(initial=0))) + 1, -1)
    place[groups.atoms] = np.arange(n)
    ends = place[bonds]
    ends = ends[(ends >= 0).all(axis=1)]
    ends = ends[groups.group[ends[:, 0]] == groups.group[ends[:, 1]]]
    joined = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(n, n))
    _, piece = connected_components(joined, directed=False)
    loose = np.unique(piece, return_index=True)[1]  # first member of every piece
    head = place[groups.first][groups.group[loose]]
    root = np.full(len(groups), n)
    row = np.concatenate([ends[:, 0], loose[loose != head], root])
    column = np.concatenate([ends[:, 1], head[loose != head], place[groups.first]])
    places = row.astype(np.int32), column.astype(np.int32)  # SciPy 1.14 knows no others here
    tree = coo_array((np.ones(len(row)), places), shape=(n + 1, n + 1)).tocsr()
    ways = dijkstra(tree, directed=False, indices=np.array([n]), unweighted=True, return_predecessors=True)
    depth, before = (of[0, :n].astype(np.int64) for of in ways)
    order = np.argsort(depth, kind="stable")
    rounds = np.split(order, np.flatnonzero(np.diff(depth[order])) + 1)[1:]
    return [(child, before[child]) for child in rounds]


def _coarse(held: Molecules, particle: Ints, first: Ints) -> Molecules:
    """Give the molecules of particles, of which `first` is an atom each; those of one particle are none."""
    index, kind = held.index[first], held.kind[first]
    several = (index >= 0) & (np.bincount(index[index >= 0], minlength=len(held.index) + 1)[index] > 1)
    names = sorted({held.names[k] for k in np.unique(kind[several])})
    place = np.array([names.index(name) if name in names else -1 for name in held.names], dtype=np.int64)
    of = np.full(len(index), -1)
    of[several] = np.unique(index[several], return_inverse=True)[1]
    bonds = np.sort(particle[held.bonds], axis=1)
    bonds = np.unique(bonds[bonds[:, 0] != bonds[:, 1]], axis=0)
    kinds = np.where(several, place[kind] if len(place) else -1, -1)
    return Molecules(tuple(names), of, kinds, bonds, grouped=True)
