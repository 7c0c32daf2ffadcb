"""Contacts in crystals whose neighbours are known, and what bonds hold together."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from cgcnn_md.analysis.contacts import bound, casts_shadow, in_contact
from cgcnn_md.analysis.images import vectors_around
from cgcnn_md.analysis.samples import LabelledFrame
from cgcnn_md.frame import Frame
from cgcnn_md.readers.molecules import Molecules


def sample_of(atoms: Atoms, molecules: Molecules | None = None) -> LabelledFrame:
    names, codes = np.unique(atoms.get_chemical_symbols(), return_inverse=True)
    frame = Frame(atoms.positions.copy(), atoms.cell.array.copy(), atoms.pbc.copy(), codes.astype(np.int16))
    return LabelledFrame(frame, codes.astype(int), tuple(map(str, names)), molecules)


@pytest.mark.parametrize(
    ("atoms", "centre", "wanted"),
    [
        (bulk("Cu", "fcc", a=3.61, cubic=True) * 3, "Cu", {"Cu": 12}),
        (bulk("Fe", "bcc", a=2.87, cubic=True) * 4, "Fe", {"Fe": 14}),
        (bulk("Cu", "hcp", a=2.55, c=4.16) * (5, 5, 3), "Cu", {"Cu": 12}),
        (bulk("Si", "diamond", a=5.43, cubic=True) * 2, "Si", {"Si": 4}),
        (bulk("NaCl", "rocksalt", a=5.64, cubic=True) * 2, "Na", {"Cl": 6}),
        (bulk("CsCl", "cesiumchloride", a=4.12, cubic=True) * 3, "Cs", {"Cl": 8, "Cs": 6}),
        (bulk("ZnS", "zincblende", a=5.41, cubic=True) * 2, "Zn", {"S": 4}),
    ],
)
@pytest.mark.parametrize("rattle", [0.0, 0.03])
def test_nearest_neighbours_of_crystals_are_in_contact_and_no_others(
    atoms: Atoms, centre: str, wanted: dict[str, int], rattle: float
) -> None:
    copy = atoms.copy()
    copy.rattle(rattle, seed=0)
    sample, symbols = sample_of(copy), np.asarray(copy.symbols)
    row, other, vector = vectors_around(sample.frame, np.flatnonzero(symbols == centre)[:1], 7.0)
    near = symbols[other[in_contact(row, vector, casts_shadow(sample)[other])]]
    assert {str(name): int((near == name).sum()) for name in np.unique(near)} == wanted


def test_turning_and_growing_change_no_contact() -> None:
    rng = np.random.default_rng(0)
    vector = rng.normal(size=(60, 3))
    row = np.repeat([0, 1], 30)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    every = np.ones(60, bool)
    first = in_contact(row, vector, every)
    assert 5 < first[row == 0].sum() < 25
    np.testing.assert_array_equal(in_contact(row, 3 * vector @ turn, every), first)
    order = rng.permutation(60)
    np.testing.assert_array_equal(in_contact(row[order], vector[order], every), first[order])


def test_it_is_the_rule_of_the_paper_pair_by_pair() -> None:
    vector = np.random.default_rng(1).normal(size=(25, 3))
    r = np.linalg.norm(vector, axis=1)
    cosine = vector @ vector.T / np.outer(r, r)
    hidden = [any(r[k] < r[j] and 1 / r[j] ** 2 < cosine[j, k] / r[k] ** 2 for k in range(25)) for j in range(25)]
    found = in_contact(np.zeros(25, int), vector, np.ones(25, bool))
    np.testing.assert_array_equal(found, ~np.asarray(hidden))
    assert found.any()
    assert not found.all()


def test_hydrogen_hides_nothing() -> None:
    water = Atoms("OHO", positions=[[0, 0, 0], [0.96, 0, 0], [2.8, 0, 0]])
    sample = sample_of(water)
    row, other, vector = vectors_around(sample.frame, np.asarray([0]), 4.0)
    assert in_contact(row, vector, casts_shadow(sample)[other]).all()
    assert not in_contact(row, vector, np.ones(2, bool)).all()


def test_what_is_three_bonds_away_is_bound_and_what_is_four_is_not() -> None:
    n = 8
    chain = Atoms(f"C{n}", positions=np.arange(n)[:, None] * [1.5, 0, 0])
    bonds = np.stack([np.arange(n - 1), np.arange(1, n)], axis=1)
    held = Molecules(("chain",), np.zeros(n, int), np.zeros(n, int), bonds)
    centres = np.asarray([5, 0])
    row, other = np.repeat([0, 1], n - 1), np.concatenate([np.delete(np.arange(n), 5), np.arange(1, n)])
    found = bound(sample_of(chain, held), centres, row, other)
    assert other[found & (row == 0)].tolist() == [2, 3, 4, 6, 7]
    assert other[found & (row == 1)].tolist() == [1, 2, 3]
    without = Molecules(("chain",), np.zeros(n, int), np.zeros(n, int), bonds[:0])
    assert bound(sample_of(chain, without), centres, row, other).all()
    assert not bound(sample_of(chain), centres, row, other).any()
