"""Which molecule every atom is in, and what kind of molecule that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.frame import Ints
from cgcnn_md.readers.bonds import molecular_bonds
from cgcnn_md.readers.identity import in_molecules
from cgcnn_md.readers.topology import Topology

_MOST_KINDS = 8  # more are a list that nobody reads, as of chains that all differ in length


@dataclass(frozen=True, eq=False)
class Molecules:
    """Molecules of the atoms of a frame; an atom alone, such as an ion, is none.

    Parameters
    ----------
    names
        Kinds of molecule.
    index
        Molecule of every atom, -1 for none, shape (n_atoms,).
    kind
        Kind of every atom's molecule, as a place in `names`, -1 for none, shape (n_atoms,).
    bonds
        Atoms of each bond, shape (n_bonds, 2).
    """

    names: tuple[str, ...]
    index: Ints
    kind: Ints
    bonds: Ints

    def of(self, atoms: Ints) -> Molecules:
        """Take some atoms only."""
        place = np.full(len(self.index), -1)
        place[atoms] = np.arange(len(atoms))
        bonds = place[self.bonds]
        return replace(self, index=self.index[atoms], kind=self.kind[atoms], bonds=bonds[(bonds >= 0).all(axis=1)])


def find_molecules(topology: Topology, species: NDArray[np.str_]) -> Molecules:
    """Put atoms into molecules: what bonds hold together, else residues that are molecules.

    A kind of molecule has the name of its residues where they have one name, else its formula.

    Parameters
    ----------
    topology
        Atoms, with the bonds that its file holds.
    species
        Species of every atom, "" for sites that are left out, shape (n_atoms,).
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(species)
    bonds, _ = molecular_bonds(topology, species)
    graph = coo_array((np.ones(len(bonds)), (bonds[:, 0], bonds[:, 1])), shape=(n, n))
    _, joined = connected_components(graph, directed=False)
    label = joined.astype(np.int64)
    residue = np.asarray(getattr(topology.universe.atoms, "resindices", np.zeros(n)), dtype=np.int64)
    alone = in_molecules(topology, species) & (np.bincount(bonds.ravel(), minlength=n) == 0)
    label[alone] = n + residue[alone]
    label[species == ""] = -1
    _, label, size = np.unique(label, return_inverse=True, return_counts=True)
    real = (size[label] > 1) & (species != "")
    index = np.full(n, -1)
    index[real] = np.unique(label[real], return_inverse=True)[1]
    names, of_molecule = _kinds(topology, species, index)
    kind = np.full(n, -1)
    kind[real] = of_molecule[index[real]]
    return Molecules(names, index, kind, bonds)


def _kinds(topology: Topology, species: NDArray[np.str_], index: Ints) -> tuple[tuple[str, ...], Ints]:
    """Name every molecule; all are of one kind without a name where there are too many."""
    order = np.argsort(index, kind="stable")
    order = order[index[order] >= 0]
    parts = np.split(order, np.flatnonzero(np.diff(index[order])) + 1) if len(order) else []
    residues = np.full(len(species), "") if topology.resnames is None else topology.resnames.astype(str)
    given = []
    for atoms in parts:
        named = set(residues[atoms].tolist())
        own = named.pop().strip() if len(named) == 1 else ""
        given.append(own or _formula(species[atoms].tolist()))
    names = tuple(sorted(set(given)))
    if len(names) > _MOST_KINDS:
        return ("molecule",), np.zeros(len(given), dtype=np.int64)
    place = {name: i for i, name in enumerate(names)}
    return names, np.array([place[name] for name in given], dtype=np.int64)


def _formula(species: Sequence[str]) -> str:
    """Write a formula: carbon and hydrogen first, the rest by alphabet."""
    counts = Counter(species)
    order = sorted(counts, key=lambda name: ({"C": 0, "H": 1}.get(name, 2) if "C" in counts else 0, name))
    return "".join(name + (str(counts[name]) if counts[name] > 1 else "") for name in order)
