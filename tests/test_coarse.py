"""Groups as particles: centres of mass across periodic borders, among the atoms that are in none."""

from __future__ import annotations

import MDAnalysis as mda
import numpy as np
import pytest

from cgcnn_md.analysis.coarse import CoarseReader, particles
from cgcnn_md.analysis.samples import LabelledFrame
from cgcnn_md.analysis.structure import rdf_by_cluster
from cgcnn_md.frame import Frame
from cgcnn_md.readers import open_trajectory
from cgcnn_md.readers.molecules import Molecules

BOXES = {"orthorhombic": [12, 14, 17, 90, 90, 90], "triclinic": [15, 16, 17, 70, 80, 65]}
N, LENGTH = 6, 8  # chains of eight


def chains(box: list[float], *, whole: bool = False, bonds: bool = True) -> mda.Universe:
    """Chains with a side atom, written wrapped, atoms of a chain in any order."""
    rng = np.random.default_rng(1)
    n = N * (LENGTH + 1)
    made = mda.Universe.empty(n, n_residues=N, atom_resindex=np.repeat(np.arange(N), LENGTH + 1), trajectory=True)
    made.add_TopologyAttr("elements", np.tile(["C", "O"] * (LENGTH // 2) + ["Br"], N).tolist())
    made.add_TopologyAttr("names", np.tile([f"A{i}" for i in range(LENGTH + 1)], N).tolist())
    made.add_TopologyAttr("masses", np.tile([12.0, 16.0] * (LENGTH // 2) + [79.9], N))
    made.add_TopologyAttr("resnames", ["POL"] * N)
    held, positions = [], np.empty((n, 3))
    for chain in range(N):
        order = rng.permutation(LENGTH) + chain * (LENGTH + 1)
        held += list(zip(order[:-1].tolist(), order[1:].tolist(), strict=True))
        held.append((int(order[LENGTH // 2]), chain * (LENGTH + 1) + LENGTH))
        step = rng.normal(size=(LENGTH + 1, 3))
        step *= (1.5 if bonds else 0.4) / np.linalg.norm(step, axis=1)[:, None]
        walk = rng.uniform(-1, 1, 3) + np.cumsum(step[:LENGTH], axis=0)
        positions[order] = walk
        positions[chain * (LENGTH + 1) + LENGTH] = walk[LENGTH // 2] + step[-1]
    if bonds:
        made.add_TopologyAttr("bonds", held)
    made.atoms.positions = positions
    made.dimensions = box
    if not whole:
        made.atoms.wrap()
    return made


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
def test_centres_are_those_of_unwrapped_molecules(box: list[float]) -> None:
    universe = chains(box)
    with open_trajectory(universe, level="molecule") as reader:
        coarse = CoarseReader(reader)
        (frame,) = coarse.frames([0])
    np.testing.assert_allclose(coarse.masses, universe.atoms.total_mass(compound="fragments"))
    assert np.ptp(universe.atoms.positions.reshape(N, -1, 3), axis=1).max() > 9  # some are broken by the border
    expected = universe.atoms.center_of_mass(unwrap=True, compound="fragments")
    between = (frame.positions - expected) @ np.linalg.inv(frame.cell)
    np.testing.assert_allclose(between, np.round(between), atol=1e-5)
    assert (frame.species == 0).all()


def test_without_bonds_a_residue_is_whole_around_its_first_atom() -> None:
    box = BOXES["triclinic"]
    whole, wrapped = chains(box, whole=True, bonds=False), chains(box, bonds=False)
    with open_trajectory(wrapped, level="residue") as reader:
        (frame,) = CoarseReader(reader).frames([0])
    between = (frame.positions - whole.atoms.center_of_mass(compound="residues")) @ np.linalg.inv(frame.cell)
    np.testing.assert_allclose(between, np.round(between), atol=1e-5)


def test_atoms_in_no_group_stay_and_bonds_between_particles_are_kept() -> None:
    with open_trajectory(chains(BOXES["orthorhombic"]), level="element C O") as reader:
        coarse = CoarseReader(reader)
        assert coarse.species == ("Br", "C4O4")
        (frame,), (fine,) = coarse.frames([0]), reader.frames([0])
        np.testing.assert_array_equal(frame.positions[N:], fine.positions[LENGTH :: LENGTH + 1])
        np.testing.assert_allclose(coarse.masses, np.repeat([LENGTH // 2 * 28.0, 79.9], N))
        held = coarse.molecules
        assert held.bonds.tolist() == [[i, N + i] for i in range(N)]
        assert held.index.tolist() == [*range(N), *range(N)]
        sample = LabelledFrame(frame, np.zeros(2 * N, dtype=np.int64), coarse.species, held)
        assert sample.kinds()[0] == ["Br", "C4O4"]


def test_molecules_of_one_particle_are_none_and_atoms_are_left_alone() -> None:
    universe = chains(BOXES["orthorhombic"])
    with open_trajectory(universe, level="molecule") as reader:
        held = CoarseReader(reader).molecules
        assert held.names == ()
        assert (held.index == -1).all()
        assert held.bonds.shape == (0, 2)
    with open_trajectory(universe) as reader:
        assert particles(reader) is reader


@pytest.mark.parametrize("grouped", [True, False])
def test_what_a_group_is_bonded_to_hides_nothing_from_it(grouped: bool) -> None:
    rng = np.random.default_rng(0)
    n = 64
    middle = np.argwhere(np.ones((4, 4, 4))) * 12.0
    along = np.array([[0.0, 0, 0], [1.5, 0, 0], [3.2, 0, 0]])  # a group, an atom bonded to it, an ion behind that
    positions = (middle[:, None] + along + rng.normal(0.0, 0.1, (n, 3, 3))).reshape(-1, 3)
    frame = Frame(positions, np.eye(3) * 48.0, np.ones(3, dtype=np.bool_), np.tile([0, 1, 2], n).astype(np.int16))
    first = np.arange(0, 3 * n, 3)
    molecule = np.repeat(np.arange(n), 3)
    molecule[2::3] = -1
    kind = np.where(molecule < 0, -1, 0)
    bonds = np.stack([first, first + 1], axis=1)
    held = Molecules(("MO",), molecule, kind, bonds, grouped=grouped)
    labels = np.where(np.arange(3 * n) % 3 == 0, 0, -1)
    found = rdf_by_cluster([LabelledFrame(frame, labels, ("M", "O", "Li"), held)], rmax=5.0).in_contact()
    assert (("M", "Li") in found) is grouped
