"""The bonds that hold molecules together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.frame import Ints
from cgcnn_md.readers.topology import Topology

_MOST_BONDS = 4  # of an atom in a molecule, to neighbours that are no mere ends
_CROWDED = 0.05  # share of atoms with more, above which bonds are those of a crystal


def molecular_bonds(topology: Topology, species: NDArray[np.str_]) -> tuple[Ints, bool]:
    """Give the bonds between atoms, and whether there were others, those of a crystal.

    Parameters
    ----------
    topology
        Atoms, with the bonds that its file holds.
    species
        Species of every atom, "" for sites that are left out, shape (n_atoms,).
    """
    bonds = np.zeros((0, 2), dtype=np.int64) if topology.bonds is None else topology.bonds
    bonds = bonds[(species != "")[bonds].all(axis=1)]
    if len(bonds) and _is_crystal(bonds, len(species)):
        return bonds[:0], True
    return bonds, False


def _is_crystal(bonds: Ints, n_atoms: int) -> bool:
    """Tell a lattice of bonds: there, atoms have more than four neighbours that have further ones."""
    both = np.concatenate([bonds, bonds[:, ::-1]])
    degree = np.bincount(bonds.ravel(), minlength=n_atoms)
    inner = np.bincount(both[degree[both[:, 1]] > 1, 0], minlength=n_atoms)
    return bool((inner > _MOST_BONDS).sum() > _CROWDED * (degree > 0).sum())
