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

MOST_KINDS = 8  # more are a list that nobody reads, as of chains that all differ in length


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
    grouped
        Whether what is looked from are groups of atoms, each a particle.
    """

    names: tuple[str, ...]
    index: Ints
    kind: Ints
    bonds: Ints
    grouped: bool = False

    @property
    def both_ways(self) -> Ints:
        """Bonds seen from either end, shape (2 n_bonds, 2)."""
        return np.concatenate([self.bonds, self.bonds[:, ::-1]])

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
    n = len(species)
    bonds, _ = molecular_bonds(topology, species)
    label = pieces(topology, species, bonds)
    _, label, size = np.unique(label, return_inverse=True, return_counts=True)
    real = (size[label] > 1) & (species != "")
    index = np.full(n, -1)
    index[real] = np.unique(label[real], return_inverse=True)[1]
    given = [name for name, _ in names_of(topology, species, index)]
    names = tuple(sorted(set(given)))
    if len(names) > MOST_KINDS:
        names, given = ("molecule",), ["molecule"] * len(given)
    place = {name: i for i, name in enumerate(names)}
    kind = np.full(n, -1)
    kind[real] = np.array([place[name] for name in given], dtype=np.int64)[index[real]]
    return Molecules(names, index, kind, bonds)


def pieces(
    topology: Topology, species: NDArray[np.str_], bonds: Ints, chosen: NDArray[np.bool_] | None = None
) -> Ints:  # fmt: skip
    """Put numbers on what bonds among chosen atoms hold together, else on residues that are molecules, else on atoms.

    Parameters
    ----------
    topology, species
        As for `find_molecules`.
    bonds
        Atoms of each bond, shape (n_bonds, 2).
    chosen
        Which atoms count, shape (n_atoms,); None for all.

    Returns
    -------
    numpy.ndarray
        Piece of every atom, -1 for one that does not count, shape (n_atoms,).
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(species)
    counts = (species != "") & (True if chosen is None else chosen)
    inside = bonds[counts[bonds].all(axis=1)]
    graph = coo_array((np.ones(len(inside)), (inside[:, 0], inside[:, 1])), shape=(n, n))
    label = connected_components(graph, directed=False)[1].astype(np.int64)
    residue = np.asarray(getattr(topology.universe.atoms, "resindices", np.zeros(n)), dtype=np.int64)
    alone = in_molecules(topology, species) & (np.bincount(bonds.ravel(), minlength=n) == 0)
    label[alone] = n + residue[alone]
    label[~counts] = -1
    return label


def names_of(topology: Topology, species: NDArray[np.str_], index: Ints) -> list[tuple[str, bool]]:
    """Name pieces: whole residues of one name have that name, others their formula.

    Parameters
    ----------
    topology, species
        As for `find_molecules`.
    index
        Piece of every atom, from 0, -1 for none, shape (n_atoms,).

    Returns
    -------
    list of tuple of str and bool
        Name of each piece, and whether it is its formula.
    """
    order = np.argsort(index, kind="stable")
    order = order[index[order] >= 0]
    parts = np.split(order, np.flatnonzero(np.diff(index[order])) + 1) if len(order) else []
    names = np.full(len(species), "") if topology.resnames is None else topology.resnames.astype(str)
    residue = np.asarray(getattr(topology.universe.atoms, "resindices", np.zeros(len(species))), dtype=np.int64)
    size = np.bincount(residue, weights=species != "")
    found = []
    for atoms in parts:
        named = set(names[atoms].tolist())
        whole = len(atoms) == size[np.unique(residue[atoms])].sum()
        own = named.pop().strip() if whole and len(named) == 1 else ""
        found.append((own or _formula(species[atoms].tolist()), not own))
    return found


def _formula(species: Sequence[str]) -> str:
    """Write a formula: carbon and hydrogen first, the rest by alphabet, beads with digits in brackets: "(CH2)8"."""
    counts = Counter(species)
    order = sorted(counts, key=lambda name: ({"C": 0, "H": 1}.get(name, 2) if "C" in counts else 0, name))
    units = [(f"({name})" if name[-1:].isdigit() else name, counts[name]) for name in order]
    return "".join(name + (str(n) if n > 1 else "") for name, n in units)
