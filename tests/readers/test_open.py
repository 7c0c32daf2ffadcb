"""Reading files and objects, against MDAnalysis and ASE themselves."""

from __future__ import annotations

import gzip
import math

import ase
import ase.build
import ase.io
import numpy as np
import pytest
from MDAnalysis.lib.formats.libdcd import DCDFile
from numpy.testing import assert_allclose, assert_array_equal

from cgcnn_md.config import ReadConfig
from cgcnn_md.errors import InputError, SpeciesError, UsageError
from cgcnn_md.readers import describe, mdanalysis, open_systems, open_trajectory, roles, selection, species, topology
from cgcnn_md.readers.third_party import third_party

from .files import CELL, DATA, N_WATERS, dump, water, write_gro, write_trajectory, write_xtc

REAL = np.arange(4 * N_WATERS) % 4 != 3  # all but the massless site


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("readers")


@pytest.fixture(scope="module")
def gro(folder):
    return write_gro(folder / "topol.gro")


@pytest.fixture(scope="module")
def xtc(folder):
    return write_xtc(folder / "traj.xtc")


@pytest.fixture(scope="module")
def reader(xtc, gro):
    with open_trajectory(xtc, gro) as reader:
        yield reader


@pytest.fixture(scope="module")
def universe(xtc, gro):
    import MDAnalysis

    return MDAnalysis.Universe(str(gro), str(xtc), to_guess=())


def images():
    rng = np.random.default_rng(0)
    for i in range(4):
        cell = CELL * (1 + 0.01 * i)
        yield ase.Atoms("Si4O8", scaled_positions=rng.random((12, 3)), cell=cell, pbc=True)


def test_frames_are_those_written(reader):
    assert (reader.name, len(reader), reader.dt, reader.n_atoms) == ("traj", 8, 2.0, 3 * N_WATERS)
    for index in (5, 0, 7, -1):
        frame, number = reader[index], index % 8
        assert_allclose(frame.positions, water(number)[REAL], atol=0.006)  # XTC keeps 0.01 Å
        assert_allclose(frame.cell, CELL, atol=1e-4)
        assert frame.pbc.all()
        assert (frame.time, frame.number, frame.run) == (2.0 * number, number, 0)
        assert frame.positions.dtype == np.float64
    assert reader.box_kind == "triclinic"


def test_water_without_elements_is_oxygen_and_hydrogen(reader):
    assert reader.species == ("H", "O")
    assert [tuple(row) for row in reader.species_table()] == [
        ("H", 54, "atom name", ("HW1", "HW2")),
        ("O", 27, "atom name", ("OW",)),
    ]
    assert "27 massless sites (MW) are left out" in reader.notes
    assert_array_equal(reader.atom_index, np.flatnonzero(REAL))
    assert_array_equal(reader.species_codes[:3], [1, 0, 0])
    assert (reader.names[0], reader.resnames[0], reader.resids[-1]) == ("OW", "SOL", N_WATERS)


def test_frames_come_in_the_order_asked_for_and_mix(reader):
    order = [3, 1, 1, 7, 0]
    first = reader.frames(order)
    assert next(first).number == 3
    second = reader.frames(range(8))
    assert next(second).number == 0
    assert reader[5].number == 5
    second.close()  # requests in flight are dropped
    assert [frame.number for frame in first] == order[1:]
    assert [frame.number for frame in reader] == list(range(8))
    assert reader.index_of(reader[4]) == 4
    with pytest.raises(IndexError):
        reader[8]


def test_selection_of_targets_and_environment(xtc, gro):
    with open_trajectory(xtc, gro, select="element O and resid 2:3", environment="name OW HW1") as reader:
        assert reader.n_atoms == 2 * N_WATERS
        assert_array_equal(reader.atom_index, [4, 8])
        assert_array_equal(reader.targets, [2, 4])
        assert_allclose(reader[2].positions[reader.targets], water(2)[[4, 8]], atol=0.006)
    with open_trajectory(xtc, gro, select="name HW1", environment="element O") as reader:
        assert reader.n_atoms == 2 * N_WATERS
        assert "27 target atoms are not in the environment selection; they are added to it" in reader.notes
    near = "name OW and around 2 (resid 1 and name HW1)"
    with open_trajectory(xtc, gro, select=near) as reader:
        assert_array_equal(reader.atom_index, [0])
        assert f"select {near!r} is taken as it is at frame 0, for all frames" in reader.notes


def test_a_selection_that_is_not_made_again_in_other_frames_is_said(universe):
    universe.trajectory[3]
    texts = {"environment": "prop  abs z < 100", "level": "name OW and same x as name OW"}
    with open_trajectory(universe, **texts) as reader:
        for option, text in texts.items():
            assert f"{option} {text!r} is taken as it is at frame 3, for all frames" in reader.notes
    for group in (universe.select_atoms("name OW and around 6 index 0", updating=True),
                  universe.select_atoms("around 1000 index 0 or index 0", updating=True)):  # fmt: skip
        with open_trajectory(group) as reader:
            assert "the updating AtomGroup is taken as it is at frame 3, for all frames" in reader.notes
    with open_trajectory(universe.select_atoms("name OW"), select="same residue as name OW") as reader:
        assert not any("for all frames" in note for note in reader.notes)
    assert selection.is_geometric(None, "prop x<5")
    assert not selection.is_geometric("prop mass > 1", "name x")


@pytest.mark.parametrize(
    ("settings", "numbers"),
    [
        ({"begin": 4, "end": 10}, [2, 3, 4, 5]),
        ({"begin": 4.5, "step": 2}, [3, 5, 7]),
        ({"start": -2}, [6, 7]),
        ({"start": 1, "stop": 6, "step": 3}, [1, 4]),
        ({"dt": 0.5, "begin": 3.0}, [6, 7]),
    ],
)
def test_choice_of_frames(universe, settings, numbers):
    with open_trajectory(universe, **settings) as reader:
        assert reader.frame_numbers.tolist() == numbers
        dt = settings.get("dt", 2.0)
        assert reader.dt == pytest.approx(dt * settings.get("step", 1))
        assert reader[-1].time == pytest.approx(numbers[-1] * dt)


def test_runs_and_systems(folder, xtc, gro):
    other = write_xtc(folder / "more.xtc", 3, first_ps=100)
    readers = open_systems([xtc, other, gro, gro], None, ReadConfig())
    assert [reader.name for reader in readers] == ["traj", "topol"]
    assert readers[0].runs.tolist() == [0] * 8 + [1] * 3
    assert readers[0].frame_numbers.tolist() == [*range(8), *range(3)]
    assert readers[0][9].time == 102.0
    assert readers[0].sources == (str(xtc), str(other), str(gro))
    for reader in readers:
        reader.close()
    with open_trajectory([xtc, write_xtc(folder / "slow.xtc", 3, dt=4)], gro) as reader:
        assert any(note.startswith("runs have different time steps") for note in reader.notes)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (
            {"select": "resname XXX"},
            InputError,
            "selection 'resname XXX': no atom of 108; .* elements H, O and residues SOL",
        ),
        (
            {"select": "foo bar"},
            UsageError,
            "--select 'foo bar': .*; wanted a selection in MDAnalysis' language",
        ),
        ({"begin": 500}, InputError, "none of 8 frames is left by --begin 500"),
        ({"step": 0}, UsageError, "step 0: wanted a whole number of 1 or more"),
        ({"dt": -1.0}, UsageError, "dt -1.0: wanted a finite number above 0"),
        (
            {"species_from": "element"},
            SpeciesError,
            r"traj: 81 atoms \(names HW1, HW2, OW in SOL\) have no known",
        ),
        ({"species_from": "magic"}, UsageError, "species_from 'magic': wanted one of auto"),
        ({"type_map": "OW=O"}, UsageError, r"type_map 'OW=O': wanted a dict of texts, as {'1': 'Si', '2': 'O'}"),
        ({"nonsense": 1}, UsageError, "setting nonsense: no such setting of reading; choose among"),
    ],
)
def test_refusals(universe, settings, error, message):
    with pytest.raises(error, match=message):
        open_trajectory(universe, **settings)


def test_a_trajectory_given_twice_is_refused(xtc, gro, tmp_path):
    for paths in ([xtc, xtc, gro], [xtc, gro, xtc, gro], [xtc, xtc.parent / "." / xtc.name, gro]):
        with pytest.raises(UsageError, match=r"traj\.xtc is given twice; wanted each trajectory once"):
            open_systems(paths)
    readers = open_systems([xtc, gro, xtc, write_gro(tmp_path / "other.gro")])
    assert [len(reader) for reader in readers] == [8, 8]
    for reader in readers:
        reader.close()


def test_a_selection_of_nothing_says_what_there_is(universe, gro, xtc):
    import MDAnalysis

    massless = r"'name MW': no atom of 108, for the 27 massless sites \(MW\) in it are left out; wanted"
    with pytest.raises(InputError, match=massless):
        open_trajectory(universe, select="name MW")
    with pytest.raises(InputError, match=r"'name OW': no atom of 54; .* there are elements H and residues SOL$"):
        open_trajectory(universe.select_atoms("name HW1 HW2"), select="name OW")
    with pytest.raises(InputError, match=r"^the AtomGroup is empty; wanted at least one atom$"):
        open_trajectory(universe.atoms[:0])
    mixed = MDAnalysis.Universe(str(gro), str(xtc), to_guess=())
    for i in range(10):
        mixed.residues[i].resname = f"A{i}"
    with pytest.raises(InputError, match=r"residues A0, .*, A6, SOL and 3 more$"):
        open_trajectory(mixed, select="resname XXX")


def test_a_universe_stays_at_its_frame(xtc, gro):
    import MDAnalysis

    universe = MDAnalysis.Universe(str(gro), str(xtc), to_guess=())
    universe.trajectory[3]
    before = universe.atoms.positions
    with open_trajectory(universe) as reader:
        list(reader)
    assert universe.trajectory.ts.frame == 3
    assert_array_equal(universe.atoms.positions, before)
    with pytest.raises(InputError, match="none of 8 frames"):
        open_trajectory(universe, begin=500)
    assert universe.trajectory.ts.frame == 3


@pytest.mark.parametrize(("name", "tool"), [("a.xtc.gz", "gunzip"), ("a.dcd.bz2", "bunzip2"), ("a.pdb.xz", "unxz")])
def test_what_cannot_be_read_compressed_is_to_be_unpacked(tmp_path, gro, name, tool):
    (tmp_path / name).write_bytes(b"x" * 100)
    with pytest.raises(InputError, match=rf"cannot be read compressed; unpack it first \({tool} .*{name}\)"):
        open_trajectory(tmp_path / name, gro)


def test_structures_may_be_compressed(tmp_path, gro, xtc):
    path = tmp_path / "a.gro.gz"
    path.write_bytes(gzip.compress(gro.read_bytes()))
    with open_trajectory(xtc, path) as reader:
        assert len(reader) == 8
    with open_trajectory(path) as reader:
        assert reader.n_atoms == 3 * N_WATERS


def test_topology_of_another_system(folder, xtc):
    (folder / "small.xyz").write_text("3\nwater\nO 0 0 0\nH 1 0 0\nH 0 1 0\n")
    with pytest.raises(InputError, match=r"traj\.xtc has 108 atoms, .*small\.xyz 3; give the topology"):
        open_trajectory(xtc, folder / "small.xyz")


def test_type_map_comes_first_and_unused_keys_are_noted(xtc, gro):
    with open_trajectory(xtc, gro, type_map={"HW1": "H", "HW2": "D", "MW": "M", "QQ": "X"}) as reader:
        assert reader.species == ("D", "H", "M", "O")
        assert reader.n_atoms == 4 * N_WATERS
        assert "the type map names QQ, but no atom has that type or name" in reader.notes


def test_gro_of_several_frames(folder):
    with open_trajectory(write_gro(folder / "movie.gro", range(4))) as reader:
        assert (len(reader), reader.dt) == (4, 2.0)
        assert_allclose(reader[3].positions, water(3)[REAL], atol=0.006)
        assert_allclose(reader[3].cell, CELL, atol=1e-4)


def test_masses_are_those_of_the_file_else_of_the_elements(tmp_path, reader):
    assert_allclose(reader.masses, np.where(reader.species_codes == reader.species.index("O"), 15.999, 1.008))
    top, trajectory = tmp_path / "beads.data", tmp_path / "a.dump"
    top.write_text(DATA.format(first=72.0, second=54.0, atoms="Atoms # atomic\n\n1 1 1. 2. 3.\n2 2 4 5 6"))
    trajectory.write_text(dump())
    with open_trajectory([trajectory, top]) as beads:
        assert beads.species == ("type1", "type2")
        assert beads.masses.tolist() == [72.0, 54.0]


def test_beads(folder):
    path = write_gro(folder / "beads.gro", names=("NC3", "PO4", "GL1", "C1A"))
    with open_trajectory(path) as reader:
        assert reader.species == ("C1A", "GL1", "NC3", "PO4")
        assert any("bead name is the species" in note for note in reader.notes)
        assert (reader.masses == 1).all()  # the file holds none


def test_unknown_atoms_are_refused_with_the_remedy(folder):
    path = write_gro(folder / "odd.gro", names=("OW", "HW1", "HW2", "QQ"))
    with pytest.raises(
        SpeciesError, match=r"odd.gro: 27 atoms \(names QQ in SOL\) .* --type-map QQ=ELEMENT,... or --sp"
    ):
        open_trajectory(path)
    with open_trajectory(path, species_from="name") as reader:
        assert reader.species == ("HW1", "HW2", "OW", "QQ")


@pytest.mark.parametrize("name", ["a.extxyz", "a.xyz.gz", "a.traj", "XDATCAR", "a.xsf"])
def test_ase_formats_against_ase(tmp_path, name):
    written = list(images())
    kind = {"a.xyz.gz": "extxyz", "XDATCAR": "vasp-xdatcar"}.get(name)
    ase.io.write(tmp_path / name, written, format=kind)
    with open_trajectory(tmp_path / name) as reader:
        assert (reader.species, len(reader), reader.box_kind) == (("O", "Si"), 4, "triclinic")
        assert math.isnan(reader.dt)
        assert any("pass --dt" in note for note in reader.notes)
        for i in (2, 0, 3, 1):
            frame = reader[i]
            assert_allclose(frame.positions, written[i].positions, atol=1e-6)
            assert_allclose(frame.cell, written[i].cell[:], atol=1e-6)
            assert math.isnan(frame.time)


def test_objects_in_memory(universe, xtc, gro):
    import MDAnalysis

    written = list(images())
    written[0].pbc = written[1].pbc = [True, True, False]
    reader = open_trajectory(written[:2], dt=0.5)
    assert (reader.name, reader.box_kind, reader.dt) == ("frames", "triclinic, periodic in x, y", 0.5)
    assert_allclose(reader[1].positions, written[1].positions)

    reader = open_trajectory(universe.select_atoms("name OW"))
    assert (reader.name, reader.n_targets, reader.n_atoms, reader.dt) == ("traj", N_WATERS, 3 * N_WATERS, 2.0)
    assert_allclose(reader[4].positions, water(4)[REAL], atol=0.006)
    chain = MDAnalysis.Universe(str(gro), [str(xtc), str(xtc)], to_guess=())
    reader = open_trajectory(chain)
    assert reader.runs.tolist() == [0] * 8 + [1] * 8
    assert reader[11].number == 3
    with pytest.raises(UsageError, match="int: wanted a path"):
        open_trajectory(7)


def test_guessed_elements_are_not_believed(gro):
    import MDAnalysis

    universe = MDAnalysis.Universe(str(gro))  # masses and types are guessed: MW becomes DUMMY
    assert open_trajectory(universe).species == ("H", "O")
    universe.guess_TopologyAttrs(context="default", force_guess=["elements"])
    assert open_trajectory(universe).species_table()[0].source == "atom name"


def test_types_in_an_xyz_are_no_elements(tmp_path):
    path = tmp_path / "lammps.xyz"
    path.write_text("2\nAtoms. Timestep: 0\n1 0 0 0\n2 1 1 1\n" * 2)
    with open_trajectory(path) as reader:
        assert reader.species == ("type1", "type2")
        assert reader.box_kind == "none"
    other = tmp_path / "more.xyz"
    other.write_text(path.read_text())
    with open_trajectory([path, other], type_map={"1": "Si", "2": "O"}) as reader:
        assert reader.species == ("O", "Si")
        assert reader.runs.tolist() == [0, 0, 1, 1]


def test_lammps_dump(tmp_path):
    path = tmp_path / "a.lammpstrj"
    path.write_text(dump("pp pp ff"))
    with open_trajectory(path) as reader:
        assert reader.species == ("type1", "type2")
        assert math.isnan(reader.dt)  # MDAnalysis calls the step number a time
        assert math.isnan(reader[2].time)
        assert_array_equal(reader[0].pbc, [True, True, False])
        assert_allclose(reader[0].positions, [[1, 2, 3], [4, 5, 6]])  # sorted by id
    with open_trajectory(path, dt=0.1, type_map={"1": "Si", "2": "O"}) as reader:
        assert reader[2].time == pytest.approx(0.2)
        assert reader.species == ("O", "Si")
    with pytest.raises(UsageError, match="holds no times; give the time between its frames as --dt"):
        open_trajectory(path, begin=1.0)
    path.write_text(dump(columns="id element x y z", rows=("1 Si 1 2 3", "2 O 4 5 6"))[:-14])
    with open_trajectory(path) as reader:
        assert (len(reader), reader.species_table()[0].source) == (2, "element")
        assert "a.lammpstrj ends in an incomplete frame, which is left out" in reader.notes
    path.write_text(dump()[:-1])
    with open_trajectory(path) as reader:
        assert len(reader) == 3
        (note,) = (note for note in reader.notes if note.startswith("a.lammpstrj ends"))
        assert note.startswith("a.lammpstrj ends without a line break")
    path.write_text(dump(columns="type x y z", rows=("1 1 2 3",)))
    with pytest.raises(InputError, match="has no column 'id'"):
        open_trajectory(path)


@pytest.mark.parametrize(
    "atoms",
    [
        "Atoms # atomic\n\n1 1 1. 2. 3.\n2 2 4 5 6",
        "Atoms\n\n1 1 1. 2. 3. 0 0 0\n2 2 4 5 6 0 0 0",
        "Atoms\n\n1 1 2.4 1. 2. 3.\n2 2 -1.2 4 5 6",
        "Atoms\n\n1 1 1 1. 2. 3.\n2 1 2 4 5 6\n\nVelocities\n\n1 0 0 0\n2 0 0 0",
        "Atoms # full\n\n1 1 1 2.4 1. 2. 3.\n2 1 2 -1.2 4 5 6",
    ],
)
def test_lammps_data_of_any_atom_style(tmp_path, atoms):
    path = tmp_path / "a.data"
    path.write_text(DATA.format(first=28.0855, second=15.999, atoms=atoms))
    top = topology.of_file(roles.classify(path))
    assert species.assign(top).labels.tolist() == ["Si", "O"]
    with third_party([]):
        frame = mdanalysis.open_file(str(path), "DATA", 2).read(0)
    assert_allclose(frame.positions, [[1, 2, 3], [4, 5, 6]])


def test_types_of_one_mass_are_one_species_and_it_is_said(tmp_path):
    path = tmp_path / "a.data"
    path.write_text(DATA.format(first=39.948, second=39.948, atoms="Atoms # atomic\n\n1 1 1. 2. 3.\n2 2 4 5 6"))
    top = topology.of_file(roles.classify(path))
    told = species.assign(top)
    assert told.labels.tolist() == ["Ar", "Ar"]
    assert told.notes == ["types 1, 2 all have the mass of Ar and are one species; --type-map tells them apart"]
    assert species.assign(top, type_map={"1": "A", "2": "B"}).notes == []


def test_lammps_data_in_reduced_units_and_with_a_dump(tmp_path):
    top, trajectory = tmp_path / "lj.data", tmp_path / "a.dump"
    top.write_text(DATA.format(first=1.0, second=1.0, atoms="Atoms # atomic\n\n1 1 1. 2. 3.\n2 2 4 5 6"))
    trajectory.write_text(dump())
    with open_trajectory([trajectory, top]) as reader:
        assert reader.species == ("type1", "type2")  # no hydrogen
        assert len(reader) == 3
        assert "masses are in reduced units: they do not tell elements" in reader.notes


def of_lammps(path, units):
    """Write a DCD file and the data file of `write_data`: a time step of 0.5 in these units, frames 10 steps apart."""
    top = path.with_suffix(".data")
    text = DATA.format(first=28.0855, second=15.999, atoms="Atoms # atomic\n\n1 1 1. 2. 3.\n2 2 4 5 6")
    said = f" data file via write_data, version 29 Aug 2024, timestep = 90, units = {units}"
    top.write_text(text.replace("LAMMPS", "LAMMPS" + said, 1) if units else text)
    with DCDFile(str(path), "w") as file:
        file.write_header("Written by LAMMPS", 2, istart=0, nsavc=10, delta=0.5, is_periodic=1)
        for _ in range(3):
            file.write(np.array([[1, 2, 3], [4, 5, 6]], np.float32), np.array([10, 90, 10, 90, 90, 10.0]))
    return [path, top]


@pytest.mark.parametrize(
    ("units", "dt", "said"),
    [
        ("real", 0.005, ""),
        ("metal", 5.0, ""),
        ("lj", math.nan, "LAMMPS units lj: their unit of length is called Å in all that follows"),
        ("", 0.005, "a.dcd: time step taken as fs (LAMMPS units real); else pass --dt"),
    ],
)
def test_times_of_lammps_are_in_the_units_of_its_data_file(tmp_path, units, dt, said):
    with open_trajectory(of_lammps(tmp_path / "a.dcd", units)) as reader:
        assert_allclose(reader.dt, dt)
        assert any(said in note for note in reader.notes) if said else not any("units" in note for note in reader.notes)


def test_a_box_before_the_models_of_a_pdb_is_that_of_all(tmp_path):
    """As VMD and others write it; the same file with a box in every model is what it should be read as."""
    frames = [ase.build.bulk("Cu", cubic=True).repeat(3) for _ in range(3)]
    for atoms in frames:
        atoms.rattle(0.1, rng=np.random.default_rng(0))
    every = tmp_path / "every.pdb"
    ase.io.write(every, frames)
    lines = every.read_text().splitlines(keepends=True)
    models = [line for line in lines if not line.startswith("CRYST1")]
    box = next(line for line in lines if line.startswith("CRYST1"))
    once, none = tmp_path / "once.pdb", tmp_path / "none.pdb"
    once.write_text(box + "".join(models))
    none.write_text("CRYST1    1.000    1.000    1.000  90.00  90.00  90.00 P 1\n" + "".join(models))
    with open_trajectory(once) as found:
        for number in range(3):
            assert_allclose(found[number].cell, 3 * 3.61 * np.eye(3), atol=1e-3)
            assert found[number].pbc.all()
    with open_trajectory(none) as found:
        assert not found[0].pbc.any()


@pytest.mark.parametrize("ending", ["dcd", "trr"])
def test_no_box(folder, gro, ending):
    frames = np.array([water(i) for i in range(3)])
    path = write_trajectory(folder / f"vacuum.{ending}", frames, None)
    with open_trajectory(path, gro) as reader:
        assert reader.box_kind == "none"
        assert not reader[0].pbc.any()
        assert not reader[0].cell.any()
        assert "there is no box: the system is taken as not periodic" in reader.notes


def test_description(xtc, gro):
    with open_trajectory(xtc, gro, select="name OW", on_bad_frame="skip") as reader:
        facts = describe(reader, scan=True)
    assert (facts["frames"], facts["dt_ps"], facts["total_ps"], facts["targets"]) == (8, 2.0, 14.0, N_WATERS)
    assert facts["species"][0] == {
        "species": "H",
        "atoms": 54,
        "source": "atom name",
        "examples": ("HW1", "HW2"),
    }
    assert_allclose(facts["box_lengths"], np.linalg.norm(CELL, axis=1), atol=1e-3)
    assert facts["first_bad_frame"] is None
    assert 0.3 < facts["largest_move"] < 3


def test_a_box_around_a_cluster_is_asked_about():
    cluster = ase.build.bulk("Cu", cubic=True).repeat(6)
    cluster.rattle(0.1, seed=0)
    cluster = cluster[np.linalg.norm(cluster.positions - cluster.positions.mean(axis=0), axis=1) < 9.0]
    cluster.cell = np.diag(np.ptp(cluster.positions, axis=0))
    cluster.pbc = True
    with open_trajectory(cluster) as reader:
        (note,) = (note for note in reader.notes if "--pbc" in note)
        assert "across the box in y, z," in note
        assert reader.box_kind == "orthorhombic"
    with open_trajectory(cluster, pbc="xy") as reader:
        assert reader.box_kind == "orthorhombic, periodic in x, y"
        assert not any("--pbc" in note for note in reader.notes)
        assert_array_equal(reader[0].pbc, [True, True, False])
    cluster.cell[2, 2] += 1.8
    with open_trajectory(cluster) as reader:
        assert any("across the box in y," in note for note in reader.notes)


def test_a_box_whose_edges_meet_is_asked_about():
    block = ase.build.bulk("Fe", cubic=True).repeat(5)  # across a face of bcc no two atoms are opposite each other
    block.cell = np.diag(np.ptp(block.positions, axis=0) + 0.05)
    block.rattle(0.05, seed=0)  # beyond the box
    with open_trajectory(block) as reader:
        assert any("across the box in x, y, z," in note for note in reader.notes)


@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_nothing_is_asked_of_a_box_that_repeats(shift):
    rng = np.random.default_rng(0)
    crystal = ase.build.bulk("Cu").repeat(5)  # oblique
    crystal.positions += shift * crystal.cell.sum(axis=0) + rng.normal(0.0, 0.1, (125, 3))
    crystal.positions += rng.integers(-2, 3, (125, 3)) @ crystal.cell  # unwrapped
    with open_trajectory(crystal) as reader:
        assert not any("--pbc" in note for note in reader.notes)


@pytest.mark.parametrize("pbc", ["", "xx", "p p p", "all"])
def test_directions_that_are_none_are_refused(xtc, gro, pbc):
    with pytest.raises(UsageError, match=r"wanted the directions .* or none"):
        open_trajectory(xtc, gro, pbc=pbc)
