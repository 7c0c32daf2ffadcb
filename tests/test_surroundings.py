"""Numbers around clusters whose surroundings are known, and the sentences made of them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import replace

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import bulk
from MDAnalysis.lib.distances import calc_dihedrals
from MDAnalysis.lib.mdamath import triclinic_box

from cgcnn_md.analysis.bond_order import bond_order
from cgcnn_md.analysis.images import vectors_around
from cgcnn_md.analysis.samples import LabelledFrame
from cgcnn_md.analysis.sentences import describe
from cgcnn_md.analysis.structure import rdf_by_cluster
from cgcnn_md.analysis.surroundings import Surroundings, look_around
from cgcnn_md.analysis.torsions import TorsionCounter
from cgcnn_md.frame import Frame
from cgcnn_md.readers.molecules import Molecules


def labelled(atoms: Atoms, labels: np.ndarray, molecules: Molecules | None = None) -> LabelledFrame:
    names, codes = np.unique(atoms.get_chemical_symbols(), return_inverse=True)
    frame = Frame(atoms.positions.copy(), atoms.cell.array.copy(), atoms.pbc.copy(), codes.astype(np.int16))
    return LabelledFrame(frame, labels, tuple(map(str, names)), molecules)


def rattled(atoms: Atoms, labels: np.ndarray, n: int = 20, molecules: Molecules | None = None) -> list[LabelledFrame]:
    frames = []
    for seed in range(n):
        copy = atoms.copy()
        copy.rattle(0.04, seed=seed)
        frames.append(labelled(copy, labels, molecules))
    return frames


def around(*systems: list[LabelledFrame]) -> Surroundings:
    return look_around(systems, rdf_by_cluster([sample for frames in systems for sample in frames]))


def mean_of(found: Surroundings) -> dict[tuple[int, str, str], float]:
    rows = found.means().to_dict("records")
    return {(row["cluster"], row["role"], row["name"]): round(row["mean"], 3) for row in rows}


def table_of(n: int, species: str = "Li") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "cluster": range(n),
            "species": species,
            "population": [0.6, 0.4, 0.0][:n],
            "population_low": [0.5, np.nan, np.nan][:n],
            "population_high": [0.7, np.nan, np.nan][:n],
            "lifetime_ps": [12.34, np.inf, np.nan][:n],
            "longest_stay_ps": [30.0, 40.0, np.nan][:n],
        }
    )


CRYSTALS = [
    (bulk("NaCl", "rocksalt", a=5.64, cubic=True) * 3, "Na", {"Cl": 6}),
    (bulk("CsCl", "cesiumchloride", a=4.12, cubic=True) * 4, "Cs", {"Cl": 8, "Cs": 6}),
    (bulk("Cu", "fcc", a=3.61, cubic=True) * 4, "Cu", {"Cu": 12}),
]


@pytest.mark.parametrize(("atoms", "centre", "wanted"), CRYSTALS)
def test_crystals_have_the_neighbours_that_they_are_known_for(
    atoms: Atoms, centre: str, wanted: dict[str, int]
) -> None:
    found = around(rattled(atoms, np.where(np.asarray(atoms.symbols) == centre, 0, -1)))
    numbers = {name: mean for (_, role, name), mean in mean_of(found).items() if role == "neighbour"}
    assert numbers == pytest.approx(wanted, abs=0.02)
    density = mean_of(found)[0, "density", "density"]
    assert density == pytest.approx(len(atoms) / atoms.get_volume(), rel=0.15)


def ions(chains: Sequence[int]) -> tuple[Atoms, Molecules, np.ndarray]:
    """Put lithium between the ends of two molecules: of two chains O-C-C-O, or of one and an anion F-C-C-F."""
    ends = 2.0 * np.asarray([[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]])
    symbols: list[str] = []
    positions: list[np.ndarray] = []
    bonds: list[tuple[int, int]] = []
    molecule: list[int] = []
    kind: list[int] = []
    for site, n in enumerate(chains):
        origin = np.asarray([14.0 * (site % 4), 14.0 * (site // 4), 0.0])
        symbols, positions = [*symbols, "Li"], [*positions, origin]
        molecule, kind = [*molecule, -1], [*kind, -1]
        for m in range(2):
            end, start = "O" if m < n else "F", len(symbols)
            first, second = ends[2 * m], ends[2 * m + 1]
            symbols += [end, "C", "C", end]
            positions += [origin + place for place in (first, 1.7 * first, 1.7 * second, second)]
            bonds += [(start, start + 1), (start + 1, start + 2), (start + 2, start + 3)]
            molecule += [2 * site + m] * 4
            kind += [int(m >= n)] * 4
    atoms = Atoms(symbols, positions=positions, cell=[56, 56, 40], pbc=True)
    held = Molecules(("PEO", "TFSI"), np.asarray(molecule), np.asarray(kind), np.asarray(bonds))
    labels = np.full(len(atoms), -1)
    labels[np.asarray(symbols) == "Li"] = [2 - n for n in chains]
    return atoms, held, labels


@pytest.fixture(scope="module")
def lithium() -> Surroundings:
    atoms, held, labels = ions([2, 1] * 8)
    return around(rattled(atoms, labels, 10, held))


def test_two_atoms_that_move_at_random_have_no_surroundings() -> None:
    rng = np.random.default_rng(0)
    images = [Atoms("Ar2", rng.normal(size=(2, 3)), cell=[10.0] * 3, pbc=True) for _ in range(30)]
    found = around([labelled(atoms, np.zeros(2, dtype=int)) for atoms in images])
    assert found.means().empty


def test_lithium_of_two_chains_and_of_one_with_an_anion(lithium: Surroundings) -> None:
    means = mean_of(lithium)
    assert means[0, "neighbour", "O of PEO"] == 4
    assert means[0, "neighbour", "F of TFSI"] == 0
    assert means[1, "neighbour", "O of PEO"] == 2
    assert means[1, "neighbour", "F of TFSI"] == 2
    assert means[0, "molecule", "PEO"] == 2
    assert means[1, "molecule", "PEO"] == means[1, "molecule", "TFSI"] == 1
    # carbon has a clear shell too, behind oxygen and fluorine
    assert {name for _, role, name in means if role == "neighbour"} == {"O of PEO", "F of TFSI"}


def test_sentences_say_it(lithium: Surroundings) -> None:
    assert lithium.distance == pytest.approx({("Li", "O of PEO"): 2.0, ("Li", "F of TFSI"): 2.0}, abs=0.02)
    distance = {("Li", "O of PEO"): 2.06, ("Li", "F of TFSI"): 2.01}
    assert describe("Li", table_of(2), lithium.means(), distance) == [
        "Li cluster 0: 60 % of the Li atoms (95 % interval 50 to 70 %); surrounded by 4.0 O of PEO at 2.06 Å and no F "
        "of TFSI, of 2.0 PEO molecules; left after 12.3 ps on average.",
        "Li cluster 1: 40 % of the Li atoms; surrounded by 2.0 F of TFSI at 2.01 Å and 2.0 O of PEO at 2.06 Å, of 1.0 "
        "PEO and 1.0 TFSI molecules; not seen to be left: the trajectory is too short to say more than at least 40 ps.",
        "Li clusters are told apart by F of TFSI (0.0 against 2.0) and O of PEO (4.0 against 2.0).",
    ]


def test_a_stay_longer_than_any_seen_is_called_that(lithium: Surroundings) -> None:
    table = table_of(2).assign(lifetime_ps=[55.0, 12.3], longest_stay_ps=[40.0, 40.0])
    first, second, _ = describe("Li", table, lithium.means(), lithium.distance)
    assert first.endswith("left after 55 ps on average, longer than any stay seen (40 ps).")
    assert second.endswith("left after 12.3 ps on average.")


def test_one_environment_is_said_by_its_neighbours(lithium: Surroundings) -> None:
    (said,) = describe("Li", table_of(2).iloc[:1], lithium.means(), lithium.distance)
    moving = describe("Li", table_of(2).iloc[:1], lithium.means(), lithium.distance, {0: "moves 3.1 Å in 20 ps"})
    assert moving == [said[:-1] + "; moves 3.1 Å in 20 ps."]
    assert said == "Li: surrounded by 4.0 O of PEO at 2.00 Å, of 2.0 PEO molecules."
    assert describe("Li", table_of(2).iloc[:1], None, {}) == []


def test_a_cluster_that_no_sampled_frame_held_is_said_without_neighbours(lithium: Surroundings) -> None:
    sentences = describe("Li", table_of(3), lithium.means(), lithium.distance)
    assert sentences[2] == "Li cluster 2: 0 % of the Li atoms."
    assert "surrounded by 4.0 O of PEO" in sentences[0]


def test_bonds_are_named_where_they_differ() -> None:
    """Carbon of the anion and of the chain touch nothing that is not bound to them, and differ by their bonds.

    These are said of each; what tells clusters apart is what is around them.
    """
    atoms, held, _ = ions([2, 1] * 8)
    labels = np.where(np.asarray(atoms.symbols) == "C", held.kind, -1)
    found = around(rattled(atoms, labels, 10, held))
    sentences = describe("C", table_of(2, "C"), found.means(), found.distance)
    assert "; bonded to 1.0 O;" in sentences[0]
    assert "; bonded to 1.0 F;" in sentences[1]
    assert re.match(r"C clusters are told apart by F of TFSI within \d", sentences[2])


def test_what_is_behind_a_neighbour_tells_clusters_apart() -> None:
    """Every sodium holds an oxygen, and behind that of every other one, 4 Å away, there is a lithium."""
    sites = 12.0 * np.stack(np.meshgrid(*[np.arange(4.0)] * 2, [0.0], indexing="ij"), -1).reshape(-1, 3)
    odd = sites[1::2]
    atoms = Atoms(
        ["Na"] * 16 + ["O"] * 16 + ["Li"] * 8,
        positions=np.concatenate([sites, sites + np.array([2.2, 0, 0]), odd + np.array([4.0, 0, 0])]),
        cell=[48, 48, 24], pbc=True,
    )  # fmt: skip
    labels = np.where(np.arange(len(atoms)) < 16, np.arange(len(atoms)) % 2, -1)
    found = around(rattled(atoms, labels, 20))
    assert mean_of(found)[1, "neighbour", "O"] == 1.0
    assert (1, "neighbour", "Li") not in mean_of(found)
    said = describe("Na", table_of(2, "Na"), found.means(), found.distance)[-1]
    assert re.match(r"Na clusters are told apart by Li within 4\.[1-6]\d Å \(0\.0 against 1\.0\)", said)


def test_every_two_clusters_are_told_apart() -> None:
    """Behind the oxygen of every sodium there is lithium, chlorine or nothing."""
    sites = 12.0 * np.stack(np.meshgrid(*[np.arange(6.0)] * 2, [0.0], indexing="ij"), -1).reshape(-1, 3)
    behind = sites + np.array([4.0, 0, 0])
    atoms = Atoms(
        ["Na"] * 36 + ["O"] * 36 + ["Li"] * 12 + ["Cl"] * 12,
        positions=np.concatenate([sites, sites + np.array([2.2, 0, 0]), behind[1::3], behind[2::3]]),
        cell=[72, 72, 24], pbc=True,
    )  # fmt: skip
    labels = np.where(np.arange(len(atoms)) < 36, np.arange(len(atoms)) % 3, -1)
    found = around(rattled(atoms, labels, 20))
    said = describe("Na", table_of(3, "Na"), found.means(), found.distance)[-1]
    assert re.search(r"Li within 4\.\d\d Å \(0\.0, 1\.0, 0\.0\)", said)
    assert re.search(r"Cl within 4\.\d\d Å \(0\.0, 0\.0, 1\.0\)", said)
    assert "alike" not in said
    again = [np.where(labels == 2, -1, labels), np.where(labels == 0, 2, -1)]
    twice = around(*(rattled(atoms, which, 20) for which in again))
    said = describe("Na", table_of(3, "Na"), twice.means(), twice.distance)[-1]
    assert said.endswith("; clusters 0 and 2 are alike in these.")


def test_without_coordinates_the_sentences_are_about_time() -> None:
    assert describe("Li", table_of(2), None, {})[1:] == [
        "Li cluster 1: 40 % of the Li atoms; not seen to be left: the trajectory is too short to say more than at "
        "least 40 ps."
    ]


def test_clusters_without_a_difference_are_said_to_have_none() -> None:
    atoms = bulk("Cu", "fcc", a=3.61, cubic=True) * 4
    found = around(rattled(atoms, np.random.default_rng(0).integers(0, 2, len(atoms)), 40))
    assert describe("Cu", table_of(2, "Cu"), found.means(), found.distance)[-1] == (
        "Cu clusters are told apart by no number of neighbours beyond its interval: look at the pair distributions."
    )


def test_histograms_add_up(lithium: Surroundings) -> None:
    table = lithium.histograms()
    assert table.groupby(["cluster", "neighbour"])["share"].sum().to_numpy() == pytest.approx(1)
    row = table[(table["cluster"] == 1) & (table["neighbour"] == "molecules of TFSI") & (table["n"] == 1)]
    assert row["share"].tolist() == [1.0]


def test_a_system_without_a_kind_of_neighbour_counts_as_none() -> None:
    salt = bulk("NaCl", "rocksalt", a=5.64, cubic=True) * 2
    other = salt.copy()
    other.symbols[np.asarray(other.symbols) == "Cl"] = "Br"
    first = rattled(salt, np.where(np.asarray(salt.symbols) == "Na", 0, -1))
    second = rattled(other, np.where(np.asarray(other.symbols) == "Na", 0, -1))
    means = mean_of(around(first, second))
    assert means[0, "neighbour", "Cl"] == means[0, "neighbour", "Br"] == pytest.approx(3, abs=0.02)


def decorated(n: int, n_b: int, n_frames: int = 3) -> list[LabelledFrame]:
    """A cube of n x n x n A, 6 Å apart, each with so many B 2 Å away; of the cluster 0 are all A."""
    grid = 6.0 * np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    ways = 2.0 * np.concatenate([np.eye(3), -np.eye(3)])[:n_b]
    positions = np.concatenate([grid, (grid[:, None] + ways).reshape(-1, 3)])
    species = np.repeat([0, 1], [len(grid), len(positions) - len(grid)]).astype(np.int16)
    names = ("A", "B") if n_b else ("A",)
    rng = np.random.default_rng(n)
    moved = [positions + 0.05 * rng.normal(size=positions.shape) for _ in range(n_frames)]
    frames = [Frame(x, np.eye(3) * 6.0 * n, np.ones(3, bool), species) for x in moved]
    return [LabelledFrame(frame, np.where(species == 0, 0, -1), names) for frame in frames]


@pytest.mark.parametrize(
    ("systems", "wanted"),
    [
        ([decorated(10, 6), decorated(4, 3)], (1000 * 6 + 64 * 3) / 1064),
        ([decorated(10, 6) + decorated(4, 3)], (1000 * 6 + 64 * 3) / 1064),
        ([decorated(5, 0), decorated(5, 6)], 3.0),
    ],
    ids=["boxes", "frames", "a box without"],
)
def test_every_atom_counts_alike_whatever_the_size_of_its_frame(
    systems: list[list[LabelledFrame]], wanted: float
) -> None:
    rdf = rdf_by_cluster([frame for frames in systems for frame in frames])
    assert rdf.coordination()["coordination_B"].tolist() == pytest.approx([wanted])
    found = look_around(systems, rdf)
    assert mean_of(found)[0, "neighbour", "B"] == pytest.approx(wanted, abs=6e-4)
    table = found.histograms()
    shares = table[table["neighbour"] == "B"]
    assert (shares["n"] * shares["share"]).sum() == pytest.approx(wanted)
    means = found.means()
    (row,) = means[(means["role"] == "neighbour") & (means["name"] == "B")].to_dict("records")
    assert row["spread"] == pytest.approx(np.sqrt((shares["n"] ** 2 * shares["share"]).sum() - wanted**2))


def test_the_interval_too_is_of_atoms_whatever_the_size_of_their_frame() -> None:
    """All atoms of a box have one number, and how many each box holds is known: next to nothing is uncertain."""
    means = around(decorated(10, 6), decorated(4, 3)).means()
    (row,) = means[(means["role"] == "neighbour") & (means["name"] == "B")].to_dict("records")
    wanted = (1000 * 6 + 64 * 3) / 1064
    assert wanted - 0.05 < row["low"] < wanted < row["high"] < wanted + 0.05


def test_a_cluster_that_no_system_shows_a_kind_has_none_of_it() -> None:
    bare = [replace(frame, labels=frame.labels + (frame.labels == 0)) for frame in decorated(4, 0)]
    systems = [decorated(4, 6), bare]
    rdf = rdf_by_cluster([frame for frames in systems for frame in frames])
    assert rdf.coordination()["coordination_B"].tolist() == pytest.approx([6, 0])
    assert mean_of(look_around(systems, rdf))[1, "neighbour", "B"] == 0


def test_the_interval_is_that_of_the_atoms_where_these_differ_for_good() -> None:
    """Half the atoms have 2 neighbours at all times: frames say nothing about the spread between atoms."""
    atoms, held, labels = ions([2, 1] * 4)
    labels[labels >= 0] = 0
    table = around(rattled(atoms, labels, 12, held)).means()
    row = table[table["name"] == "O of PEO"].iloc[0]
    assert row["mean"] == 3
    assert row["spread"] == 1
    # standard error 1 / sqrt(7), Student's t with 7 degrees of freedom
    assert row["high"] - row["low"] == pytest.approx(2 * 2.36 / np.sqrt(7), rel=0.25)


def test_bond_order_is_that_of_freud() -> None:
    freud = pytest.importorskip("freud")
    atoms = bulk("Cu", "fcc", a=3.61, cubic=True) * 4
    atoms.rattle(0.2, seed=0)
    frame = labelled(atoms, np.zeros(len(atoms), int)).frame
    centres = np.asarray([3, 100, 255])
    ours = bond_order(frame, centres, 3.2)
    box = freud.box.Box(*atoms.cell.lengths())
    points = box.wrap(atoms.positions)
    row, other, vector = vectors_around(frame, np.arange(len(atoms)), 3.2)
    order = np.argsort(row, kind="stable")
    neighbours = freud.locality.NeighborList.from_arrays(
        len(atoms), len(atoms), row[order], other[order], vector[order]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for column, degree in enumerate((4, 6)):
            theirs = freud.order.Steinhardt(degree, average=True).compute((box, points), neighbors=neighbours)
            np.testing.assert_allclose(ours[:, column], theirs.particle_order[centres], atol=1e-5)


def test_bond_order_of_perfect_crystals() -> None:
    known = {"fcc": (0.1909, 0.5745), "hcp": (0.0972, 0.4848)}
    for lattice, atoms in {"fcc": bulk("Cu", "fcc", a=3.61), "hcp": bulk("Cu", "hcp", a=2.55, covera=1.633)}.items():
        frame = labelled(atoms, np.zeros(len(atoms), int)).frame
        assert bond_order(frame, np.asarray([0]), 3.0)[0] == pytest.approx(known[lattice], abs=2e-4)


def test_nothing_in_is_nothing_out() -> None:
    found = around([])
    assert found.means().empty
    assert found.histograms().empty


def test_gauche_torsions_are_those_of_mdanalysis() -> None:
    """Chains through the walls of a skewed box, one of them branched, with hydrogen and a lone atom beside."""
    rng = np.random.default_rng(0)
    cell = np.array([[9.0, 0, 0], [3.0, 8.0, 0], [-2.0, 1.0, 8.5]])
    walk = np.cumsum(rng.normal(size=(3, 8, 3)) * 0.9, axis=1) + rng.uniform(0, 9, (3, 1, 3))
    positions = np.concatenate([walk.reshape(-1, 3), rng.uniform(0, 9, (3, 3))])
    positions -= np.floor(positions @ np.linalg.inv(cell)) @ cell
    bonds = np.array([(8 * c + i, 8 * c + i + 1) for c in range(3) for i in range(7)] + [(3, 24), (20, 25)])
    species = np.array([0] * 25 + [1] + [2], dtype=np.int16)  # 24 is a branch, 25 hydrogen, 26 alone
    index = np.array([0] * 8 + [1] * 8 + [2] * 8 + [0, 2, -1])
    molecules = Molecules(("M",), index, np.where(index < 0, -1, 0), bonds)
    frame = Frame(positions, cell, np.ones(3, bool), species)
    found = TorsionCounter().gauche(LabelledFrame(frame, np.zeros(27, int), ("C", "H", "Li"), molecules))
    box, chains = triclinic_box(*cell), np.arange(24).reshape(3, 8)
    quads = [chain[i : i + 4] for chain in chains for i in range(5)] + [[1, 2, 3, 24], [5, 4, 3, 24]]
    angles = calc_dihedrals(*(positions[np.array(quads)[:, i]].astype(np.float32) for i in range(4)), box=box)
    share: dict[frozenset[int], list[bool]] = {}
    for quad, angle in zip(quads, np.abs(angles), strict=True):
        share.setdefault(frozenset(map(int, quad[1:3])), []).append(bool(angle < 2 * np.pi / 3))
    graph = nx.Graph(bonds[(species[bonds] == 0).all(axis=1)].tolist())
    for atom in range(25):
        far = nx.single_source_shortest_path_length(graph, atom)
        for n, name in enumerate(found):
            near = [np.mean(turns) for bond, turns in share.items() if min(far.get(end, 99) for end in bond) == n]
            assert found[name][atom] == pytest.approx(sum(near))
    assert np.isnan([values[25:] for values in found.values()]).all()


def test_ends_of_a_chain_have_no_torsion_about_their_bond() -> None:
    chain = Molecules(("M",), np.zeros(5, int), np.zeros(5, int), np.array([(0, 1), (1, 2), (2, 3), (3, 4)]))
    positions = np.array([[0.0, 0, 0], [1, 1, 0], [2, 0, 0], [3, 1, 0], [4, 0, 1]])
    frame = Frame(positions, 30 * np.eye(3), np.ones(3, bool), np.array([0, 1, 1, 1, 0], dtype=np.int16))
    found = list(TorsionCounter().gauche(LabelledFrame(frame, np.zeros(5, int), ("CH3", "CH2"), chain)).values())
    assert np.isnan(found[0][[0, 4]]).all()
    assert np.isfinite(found[0][1:4]).all()
    assert np.isfinite(found[1]).all()


def test_rings_of_three_and_groups_have_no_torsions() -> None:
    ring = Molecules(("M",), np.zeros(3, int), np.zeros(3, int), np.array([(0, 1), (1, 2), (0, 2)]))
    frame = Frame(np.eye(3), 9 * np.eye(3), np.ones(3, bool), np.zeros(3, np.int16))
    assert TorsionCounter().gauche(LabelledFrame(frame, np.zeros(3, int), ("C",), ring)) == {}
    assert TorsionCounter().gauche(LabelledFrame(frame, np.zeros(3, int), ("C",), None)) == {}
