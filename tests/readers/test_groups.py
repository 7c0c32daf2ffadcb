"""Groups of atoms from residues, bonds and selections: who is in which, of what kind and class."""

from __future__ import annotations

from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pytest

from cgcnn_md.config import called
from cgcnn_md.errors import InputError, UsageError
from cgcnn_md.readers import Reader, open_trajectory
from cgcnn_md.readers.identity import choose_classes

WATER, CHAIN = ["O", "H", "H"], ["C", "H", "H", "H", "C", "H", "H", "C", "H", "H", "H"]  # propane, a residue a carbon
CHAIN_BONDS = [(0, 1), (0, 2), (0, 3), (0, 4), (4, 5), (4, 6), (4, 7), (7, 8), (7, 9), (7, 10)]


def mixture(n_water: int = 2, n_chain: int = 2, *, bonds: bool = True, resnames: bool = True) -> mda.Universe:
    """Waters, propanes of three residues each, and a lithium ion."""
    elements = WATER * n_water + CHAIN * n_chain + ["Li"]
    residue = np.repeat(np.arange(n_water), 3).tolist()
    for chain in range(n_chain):
        residue += (n_water + 3 * chain + np.repeat([0, 1, 2], [4, 3, 4])).tolist()
    residue.append(residue[-1] + 1)
    n = len(elements)
    made = mda.Universe.empty(n, n_residues=residue[-1] + 1, atom_resindex=residue, trajectory=True)
    made.add_TopologyAttr("elements", elements)
    made.add_TopologyAttr("names", [f"{e}{i}" for i, e in enumerate(elements)])
    if resnames:
        made.add_TopologyAttr("resnames", ["SOL"] * n_water + ["MON"] * (3 * n_chain) + ["LI"])
    if bonds:
        start = 3 * n_water
        held = [(3 * w, 3 * w + h) for w in range(n_water) for h in (1, 2)]
        held += [(start + 11 * c + a, start + 11 * c + b) for c in range(n_chain) for a, b in CHAIN_BONDS]
        made.add_TopologyAttr("bonds", held)
    made.atoms.positions = np.arange(n)[:, None] * [1.7, 0.3, 0.1]
    made.dimensions = [60, 60, 60, 90, 90, 90]
    return made


def held(reader: Reader) -> dict[str, list[list[int]]]:
    """Members of every group, by kind, as topology indices."""
    groups, index = reader.groups, reader.environment_index
    found: dict[str, list[list[int]]] = {}
    for row, name in enumerate(groups.names.tolist()):
        found.setdefault(name, []).append(index[groups.members(np.array([row]))[0]].tolist())
    return found


def test_at_level_atom_every_target_is_a_row_of_its_own() -> None:
    with open_trajectory(mixture(), select="element O Li") as reader:
        groups = reader.groups
        assert groups.members() == (pytest.approx(reader.targets), None)
        assert groups.names.tolist() == ["O", "O", "Li"]
        assert groups.first.tolist() == reader.targets.tolist()


def test_molecules_are_what_bonds_hold_together_and_atoms_alone() -> None:
    with open_trajectory(mixture(), level="molecule") as reader:
        chains = [list(range(6, 17)), list(range(17, 28))]
        assert held(reader) == {"SOL": [[0, 1, 2], [3, 4, 5]], "MON": chains, "LI": [[28]]}
        assert reader.groups.text() == "5 molecules (LI 1, MON 2, SOL 2)"
        assert not any("by residue" in note for note in reader.notes)


def test_residues_part_a_chain() -> None:
    with open_trajectory(mixture(n_water=1, n_chain=1), level="residue", select="resname MON") as reader:
        assert held(reader) == {"MON": [[3, 4, 5, 6], [7, 8, 9], [10, 11, 12, 13]]}


def test_a_selection_is_cut_into_its_bonded_pieces() -> None:
    with open_trajectory(mixture(n_water=1, n_chain=1), level="element C or resname SOL") as reader:
        assert held(reader) == {"SOL": [[0, 1, 2]], "C3": [[3, 7, 10]]}
        assert called(reader.groups.level) == "fragments"
    with open_trajectory(mixture(n_water=0, n_chain=1), level="resname MON and not index 4") as reader:
        assert held(reader) == {"MON": [[0, 1, 2, 3], [7, 8, 9, 10]], "H": [[5], [6]]}


def test_only_selected_atoms_are_members() -> None:
    with open_trajectory(mixture(n_chain=0), level="molecule", select="element O H and not index 5") as reader:
        assert held(reader) == {"SOL": [[0, 1, 2]], "HO": [[3, 4]]}
    with open_trajectory(mixture(), level="element C", select="index 6 10 17") as reader:
        assert held(reader) == {"C2": [[6, 10]], "C": [[17]]}
    with open_trajectory(mixture(), level="molecule", environment="not index 6 to 16") as reader:
        assert held(reader)["MON"] == [list(range(17, 28))]
    with open_trajectory(mixture(), level="molecule", select="element Li") as reader:
        assert held(reader) == {"LI": [[28]]}


def test_without_bonds_residues_are_molecules_and_that_is_said() -> None:
    with open_trajectory(mixture(n_chain=0, bonds=False), level="molecule") as reader:
        assert held(reader) == {"SOL": [[0, 1, 2], [3, 4, 5]], "LI": [[6]]}
        assert "6 atoms without bonds are put into molecules by residue" in reader.notes


def test_without_names_of_residues_a_formula_is_the_name() -> None:
    with open_trajectory(mixture(resnames=False), level="molecule") as reader:
        assert reader.groups.kinds == ("C3H8", "H2O", "Li")


def test_members_of_some_rows_are_numbered_anew() -> None:
    with open_trajectory(mixture(), level="molecule") as reader:
        atoms, group = reader.groups.members(np.array([1, 4]))
        assert atoms.tolist() == [3, 4, 5, 28]
        assert group is not None
        assert group.tolist() == [0, 0, 0, 1]


def test_classes_tell_ends_of_a_chain_from_its_middle() -> None:
    with open_trajectory(mixture(n_chain=20), level="residue") as reader:
        identity = reader.groups.identity
        classes = choose_classes(reader.groups.kinds, [identity])
        assert len(classes) == 3 + 2
        finest = identity.finest(classes)[2:-1].reshape(20, 3)
        assert (finest == finest[0]).all()
        assert finest[0, 0] == finest[0, 2] != finest[0, 1]


def test_refuses_a_level_that_the_topology_cannot_tell(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--level 'molecules': .*; wanted atom, residue, molecule or a selection"):
        open_trajectory(mixture(), level="molecules")
    with pytest.raises(InputError, match="level 'element Xe': no target atom of 29; wanted at least one"):
        open_trajectory(mixture(), level="element Xe")
    plain = mda.Universe.empty(4, trajectory=True)
    plain.add_TopologyAttr("elements", ["O", "H", "H", "Li"])
    plain.atoms.positions = np.arange(4)[:, None] * [1.7, 0.3, 0.1]
    with pytest.raises(InputError, match="level 'residue': all 4 atoms are in one residue"):
        open_trajectory(plain, level="residue")
    with pytest.raises(InputError, match="level 'molecule': neither bonds nor residues tell molecules"):
        open_trajectory(plain, level="molecule")
