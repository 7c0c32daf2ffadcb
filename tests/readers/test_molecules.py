"""Molecules from bonds and from residues, with their names."""

from __future__ import annotations

import MDAnalysis
import numpy as np
from ase.build import bulk

from cgcnn_md.readers import open_trajectory


def universe(
    elements: list[str],
    residues: list[int],
    resnames: list[str] | None,
    bonds: list[tuple[int, int]],
    *,
    named: bool = True,
) -> MDAnalysis.Universe:
    n = len(elements)
    made = MDAnalysis.Universe.empty(
        n,
        n_residues=max(residues) + 1,
        atom_resindex=residues,
        trajectory=True,
        residue_segindex=[0] * (max(residues) + 1),
    )
    made.add_TopologyAttr("elements", elements)
    if named:
        made.add_TopologyAttr("names", [f"{e}{i}" for i, e in enumerate(elements)])
    if resnames:
        made.add_TopologyAttr("resnames", resnames)
    if bonds:
        made.add_TopologyAttr("bonds", bonds)
    made.atoms.positions = np.arange(n)[:, None] * [1.7, 0.3, 0.1]
    made.dimensions = [40, 40, 40, 90, 90, 90]
    return made


def test_bonds_make_molecules_and_residues_name_them() -> None:
    elements = ["O", "H", "H", "C", "O", "C", "O", "Li"]
    bonds = [(0, 1), (0, 2), (3, 4), (4, 5), (5, 6)]
    with open_trajectory(universe(elements, [0, 0, 0, 1, 1, 2, 2, 3], ["SOL", "PEO", "PEO", "LI"], bonds)) as reader:
        held = reader.molecules
    assert held.names == ("PEO", "SOL")
    assert held.index.tolist() == [0, 0, 0, 1, 1, 1, 1, -1]  # two residues, one chain
    assert held.kind.tolist() == [1, 1, 1, 0, 0, 0, 0, -1]


def test_without_names_of_residues_the_formula_names_them() -> None:
    elements = ["O", "H", "H", "C", "H", "O"]
    with open_trajectory(universe(elements, [0] * 6, None, [(0, 1), (0, 2), (3, 4), (3, 5)])) as reader:
        assert reader.molecules.names == ("CHO", "H2O")


def test_without_bonds_residues_are_molecules() -> None:
    elements = ["O", "H", "H", "O", "H", "H", "Li", "Li"]
    with open_trajectory(universe(elements, [0, 0, 0, 1, 1, 1, 2, 3], ["SOL", "SOL", "LI", "LI"], [])) as reader:
        assert reader.molecules.index.tolist() == [0, 0, 0, 1, 1, 1, -1, -1]
        assert reader.molecules.names == ("SOL",)


def test_atoms_that_are_not_read_leave_their_molecules() -> None:
    elements = ["C", "O", "C", "O"]
    source = universe(elements, [0, 0, 1, 1], ["A", "B"], [(0, 1), (2, 3)])
    with open_trajectory(source, environment="element C or index 3") as reader:
        assert reader.molecules.index.tolist() == [0, 1, 1]
        assert reader.molecules.bonds.tolist() == [[1, 2]]


def test_many_kinds_are_not_told_apart() -> None:
    lengths = range(2, 12)
    elements, bonds, residues = [], [], []
    for number, length in enumerate(lengths):
        bonds += [(len(elements) + i, len(elements) + i + 1) for i in range(length - 1)]
        elements += ["C"] * length
        residues += [number] * length
    with open_trajectory(universe(elements, residues, None, bonds)) as reader:
        assert reader.molecules.names == ("molecule",)
        assert len(np.unique(reader.molecules.index)) == len(lengths)


def test_a_crystal_holds_no_molecules() -> None:
    with open_trajectory([bulk("NaCl", "rocksalt", a=5.64, cubic=True) * 2]) as reader:
        assert reader.molecules.names == ()
        assert (reader.molecules.index == -1).all()
