"""What gets a vector: atoms, or groups of them that are residues, molecules or fragments."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.config import ATOM, MOLECULE, RESIDUE, called
from cgcnn_md.errors import InputError
from cgcnn_md.frame import Floats, Ints
from cgcnn_md.readers.bonds import molecular_bonds
from cgcnn_md.readers.identity import Identity, mixed_digests
from cgcnn_md.readers.molecules import MOST_KINDS, names_of, pieces
from cgcnn_md.readers.topology import Topology

if TYPE_CHECKING:
    from cgcnn_md.readers.selection import Layout


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of target atoms, a row of the embedding each; at level "atom" every target is one.

    Parameters
    ----------
    level
        "atom", "residue", "molecule", or the selection whose pieces the groups are.
    kinds
        Names of kinds: those of species, residues or molecules, or formulas.
    kind
        Kind of each group, as a place in `kinds`, shape (n_groups,).
    atoms
        Target atoms of a frame, ascending, shape (n_targets,).
    group
        Group of each target, numbered in the order of first members, shape (n_targets,).
    identity
        Identity classes of the groups.
    masses
        Of the targets, in any unit, shape (n_targets,).
    """

    level: str
    kinds: tuple[str, ...]
    kind: NDArray[np.int16]
    atoms: Ints
    group: Ints
    identity: Identity
    masses: Floats

    @classmethod
    def of_atoms(cls, kinds: tuple[str, ...], kind: NDArray[np.int16], atoms: Ints, identity: Identity) -> Groups:
        """Make every target a group of its own, of its species; `identity` is that of the targets."""
        return cls(ATOM, kinds, kind, atoms, np.arange(len(atoms)), identity, np.ones(len(atoms)))

    def __len__(self) -> int:
        return len(self.kind)

    @cached_property
    def first(self) -> Ints:
        """First member of each group, ascending, shape (n_groups,)."""
        return self.atoms[np.unique(self.group, return_index=True)[1]]

    @property
    def names(self) -> NDArray[np.str_]:
        """Name of each group's kind, shape (n_groups,)."""
        return np.asarray(self.kinds, dtype=np.str_)[self.kind]

    def members(self, rows: Ints | None = None) -> tuple[Ints, Ints | None]:
        """Give the atoms of some groups.

        Parameters
        ----------
        rows
            Groups, ascending; None for all.

        Returns
        -------
        atoms, group
            Their atoms, ascending, and the place in `rows` that each belongs to; None for the latter at level "atom".
        """
        if self.level == ATOM:
            return (self.atoms if rows is None else self.atoms[rows]), None
        if rows is None:
            return self.atoms, self.group
        place = np.full(len(self), -1)
        place[rows] = np.arange(len(rows))
        group = place[self.group]
        return self.atoms[group >= 0], group[group >= 0]

    def text(self) -> str:
        """Count the groups by kind: "768 molecules (SOL 768)"."""
        counts = Counter(self.names.tolist())
        return f"{len(self)} {called(self.level)} ({', '.join(f'{name} {n}' for name, n in sorted(counts.items()))})"


def find_groups(
    topology: Topology, species: NDArray[np.str_], layout: Layout, level: str, identity: Identity
) -> tuple[Groups, list[str]]:
    """Put target atoms into groups.

    Molecules, and the pieces of a selection, are what bonds among the targets hold together; atoms without bonds
    are put together by residue.

    Parameters
    ----------
    topology
        Atoms, with the bonds that its file holds.
    species
        Species of every atom, "" for sites that are left out, shape (n_atoms,).
    layout
        Which atoms are targets; of a selection's pieces, those of the selection.
    level
        "atom", "residue", "molecule" or a selection.
    identity
        Identity classes of the targets.

    Returns
    -------
    groups, notes
        The groups, and what the user should know about them.

    Raises
    ------
    InputError
        If the topology does not tell residues or molecules apart.
    """
    targets, index = layout.targets, layout.atom_index
    if level == ATOM:
        return Groups.of_atoms(layout.species, layout.codes[targets], targets, identity), []
    label, notes = _residues(topology) if level == RESIDUE else _pieces(topology, species, index, level)
    _, first, group = np.unique(label[index], return_index=True, return_inverse=True)
    group = np.argsort(np.argsort(first))[group]
    of_atom = np.full(topology.n_atoms, -1)
    of_atom[index] = group
    found = names_of(topology, species, of_atom)
    formulas = {name for name, formula in found if formula}
    # more formulas are a list that nobody reads, as of chains that all differ in length
    rest = called(level)[:-1] if len(formulas) > MOST_KINDS else ""
    names = np.array([rest or name if formula else name for name, formula in found])
    kinds, kind = np.unique(names, return_inverse=True)
    table = tuple(kinds.tolist())
    classes = _identity(identity, group, table, kind)
    weights = layout.masses[targets]
    return Groups(level, table, kind.astype(np.int16), targets, group, classes, weights), notes


def _residues(topology: Topology) -> tuple[Ints, list[str]]:
    """Give the residue of every atom."""
    residue = np.asarray(topology.universe.atoms.resindices, dtype=np.int64)
    if topology.n_atoms > 1 and not residue.any():
        msg = f"level 'residue': all {topology.n_atoms} atoms are in one residue; give a topology that tells more"
        raise InputError(msg)
    return residue, []


def _pieces(topology: Topology, species: NDArray[np.str_], index: Ints, level: str) -> tuple[Ints, list[str]]:
    """Give the piece of every atom that is held together by bonds among the targets, or by its residue."""
    chosen = np.zeros(topology.n_atoms, dtype=np.bool_)
    chosen[index] = True
    bonds, _ = molecular_bonds(topology, species)
    label = pieces(topology, species, bonds, chosen)
    _, place, size = np.unique(label[index], return_inverse=True, return_counts=True)
    together = size[place] > 1
    # ions alone may be selected from among molecules
    if level == MOLECULE and not together.any() and not _several(pieces(topology, species, bonds)):
        msg = "level 'molecule': neither bonds nor residues tell molecules; give a topology that does, or level 'atom'"
        raise InputError(msg)
    by_residue = together & (np.bincount(bonds.ravel(), minlength=topology.n_atoms)[index] == 0)
    if by_residue.any():
        return label, [f"{int(by_residue.sum())} atoms without bonds are put into {called(level)} by residue"]
    return label, []


def _several(label: Ints) -> bool:
    """Tell whether atoms share a piece."""
    held = label[label >= 0]
    return len(np.unique(held)) < len(held)


def _identity(identity: Identity, group: Ints, kinds: tuple[str, ...], kind: Ints) -> Identity:
    """Class groups by the classes of their members: alike are those of one kind whose members are alike."""
    digests = mixed_digests(identity.names)
    place = {name: i for i, name in enumerate(kinds)}
    levels = [kind]
    # as with atoms, a mark tells classes of bonds from others
    before, after = ("(", ")") if "bonds" in identity.source else (":", "")
    for codes in identity.codes:
        content = np.zeros(len(kind), dtype=np.uint64)
        np.add.at(content, group, digests[codes])
        tags = (content & np.uint64(0xFFFFFFFF)).tolist()
        labels = [f"{kinds[k]}{before}{tag:08x}{after}" for k, tag in zip(kind.tolist(), tags, strict=True)]
        levels.append(np.array([place.setdefault(label, len(place)) for label in labels], dtype=np.int64))
    return Identity(tuple(place), np.stack(levels).astype(np.int32), identity.source)
