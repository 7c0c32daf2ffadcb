"""Identity classes: from bonds, from names in residues, and from neither where they would be environments."""

from __future__ import annotations

from typing import Any

import MDAnalysis as mda
import numpy as np
import pytest

from cgcnn_md.readers import open_trajectory, topology
from cgcnn_md.readers.identity import FEWEST, Identity, choose_classes, class_counts, identify, strangers

CHAIN = ["C"] * 4 + ["H"] * 10  # butane: two ends of three hydrogens, two middles of two


def butane() -> list[tuple[int, int]]:
    bonds, next_h = [(0, 1), (1, 2), (2, 3)], 4
    for carbon, n in enumerate((3, 2, 2, 3)):
        bonds += [(carbon, next_h + i) for i in range(n)]
        next_h += n
    return bonds


def copies(species: list[str], bonds: list[tuple[int, int]], n: int) -> tuple[np.ndarray, np.ndarray]:
    size = len(species)
    return np.array(species * n), np.concatenate([np.array(bonds) + size * i for i in range(n)])


def system(
    n: int, bonds: Any = None, names: list[str] | None = None, resnames: list[str] | None = None, residue: Any = None
) -> topology.Topology:
    residue = np.arange(n) if residue is None else np.asarray(residue)
    universe = mda.Universe.empty(n, n_residues=residue.max() + 1, atom_resindex=residue, trajectory=False)
    if names is not None:
        universe.add_TopologyAttr("names", names)
        universe.add_TopologyAttr("resnames", resnames)
    if bonds is not None:
        universe.add_TopologyAttr("bonds", [tuple(b) for b in np.asarray(bonds).tolist()])
    return topology.of_universe(universe)


def finest(identity: Identity) -> list[str]:
    return [identity.names[i] for i in identity.codes[-1]]


def test_bonds_tell_ends_from_middles() -> None:
    species, bonds = copies(CHAIN, butane(), 1)
    identity = identify(system(14, bonds), species)
    assert identity.source == "bonds"
    labels = finest(identity)
    assert labels[0] == labels[3]
    assert labels[1] == labels[2]
    assert len(set(labels)) == 4
    assert [identity.names[i] for i in identity.codes[1][:2]] == ["C(C,H,H,H)", "C(C,C,H,H)"]
    assert [identity.names[i] for i in identity.codes[0]] == CHAIN


def test_classes_are_colours_of_networkx() -> None:
    networkx = pytest.importorskip("networkx")
    rng = np.random.default_rng(0)
    species = rng.choice(["C", "O"], 40)
    tree = [(int(rng.integers(max(0, i - 3), i)), i) for i in range(1, 40)]
    identity = identify(system(40, tree), species)
    graph = networkx.Graph(tree)
    networkx.set_node_attributes(graph, dict(enumerate(species.tolist())), "kind")
    hashes = networkx.weisfeiler_lehman_subgraph_hashes(graph, node_attr="kind", iterations=10)
    for level in range(1, 11):
        theirs = np.unique([hashes[i][level - 1] for i in range(40)], return_inverse=True)[1]
        mine = identity.codes[level]
        assert len(set(zip(mine.tolist(), theirs.tolist(), strict=True))) == len(set(theirs)) == len(set(mine))


def test_names_do_not_depend_on_order_or_on_what_else_is_there() -> None:
    rng = np.random.default_rng(0)
    species, bonds = copies(CHAIN, butane(), 2)
    alone = finest(identify(system(14, butane()), np.array(CHAIN)))
    order = rng.permutation(28)  # place of each atom in the new numbering
    shuffled = np.empty(29, dtype=species.dtype)
    shuffled[order], shuffled[28] = species, "O"
    there = finest(identify(system(29, order[bonds]), shuffled))
    assert [there[order[i]] for i in range(14)] == alone
    assert there[28] == "O"


def test_classes_of_few_atoms_go_back_to_a_coarser_one() -> None:
    chain = [(i, i + 1) for i in range(59)]
    identity = identify(system(60, chain), np.array(["C"] * 60))

    def sizes(copies: int) -> list[int]:
        known = choose_classes(["C"], [identity] * copies)
        return sorted(np.bincount(identity.finest(known), minlength=len(known)).tolist())

    assert sizes(1) == [2, 6, 6, 6, 40]  # the ends, and three of the ten atoms at either end together
    assert sizes(3) == [0] + 10 * [2] + [40]
    told = class_counts([identity] * 3, choose_classes(["C"], [identity] * 3))
    assert told.startswith("identity classes: 11 from bonds (C 11)")


def test_side_groups_that_occur_five_times_have_classes() -> None:
    chain = [(i, i + 1) for i in range(59)]
    branches = [(8 * i + 3, 60 + i) for i in range(7)]
    identity = identify(system(67, chain + branches), np.array(["C"] * 60 + ["N"] * 5 + ["O"] * 2))
    classes = identity.finest(choose_classes(["C", "N", "O"], [identity]))
    carriers = classes[3:59:8]
    assert len(set(carriers[:5].tolist())) == 1
    assert carriers[0] not in np.delete(classes[:60], np.arange(3, 43, 8))
    assert not carriers[5:].any()  # two are too few: the species


def test_a_species_of_one_class_stays_a_species() -> None:
    species, bonds = copies(["O", "H", "H"], [(0, 1), (0, 2)], FEWEST)
    identity = identify(system(len(species), bonds), species)
    assert choose_classes(["H", "O"], [identity]) == ("H", "O")
    assert class_counts([identity], ("H", "O")) == ""


def test_unknown_chemistry_falls_back_to_the_species_and_is_told() -> None:
    a, bonds = copies(["C", "O", "C", "N"], [(0, 1), (2, 3)], FEWEST)
    known = choose_classes(["C", "N", "O"], [identify(system(len(a), bonds), a)])
    assert len(known) == 5
    other = identify(system(2, [(0, 1)]), np.array(["C", "F"]))
    assert other.finest(known)[0] == 0
    assert strangers(other, known) == (
        "atoms of no identity class that the model knows (C 1) are centred by the mean of their species"
    )
    assert strangers(identify(system(2, [(0, 1)]), np.array(["C", "O"])), known) == ""


def test_a_system_with_bonds_and_one_without_are_not_told_apart_by_that() -> None:
    species, bonds = copies(CHAIN, butane(), FEWEST)
    told = identify(system(len(species), bonds), species)
    untold = identify(system(len(species)), species)
    assert len(choose_classes(["C", "H"], [told, told])) == 2 + 4
    assert choose_classes(["C", "H"], [told, untold]) == ("C", "H")


def test_sites_without_mass_are_no_neighbours() -> None:
    plain = finest(identify(system(3, [(0, 1), (0, 2)]), np.array(["O", "H", "H"])))
    with_site = finest(identify(system(4, [(0, 1), (0, 2), (0, 3)]), np.array(["O", "H", "H", ""])))
    assert with_site[:3] == plain


def test_bonds_of_a_crystal_are_not_identities() -> None:
    place = np.arange(64).reshape(4, 4, 4)
    bonds = np.concatenate(
        [
            np.stack([np.delete(place, -1, axis=a).ravel(), np.delete(place, 0, axis=a).ravel()], axis=1)
            for a in range(3)
        ]
    )
    identity = identify(system(64, bonds), np.array(["Fe"] * 64))
    assert set(finest(identity)) == {"Fe"}
    assert identity.note == "bonds are those of a crystal, not of molecules: they do not tell what an atom is"
    fluorides = copies(["P"] + ["F"] * 6, [(0, i) for i in range(1, 7)], 3)
    assert identify(system(21, fluorides[1]), fluorides[0]).note == ""


def test_names_in_residues_where_there_are_no_bonds() -> None:
    names = ["C1", "C2", "O1", "NA", "C1", "C2", "O1", "C1", "C2"]
    residue = [0, 0, 0, 1, 2, 2, 2, 3, 3]
    top = system(9, names=names, resnames=["ICE", "ION", "LIQ", "ETH"], residue=residue)
    identity = identify(top, np.array(["C", "C", "O", "Na", "C", "C", "O", "C", "C"]))
    labels = finest(identity)
    assert labels[:3] == labels[4:7]  # what a residue is called does not matter
    assert labels[3] == "Na"
    assert [label.rpartition(":")[0] for label in labels[:3]] == ["C:C1", "C:C2", "O:O1"]
    assert len(set(labels)) == 3 + 1 + 2
    assert identity.source == "names in residues"


def test_where_names_are_too_many_residues_are_classes() -> None:
    """Three molecules of two oxygens and thirty of one: each name of the first has three atoms, the two have six."""
    names, residues = ["C1", "O1", "O2"] * 3 + ["C1", "O1"] * 30, np.repeat(np.arange(33), [3] * 3 + [2] * 30)
    top = system(69, names=names, resnames=["A"] * 3 + ["B"] * 30, residue=residues.tolist())
    identity = identify(top, np.array([name[0] for name in names]))
    known = choose_classes(["C", "O"], [identity])
    of_oxygen = [name.rpartition(":")[0] for name in known if name.startswith("O:")]
    assert of_oxygen == ["O:O1", "O:O1+O2"]
    counts = np.bincount(identity.finest(known), minlength=len(known))
    assert dict(zip((name.rpartition(":")[0] for name in known), counts.tolist()))["O:O1+O2"] == 6


def test_atoms_without_bonds_go_by_name_where_others_have_some() -> None:
    top = system(5, [(0, 1)], names=["SG", "SG", "OW", "HW1", "HW2"], resnames=["CYS", "SOL"], residue=[0, 0, 1, 1, 1])
    identity = identify(top, np.array(["S", "S", "O", "H", "H"]))
    assert identity.source == "bonds and names in residues"
    assert [label[:5] for label in finest(identity)[2:]] == ["O:OW:", "H:HW1", "H:HW2"]
    assert len(identity.codes) == 11


def test_a_box_in_one_residue_is_no_molecule() -> None:
    names = ["C", "H", "H", "C", "H", "H"]
    identity = identify(system(6, names=names, resnames=["MOL"], residue=[0] * 6), np.array(names))
    assert set(finest(identity)) == {"C", "H"}


def test_names_of_crystal_sites_are_not_identities() -> None:
    top = system(4, names=["Si1", "O1", "O2", "O3"], resnames=["QTZ"], residue=[0, 0, 0, 0])
    identity = identify(top, np.array(["Si", "O", "O", "O"]))
    assert finest(identity) == ["Si", "O", "O", "O"]
    assert identity.source == ""
    assert len(identity.codes) == 1


def test_guessed_bonds_are_not_used() -> None:
    universe = mda.Universe.empty(3, trajectory=False)
    universe.add_bonds([(0, 1)], guessed=True)
    assert topology.of_universe(universe).bonds is None


def test_a_reader_gives_the_classes_of_its_environment() -> None:
    species, bonds = copies(["C", "O"], [(0, 1)], 3)
    universe = mda.Universe.empty(6, trajectory=True)
    universe.add_TopologyAttr("elements", species)
    universe.add_TopologyAttr("bonds", [tuple(b) for b in bonds.tolist()])
    universe.dimensions = [20, 20, 20, 90, 90, 90]
    universe.atoms.positions = np.random.default_rng(0).random((6, 3)) * 20
    with open_trajectory(universe, environment="element C") as reader:
        assert reader.identity.codes.shape == (11, 3)
        assert {label.split(":")[0] for label in finest(reader.identity)} == {"C(O)"}
