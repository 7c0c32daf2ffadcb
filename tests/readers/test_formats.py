"""Real files of many formats, from MDAnalysis' own tests."""

from __future__ import annotations

import math
import shutil
import warnings
from pathlib import Path
from typing import Any

import MDAnalysis
import numpy as np
import pytest

from cgcnn_md.errors import MissingExtraError
from cgcnn_md.readers import open_trajectory
from cgcnn_md.readers.amber import octahedral_angle
from cgcnn_md.readers.roles import classify
from cgcnn_md.readers.source import cell_of_dimensions
from cgcnn_md.readers.species import assign
from cgcnn_md.readers.topology import of_file

data = pytest.importorskip("MDAnalysisTests.datafiles")

CASES = {
    # files: atoms, frames, dt, box, species, what told the first species
    ("XTC", "GRO"): (36597, 10, 100.0, "triclinic", "C H N Na O S", "atom name"),
    ("XTC", "TPR"): (36597, 10, 100.0, "triclinic", "C H N Na O S", "element"),
    ("DCD", "PSF"): (3341, 98, 1.0, "none", "C H N O S", "mass"),
    ("waterDCD", "waterPSF"): (15, 10, 0.02, "orthorhombic", "H O", "mass"),
    ("LAMMPSdcd2", "LAMMPSdata2"): (12421, 5, 0.5, "orthorhombic", "C Cl H N Na O S", "mass"),
    ("TRZ", "TRZ_psf"): (8184, 6, 0.01, "orthorhombic", "C H M2 M3 M3P N O", "mass"),
    ("LAMMPSDUMP",): (24, 3, math.nan, "orthorhombic", "type1 type2", "atom type"),
    ("PDB_multiframe",): (392, 24, math.nan, "none", "C H N O S", "element"),
}


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """Copy files where MDAnalysis may leave its offsets beside them."""
    folder = tmp_path_factory.mktemp("formats")

    def copy(name):
        source = Path(str(getattr(data, name)))
        if source.suffix != ".xtc":
            return source
        target = folder / source.name
        return target if target.exists() else Path(shutil.copy(source, target))

    return copy


@pytest.mark.parametrize("names", CASES, ids="+".join)
def test_format(names, copies):
    atoms, frames, dt, box, species, source = CASES[names]
    with open_trajectory([copies(name) for name in names]) as reader:
        assert (reader.n_atoms, len(reader), reader.box_kind) == (atoms, frames, box)
        assert reader.dt == pytest.approx(dt, nan_ok=True)
        assert " ".join(reader.species) == species
        assert reader.species_table()[0].source == source
        assert np.isfinite(reader[-1].positions).all()


@pytest.mark.parametrize(
    ("name", "species", "source"),
    [
        ("CONECT", "C H N O S", "element"),
        ("LAMMPScnt", "C", "mass"),
        ("DLP_HISTORY", "Cl K", "atom name"),
        ("two_water_gro", "H O", "atom name"),
        ("RNA_PSF", "C H K N O P", "mass"),
        ("CRD", "C H N O S", "atom name"),
        ("ALIGN", "C Ca H", "element"),  # CA is an alpha carbon in one residue, calcium in another
        ("Martini_membrane_gro", None, "atom name as bead"),
    ],
)
def test_species_of_topology(name, species, source):
    found = assign(of_file(classify(getattr(data, name))))
    assert found.sources[sorted(found.sources)[0]] == source
    if species is None:
        assert {"NC3", "PO4", "GL1", "C1A", "ROH"} <= set(found.sources)
    else:
        assert " ".join(sorted(found.sources)) == species


def test_frames_are_those_of_mdanalysis(copies):
    import MDAnalysis

    xtc = copies("XTC")
    universe = MDAnalysis.Universe(data.GRO, str(xtc), to_guess=())
    with open_trajectory(xtc, data.GRO, select="name CA and resid 1:20") as reader:
        universe.trajectory[6]
        frame = reader[6]
        np.testing.assert_array_equal(frame.positions, universe.atoms.positions[reader.environment_index])
        np.testing.assert_allclose(frame.cell, universe.trajectory.ts.triclinic_dimensions, atol=1e-4)
        assert reader.resnames.tolist() == universe.atoms[reader.atom_index].resnames.tolist()


def test_gsd() -> None:
    pytest.importorskip("gsd")
    with open_trajectory(data.GSD) as reader:
        assert (reader.n_atoms, len(reader), reader.box_kind) == (5832, 2, "orthorhombic")
        assert reader.species_table()[0].source == "atom type"


def universe_at(number: int, topology: str, files: str | list[str]) -> Any:
    """Make a Universe that stands at a frame, of whose boxes, times and elements MDAnalysis has much to say."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        universe = MDAnalysis.Universe(topology, files, to_guess=())
        universe.trajectory[number]
    return universe


def write_gsd(path: Path, box: list[float], *, flat: bool = False) -> str:
    """Write two frames of four particles in a box given by three lengths and three tilts."""
    hoomd = pytest.importorskip("gsd.hoomd")
    frame = hoomd.Frame()
    frame.particles.N, frame.particles.types, frame.particles.typeid = 4, ["A"], [0] * 4
    frame.particles.position = np.random.default_rng(0).random((4, 3)) - 0.5
    frame.configuration.box, frame.configuration.dimensions = box, 2 if flat else 3
    with hoomd.open(str(path), "w") as file:
        file.extend([frame, frame])
    return str(path)


@pytest.mark.parametrize(("tilts", "flat"), [((0.4, 0.2, -0.3), False), ((1.2, 0.0, 0.0), False), ((0.0,) * 3, True)])
def test_a_box_of_hoomd_has_its_tilts(tmp_path: Path, tilts: tuple[float, float, float], flat: bool) -> None:
    (x, y, z), (xy, xz, yz) = (10.0, 11.0, 1.0 if flat else 12.0), tilts
    with open_trajectory(write_gsd(tmp_path / "box.gsd", [x, y, z, *tilts], flat=flat)) as reader:
        read = reader[0]
    np.testing.assert_allclose(read.cell, [[x, 0, 0], [xy * y, y, 0], [xz * z, yz * z, z]], atol=1e-5)
    assert read.pbc.tolist() == [True, True, not flat]


@pytest.mark.skipif(MDAnalysis.__version__.startswith("2.10."), reason="it cannot go through such a chain")
def test_a_chain_of_hoomd_has_the_tilts_of_each_file(tmp_path: Path) -> None:
    paths = [write_gsd(tmp_path / f"{xy}.gsd", [10, 11, 12, xy, 0, 0]) for xy in (0.4, 1.2)]
    universe = universe_at(3, paths[0], paths)
    with open_trajectory(universe) as reader:
        across = [float(reader[number].cell[1, 0]) for number in (3, 0, 2, 1)]
    np.testing.assert_allclose(across, [13.2, 4.4, 13.2, 4.4], rtol=1e-6)
    assert universe.trajectory.frame == 3


def write_models(path: Path, boxes: list[float | None]) -> str:
    """Write models of two atoms as PDB, each with the edge of its cubic box or without a box."""
    lines = []
    for number, size in enumerate(boxes, start=1):
        lines += [f"MODEL     {number:4d}"]
        lines += [f"CRYST1{size:9.3f}{size:9.3f}{size:9.3f}  90.00  90.00  90.00 P 1           1"] if size else []
        lines += [f"ATOM  {i:5d}  AR  AR      1    {i:8.3f}{0:8.3f}{0:8.3f}  1.00  0.00          AR" for i in (1, 5)]
        lines += ["ENDMDL"]
    path.write_text("\n".join([*lines, "END", ""]))
    return str(path)


def test_a_model_without_a_box_has_that_of_the_first(tmp_path: Path) -> None:
    path = write_models(tmp_path / "some.pdb", [20.0, None, 25.0, None])
    for order in (range(4), (0, 3, 1, 2), (2, 1, 3, 0)):
        with open_trajectory(path) as reader:
            read = {i: float(reader[i].cell[0, 0]) for i in order}
        assert read == {0: 20.0, 1: 20.0, 2: 25.0, 3: 20.0}


def test_a_model_without_a_box_has_that_of_the_first_in_its_own_file(tmp_path: Path) -> None:
    paths = [write_models(tmp_path / f"{size}.pdb", [size, None, 25.0, None]) for size in (20.0, 30.0)]
    universe = universe_at(7, paths[0], paths)
    with open_trajectory(universe) as reader:
        sizes = {i: float(reader[i].cell[0, 0]) for i in (2, 6, 7, 3, 1, 5, 0, 4)}
    assert [sizes[i] for i in range(8)] == [20.0, 20.0, 25.0, 20.0, 30.0, 30.0, 25.0, 30.0]
    assert universe.trajectory.frame == 7


def test_a_truncated_octahedron_has_the_angles_of_its_topology(tmp_path: Path) -> None:
    with open_trajectory(data.NCDFtruncoct, data.PRM7) as reader:
        whole = reader[0]
    from MDAnalysis.coordinates.TRJ import NCDFReader

    step = NCDFReader(data.NCDFtruncoct)[0]
    numbers = [f"{number:8.3f}" for number in step.positions.ravel()]
    rows = ["".join(numbers[i : i + 10]) for i in range(0, len(numbers), 10)]
    box = "".join(f"{length:8.3f}" for length in step.dimensions[:3])
    (tmp_path / "tz2.mdcrd").write_text("\n".join(["title", *rows, box, ""]))
    with open_trajectory(tmp_path / "tz2.mdcrd", data.PRM7) as reader:
        np.testing.assert_allclose(reader[0].cell, whole.cell, atol=2e-3)
        assert not any("holds no angles" in note for note in reader.notes)


@pytest.mark.parametrize(
    ("box", "angle"),
    [
        ("  1.09471219E+02  4.48903851E+01", 109.4712206),
        ("  1.09471000E+02  4.48903851E+01", 109.4712206),
        ("  9.00000000E+01  4.48903851E+01", None),
        ("  6.00000000E+01  4.48903851E+01", None),  # a rhombic dodecahedron has 90 degrees too
        ("", None),
        ("              ?", None),
    ],
)
def test_one_angle_tells_the_others_only_of_an_octahedron(tmp_path: Path, box: str, angle: float | None) -> None:
    path = tmp_path / "top.prmtop"
    path.write_text(f"%FLAG MASS\n%FORMAT(5E16.8)\n  1.09471219E+02\n%FLAG BOX_DIMENSIONS\n%FORMAT(5E16.8)\n{box}\n")
    assert octahedral_angle(str(path)) == pytest.approx(angle)
    path.write_text("%FLAG MASS\n%FORMAT(5E16.8)\n  1.09471219E+02\n")
    assert octahedral_angle(str(path)) is None


def test_a_universe_of_a_format_without_angles_says_so() -> None:
    for files in (data.TRJpbc_bz2, [data.TRJpbc_bz2] * 2):
        with open_trajectory(universe_at(0, data.PRMpbc, files)) as reader:
            assert any("holds no angles of the box" in note for note in reader.notes)


def test_a_format_without_angles_says_so() -> None:
    with open_trajectory(data.TRJpbc_bz2, data.PRMpbc) as reader:
        assert reader.box_kind == "orthorhombic"
        assert any("holds no angles of the box" in note for note in reader.notes)


def test_a_direction_that_does_not_repeat_leaves_the_angle_of_the_others() -> None:
    cell, pbc = cell_of_dimensions([30, 30, 0, 90, 90, 120])
    np.testing.assert_allclose(cell, [[30, 0, 0], [-15, 15 * np.sqrt(3), 0], [0, 0, 0]], atol=1e-12)
    assert pbc.tolist() == [True, True, False]
    assert np.isnan(cell_of_dimensions([10, 11, 12, np.nan, 90, 90])[0]).all()
    assert not cell_of_dimensions([0, 0, 0, np.nan, np.nan, np.nan])[0].any()


def test_gsd_without_gsd(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = pytest.importorskip("MDAnalysis.topology.GSDParser")
    monkeypatch.setattr(parser, "HAS_GSD", False)
    with pytest.raises(MissingExtraError, match="please install gsd"):
        open_trajectory(data.GSD)


@pytest.mark.parametrize(
    ("name", "atoms", "frames", "species"),
    [("OUTCAR_example_1", 18, 1, "Ni"), ("vasprun_pstress.xml", 2, 1, "C"), ("vasprun_dfpt.xml", 2, 1, None)],
)
def test_files_of_vasp(name: str, atoms: int, frames: int, species: str | None) -> None:
    folder = Path(pytest.importorskip("ase.test").__file__).parent / "testdata" / "vasp"
    if not (folder / name).is_file():
        pytest.skip("this ase does not bring its test files")
    with open_trajectory(folder / name) as reader:
        assert (reader.n_atoms, len(reader), reader.box_kind) == (atoms, frames, reader.box_kind)
        assert species is None or " ".join(reader.species) == species
        assert reader[0].pbc.all()
