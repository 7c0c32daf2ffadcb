"""RDF and coordination per cluster, against ASE, MDAnalysis and crystals whose numbers are known."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st

from cgcnn_md.analysis.images import box_heights, vectors_around
from cgcnn_md.analysis.samples import LabelledFrame, sample_frames
from cgcnn_md.analysis.shells import first_shell
from cgcnn_md.analysis.structure import rdf_by_cluster
from cgcnn_md.frame import Frame
from cgcnn_md.readers.molecules import Molecules
from cgcnn_md.store import Store


def frame_of(atoms: Atoms) -> tuple[Frame, tuple[str, ...]]:
    names, codes = np.unique(atoms.get_chemical_symbols(), return_inverse=True)
    frame = Frame(atoms.positions.copy(), atoms.cell.array.copy(), atoms.pbc.copy(), codes.astype(np.int16))
    return frame, tuple(str(name) for name in names)


def labelled(atoms: Atoms, labels: np.ndarray | None = None) -> LabelledFrame:
    frame, names = frame_of(atoms)
    return LabelledFrame(frame, frame.species.astype(int) if labels is None else labels, names)


def gas(n: int, cell: np.ndarray, rng: np.random.Generator, pbc: object = True) -> Atoms:
    return Atoms(f"Ar{n}", scaled_positions=rng.random((n, 3)), cell=cell, pbc=pbc)


CELLS = {
    "orthorhombic": np.diag([7.0, 9.0, 11.0]),
    "skewed": np.asarray([[9.0, 0, 0], [7.0, 6.0, 0], [-5.0, 4.0, 8.0]]),
    "small": np.diag([2.5, 3.0, 20.0]),
    "left-handed": np.asarray([[0, 8.0, 1.0], [7.0, 0, 0], [0, 2.0, 9.0]]),
}


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
@pytest.mark.parametrize("pbc", [(True, True, True), (True, False, True), (False, False, False)])
def test_pairs_are_those_of_ase(cell: np.ndarray, pbc: tuple[bool, ...]) -> None:
    atoms = gas(40, cell, np.random.default_rng(0), pbc)
    atoms.positions += np.random.default_rng(1).integers(-3, 4, (40, 3)) * np.asarray(pbc) @ cell  # unwrapped
    reach = 4.9
    i, j, d = neighbor_list("ijd", atoms, reach)
    centres = np.asarray([3, 17, 5])
    row, other, vector = vectors_around(frame_of(atoms)[0], centres, reach)
    distance = np.linalg.norm(vector, axis=1)
    for place, centre in enumerate(centres):
        order, wanted = np.argsort(distance[row == place]), np.argsort(d[i == centre])
        np.testing.assert_allclose(distance[row == place][order], d[i == centre][wanted], atol=1e-9)
        np.testing.assert_array_equal(np.sort(other[row == place]), np.sort(j[i == centre]))


def test_a_box_of_zeros_is_no_box() -> None:
    atoms = gas(20, np.diag([6.0, 6.0, 6.0]), np.random.default_rng(0))
    atoms.pbc, atoms.cell = False, np.zeros((3, 3))
    _, _, vector = vectors_around(frame_of(atoms)[0], np.arange(20), 4.0)
    assert len(vector) == len(neighbor_list("d", atoms, 4.0))
    assert len(box_heights(atoms.cell.array, atoms.pbc)) == 0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.floats(-20, 20, allow_subnormal=False))  # torch 2.4 turns them off when it compiles
def test_wrapping_and_shifting_change_nothing(seed: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    atoms = gas(12, CELLS["skewed"] + rng.normal(scale=0.3, size=(3, 3)), rng)
    first = np.sort(np.linalg.norm(vectors_around(frame_of(atoms)[0], np.arange(12), 4.0)[2], axis=1))
    atoms.positions += shift
    atoms.wrap()
    again = np.sort(np.linalg.norm(vectors_around(frame_of(atoms)[0], np.arange(12), 4.0)[2], axis=1))
    np.testing.assert_allclose(again, first, atol=1e-6)


def test_g_is_that_of_mdanalysis() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MDAnalysis and its own dependencies
        import MDAnalysis
        from MDAnalysis.analysis.rdf import InterRDF

        atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True) * (4, 4, 4)
        atoms.rattle(0.3, seed=0)
        universe = MDAnalysis.Universe.empty(len(atoms), trajectory=True)
        universe.atoms.positions = atoms.positions
        universe.dimensions = atoms.cell.cellpar()
        na = np.asarray(atoms.symbols) == "Na"
        groups = universe.atoms[na], universe.atoms[~na]
        reference = InterRDF(*groups, nbins=200, range=(0, 10)).run().results.rdf
    ours = rdf_by_cluster([labelled(atoms)], centres=1000)
    assert ours.kind == "g"
    assert ours.centres == ("Cl", "Na")
    np.testing.assert_allclose(ours.values[1, 0], reference, atol=0.1, rtol=0.02)
    assert abs(np.average(ours.values[1, 0] - reference, weights=ours.r**2)) < 1e-3


@pytest.mark.parametrize(
    ("atoms", "wanted"),
    [
        (bulk("NaCl", "rocksalt", a=5.64, cubic=True) * 3, {"coordination_Cl": 6}),
        (bulk("NaCl", "rocksalt", a=5.64), {"coordination_Cl": 6}),  # 2 atoms, skewed
        (bulk("Cu", "hcp", a=2.55, c=4.16) * (5, 5, 3), {"coordination_Cu": 12}),
        (bulk("Si", "diamond", a=5.43) * 4, {"coordination_Si": 4}),
    ],
)
def test_crystals_have_their_coordination(atoms: Atoms, wanted: dict[str, float]) -> None:
    frames = []
    for seed in range(20):
        copy = atoms.copy()
        copy.rattle(0.05, seed=seed)
        frames.append(labelled(copy))
    result = rdf_by_cluster(frames)
    row = result.coordination()[[c == "Na" or len(result.clusters) == 1 for c in result.centres]].iloc[0]
    for column, number in wanted.items():
        assert row[column] == pytest.approx(number, abs=0.02)
    assert result.cutoffs().cutoff.notna().all()
    assert ("Na", "Na") not in result.in_contact()


def test_a_gas_has_no_shell_and_g_of_one() -> None:
    rng = np.random.default_rng(0)
    result = rdf_by_cluster([labelled(gas(2000, np.eye(3) * 30, rng)) for _ in range(10)])
    assert result.values[0, 0, 40:].mean() == pytest.approx(1, abs=0.02)
    assert result.coordination().columns.tolist() == ["cluster"]
    assert result.shells == {("Ar", "Ar"): None}


def test_without_a_box_it_is_a_density() -> None:
    atoms = bulk("Cu", "fcc", a=3.61, cubic=True) * 4
    atoms.pbc = False
    result = rdf_by_cluster([labelled(atoms)])
    assert result.kind == "density"
    assert "density_per_A3" in result.to_frame()
    np.testing.assert_allclose(
        np.nansum(result.per_centre[0, 0]), len(neighbor_list("i", atoms, 10.0)) / len(atoms), rtol=0.05
    )
    coordination = result.coordination().coordination_Cu[0]
    assert 9 < coordination < 12  # faces, edges and corners have fewer than 12


def test_clusters_differ_but_share_the_cutoff() -> None:
    """A surface and a bulk layer of one slab: 8 and 12 neighbours."""
    atoms = bulk("Cu", "fcc", a=3.61, cubic=True) * (4, 4, 3)
    atoms.center(vacuum=10, axis=2)
    height = atoms.positions[:, 2]
    at_edge = (height < height.min() + 0.1) | (height > height.max() - 0.1)
    atoms.rattle(0.02, seed=0)
    result = rdf_by_cluster([labelled(atoms, at_edge.astype(int))] * 3, n_clusters=3)
    numbers = result.coordination().coordination_Cu
    assert numbers[:2].tolist() == pytest.approx([12, 8], abs=0.01)
    assert np.isnan(numbers[2])
    assert result.centres[2] == ""


def test_systems_meet_by_species_name() -> None:
    crystal = bulk("NaCl", "rocksalt", a=5.64, cubic=True) * 2
    other = bulk("KCl", "rocksalt", a=6.29, cubic=True) * 2
    first = labelled(crystal, (np.asarray(crystal.symbols) == "Na").astype(int))
    second = labelled(other, np.where(np.asarray(other.symbols) == "K", 2, 0))
    result = rdf_by_cluster([first, second])
    assert result.neighbours == ("Cl", "K", "Na")
    assert result.centres == ("Cl", "Na", "K")
    assert result.coordination().coordination_Cl[1:].tolist() == pytest.approx([6, 6])


def test_without_a_box_a_system_without_a_kind_has_none_of_it() -> None:
    systems = [labelled(Atoms(both, [[0, 0, 0], [2.4, 0, 0]]), np.asarray([0, -1])) for both in ("NaCl", "NaAr")]
    result = rdf_by_cluster(systems, n_clusters=1)
    assert result.neighbours == ("Ar", "Cl", "Na")
    assert result.per_centre[0].sum(axis=1).tolist() == [0.5, 0.5, 0.0]
    held = result.values[0] * 4 / 3 * np.pi * np.diff(result.edges**3)
    np.testing.assert_allclose(held.sum(axis=1), [0.5, 0.5, 0.0])


def test_a_changing_box_leaves_no_half_filled_bins() -> None:
    rng = np.random.default_rng(0)
    frames = [labelled(gas(800, np.eye(3) * side, rng)) for side in (14.0, 19.0)]
    result = rdf_by_cluster(frames, centres=800)
    assert np.isfinite(result.values[0, 0, 180:190]).all()
    assert np.isnan(result.values[0, 0, 190:]).all()
    assert result.values[0, 0, 100:190].mean() == pytest.approx(1, abs=0.02)


def test_empty_input_is_an_empty_result() -> None:
    result = rdf_by_cluster([])
    assert result.to_frame().empty
    assert result.coordination().empty
    assert rdf_by_cluster([labelled(bulk("Cu"), np.asarray([-1]))]).coordination().empty


def test_a_step_without_a_dip_is_no_shell() -> None:
    edges = np.linspace(0, 10, 201)
    r = (edges[1:] + edges[:-1]) / 2
    vapour = np.where(r > 3.3, np.exp(2 * np.exp(-((r - 3.6) ** 2))), 0)
    assert first_shell(vapour, vapour * 1000, edges) is None
    liquid = vapour - 0.8 * np.exp(-((r - 5.3) ** 2))
    shell = first_shell(liquid, np.maximum(liquid, 0) * 1000, edges)
    assert shell is not None
    assert shell.peak == pytest.approx(3.6, abs=0.15)
    after = (r > 4) & (r < 7)
    assert shell.cutoff == pytest.approx(r[after][liquid[after].argmin()], abs=0.1)
    assert first_shell(liquid, np.maximum(liquid, 0) * 0.01, edges) is None


class FakeReader:
    """Three atoms, the last of which is a target; the position tells the frame."""

    species: tuple[str, ...] = ("H", "O")
    targets = np.asarray([2])
    molecules = Molecules((), np.full(3, -1), np.full(3, -1), np.zeros((0, 2), int))

    def frames(self, indices: Sequence[int]) -> Iterator[Frame]:
        for index in indices:
            yield Frame(np.full((3, 3), float(index)), np.eye(3), np.ones(3, bool), np.asarray([0, 0, 1], np.int16))


def test_sampled_frames_carry_the_labels_of_their_targets(tmp_path: Path) -> None:
    store = Store.create(
        tmp_path / "e.zarr",
        n_frames=30,
        atom_index=[2],
        species_names=["O"],
        features=1,
        frame_numbers=np.arange(30),
        runs=np.zeros(30),
        unit_frames=10,
    )
    store.write_clusters(0, np.arange(30)[:, None])
    store.mark_done(0)
    store.mark_done(2)
    samples = list(sample_frames(FakeReader(), store, 4))
    assert [s.labels.tolist() for s in samples] == [[-1, -1, int(s.frame.positions[0, 0])] for s in samples]
    assert [int(s.frame.positions[0, 0]) for s in samples] == [2, 7, 22, 27]
    assert len(list(sample_frames(FakeReader(), store))) == 20
    store.write_clusters(0, np.full((10, 1), -1))  # frames that could not be read
    assert min(int(s.frame.positions[0, 0]) for s in sample_frames(FakeReader(), store)) == 20
