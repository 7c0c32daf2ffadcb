"""Rotational isomers: how many torsions near an atom of a molecule are gauche."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.analysis.contacts import casts_shadow
from cgcnn_md.analysis.samples import LabelledFrame
from cgcnn_md.frame import Floats, Frame, Ints
from cgcnn_md.readers.molecules import Molecules

_WHERE = tuple(f"gauche torsions {where}" for where in ("about its bonds", "one bond on", "two bonds on"))
_GAUCHE = -0.5  # cosine of the torsion above which it is nearer to 60 degrees, or 0, than to 180


class TorsionCounter:
    """Counts gauche torsions frame by frame; torsions are sought where the molecules are others than before."""

    def __init__(self) -> None:
        self._of: Molecules | None = None
        self._torsions: _Torsions | None = None

    def gauche(self, sample: LabelledFrame) -> dict[str, Floats]:
        """Count the gauche torsions about the bonds of every atom, and about those one bond and two bonds farther.

        A bond about which there are several torsions, as where a chain branches, counts by the share of these.

        Returns
        -------
        dict
            By name, shape (n_atoms,), nan for species of which no atom has a torsion there, as an end of a chain about
            its one bond; nothing where there are none.
        """
        if sample.molecules is not self._of:
            self._of = sample.molecules
            self._torsions = None if self._of is None else _Torsions.of(self._of, sample)
        if self._torsions is None:
            return {}
        species, torsions = sample.frame.species, self._torsions
        known = [np.isin(species, species[near.sum(axis=1) > 0]) for near in torsions.near]
        counts = torsions.gauche(sample.frame)
        return {name: np.where(there, count, np.nan) for name, there, count in zip(_WHERE, known, counts, strict=True)}


@dataclass(frozen=True, eq=False)
class _Torsions:
    """Torsions of molecules among all atoms but hydrogen, by the bond in their middle.

    Parameters
    ----------
    atoms
        Atoms of each torsion, in the order of the chain, shape (n_torsions, 4).
    bond
        Bond in the middle of each, numbered from 0, shape (n_torsions,).
    near
        For each of `_WHERE`, sparse matrix of shape (n_atoms, n_bonds), 1 where a bond is so far from an atom.
    """

    atoms: Ints
    bond: Ints
    near: tuple[Any, ...]

    @classmethod
    def of(cls, molecules: Molecules, sample: LabelledFrame) -> _Torsions | None:
        """Find the torsions of molecules; None where there are none, or what is looked from are groups of atoms."""
        from scipy.sparse import csr_array

        heavy, n = casts_shadow(sample), len(sample.frame)
        bonds = molecules.bonds[heavy[molecules.bonds].all(axis=1)] if len(molecules.bonds) else np.zeros((0, 2), int)
        if molecules.grouped or not len(bonds):
            return None
        both = np.concatenate([bonds, bonds[:, ::-1]])
        both = both[np.argsort(both[:, 0], kind="stable")]
        first = np.searchsorted(both[:, 0], np.arange(n + 1))
        degree = np.diff(first)
        # every bond, with all that its two atoms are bonded to
        ways = degree[bonds[:, 0]] * degree[bonds[:, 1]]
        of = np.repeat(np.arange(len(bonds)), ways)
        turn = np.arange(len(of)) - np.repeat(np.cumsum(ways) - ways, ways)
        j, k = bonds[of].T
        left, right = np.divmod(turn, degree[k])
        i, last = both[first[j] + left, 1], both[first[k] + right, 1]
        real = (i != k) & (last != j) & (i != last)  # no three-membered rings
        if not real.any():
            return None
        middle, bond = np.unique(of[real], return_inverse=True)
        atoms = np.stack([i, j, k, last], axis=1)[real]
        adjacent = csr_array((np.ones(len(both), np.float32), (both[:, 0], both[:, 1])), shape=(n, n))
        ends = bonds[middle].ravel(), np.repeat(np.arange(len(middle)), 2)
        reached = csr_array((np.ones(len(ends[0]), np.float32), ends), shape=(n, len(middle)))
        near = [reached]
        for _ in _WHERE[1:]:
            wider = ((reached + adjacent @ reached) > 0).astype(np.float32)
            near.append(wider - reached)
            reached = wider
        return cls(atoms, bond, tuple(near))

    def gauche(self, frame: Frame) -> list[Floats]:
        """Count gauche torsions for each of `_WHERE`, shape (n_atoms,) each."""
        first, middle, last = (_steps(frame, self.atoms[:, [at, at + 1]]) for at in range(3))
        one, two = np.cross(first, middle), np.cross(middle, last)
        size = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
        gauche = (one * two).sum(axis=1) > _GAUCHE * size
        share = np.bincount(self.bond, gauche) / np.bincount(self.bond)
        return [near @ share for near in self.near]


def _steps(frame: Frame, ends: Ints) -> NDArray[np.float64]:
    """Give the way along bonds in Å, shape (n_bonds, 3), to the nearest image of the second atom."""
    from cgcnn_md.analysis.images import completed

    cell = completed(frame.cell, frame.pbc)
    way = (frame.positions[ends[:, 1]] - frame.positions[ends[:, 0]]) @ np.linalg.inv(cell)
    way -= np.where(frame.pbc, np.round(way), 0.0)
    steps: NDArray[np.float64] = way @ cell
    return steps
