"""Which neighbours of an atom are in direct contact with it, and which are none of its surroundings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.analysis.samples import LabelledFrame
from cgcnn_md.frame import Floats, Ints

_BONDS = 3  # as in force fields: atoms farther along a chain meet as strangers do
_HYDROGEN = ("H", "D")


def bound(sample: LabelledFrame, centres: Ints, row: Ints, other: Ints) -> NDArray[np.bool_]:
    """Tell the pairs that are near because bonds hold them together.

    Those are at most three bonds apart, or, where a molecule has no bonds, in the same molecule.

    Parameters
    ----------
    sample
        Frame with its molecules.
    centres
        Indices of the atoms looked from.
    row, other
        Place in `centres` and index of the neighbour, of every pair.
    """
    held = sample.molecules
    if held is None or not len(held.names):
        return np.zeros(len(row), dtype=np.bool_)
    from scipy.sparse import csr_array

    n = len(sample.frame)
    both = held.both_ways
    bonds = csr_array((np.ones(len(both), dtype=np.float32), (both[:, 0], both[:, 1])), shape=(n, n))
    walk = reached = bonds[centres]
    for _ in range(_BONDS - 1):
        walk = walk @ bonds
        reached = reached + walk
    place = reached.tocoo()
    near = np.isin(row * n + other, place.row.astype(np.int64) * n + place.col)
    same = (held.index[centres][row] == held.index[other]) & (held.index[other] >= 0)
    bonded = np.bincount(held.bonds.ravel(), minlength=n) > 0
    return np.asarray(near | (same & ~bonded[other]))


def in_contact(row: Ints, vector: Floats, shades: NDArray[np.bool_]) -> NDArray[np.bool_]:
    r"""Tell which neighbours no nearer one hides.

    Atom k hides j from i where :math:`r_{ij}^{-2} < r_{ik}^{-2} \cos\theta_{jik}`: the criterion of relative
    angular distance, which has no parameter (J. Higham, R. H. Henchman, J. Chem. Phys. 145, 084108 (2016),
    doi:10.1063/1.4961439). All neighbours up to the farthest one asked for must be given.

    Parameters
    ----------
    row
        Which centre each pair is of, shape (n_pairs,).
    vector
        The way to the neighbour in Å, shape (n_pairs, 3).
    shades
        Whether the neighbour can hide others, shape (n_pairs,).

    Returns
    -------
    numpy.ndarray
        Whether it is in contact, shape (n_pairs,).
    """
    free = np.ones(len(row), dtype=np.bool_)
    order = np.argsort(row, kind="stable")
    for pairs in np.split(order, np.flatnonzero(np.diff(row[order])) + 1) if len(row) else []:
        squared = np.maximum((vector[pairs] ** 2).sum(axis=1), 1e-12)
        unit = vector[pairs] / np.sqrt(squared)[:, None]
        dark = shades[pairs]
        shadow = (unit @ (unit[dark] / squared[dark, None]).T).max(axis=1, initial=0)
        # an atom is not in its own shadow
        free[pairs] = shadow <= (1 + 1e-9) / squared
    return free


def casts_shadow(sample: LabelledFrame) -> NDArray[np.bool_]:
    """Tell which atoms can hide others: all but hydrogen, which is a part of the atom that it is bound to."""
    hydrogen = np.isin(np.asarray(sample.species, dtype=np.str_), _HYDROGEN)
    return np.asarray(~hydrogen[sample.frame.species])


def molecules_touched(sample: LabelledFrame, centres: Ints, row: Ints, other: Ints) -> dict[str, Ints]:
    """Count the other molecules that atoms touch, by kind.

    Parameters
    ----------
    sample
        Frame with its molecules.
    centres
        Indices of the atoms looked from.
    row, other
        Place in `centres` and index of the neighbour, of every contact.

    Returns
    -------
    dict
        For every kind, numbers of shape (n_centres,).
    """
    held = sample.molecules
    if held is None or not len(held.names):
        return {}
    strange = (held.index[other] >= 0) & (held.index[other] != held.index[centres][row])
    pair = np.unique(row[strange] * (held.index.max() + 1) + held.index[other[strange]])
    centre, molecule = np.divmod(pair, held.index.max() + 1)
    kind = np.full(held.index.max() + 1, -1)
    kind[held.index[held.index >= 0]] = held.kind[held.index >= 0]
    return {
        name: np.bincount(centre[kind[molecule] == code], minlength=len(centres))
        for code, name in enumerate(held.names)
    }


def bonded_to(sample: LabelledFrame, centres: Ints) -> dict[str, Ints]:
    """Count the atoms that atoms are bonded to, by species.

    Parameters
    ----------
    sample
        Frame with its molecules.
    centres
        Indices of the atoms looked from.

    Returns
    -------
    dict
        For every species found, numbers of shape (n_centres,).
    """
    held = sample.molecules
    if held is None or not len(held.bonds):
        return {}
    place = np.full(len(held.index), -1)
    place[centres] = np.arange(len(centres))
    both = held.both_ways
    both = both[place[both[:, 0]] >= 0]
    species = sample.frame.species[both[:, 1]]
    return {
        sample.species[int(code)]: np.bincount(place[both[species == code, 0]], minlength=len(centres))
        for code in np.unique(species)
    }
