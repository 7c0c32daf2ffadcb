"""What files are, and which of them make a system."""

from __future__ import annotations

import pytest

from cgcnn_md.errors import InputError, MissingFileError, UsageError
from cgcnn_md.readers import grouping
from cgcnn_md.readers.roles import InputFile, classify

ROLES = {
    "xtc": "trajectory", "dcd": "trajectory", "psf": "topology", "tpr": "topology", "pdb": "structure",
    "gro": "structure", "data": "structure", "dump": "movie", "extxyz": "movie", "xyz": "movie",
}  # fmt: skip
FORMATS = {"dump": "LAMMPSDUMP", "extxyz": "extxyz", "xyz": "xyz"}


def files(text):
    made = []
    for name in text.split():
        ending = name.split(".")[1]
        backend = "ase" if "xyz" in ending else "mdanalysis"
        made.append(InputFile(name, backend, FORMATS.get(ending, ending.upper()), ROLES[ending]))
    return made


def spelled(systems):
    return [(" ".join(f.path for f in s.trajectories), s.topology.path) for s in systems]


@pytest.mark.parametrize(
    ("line", "systems"),
    [
        ("a.xtc a.pdb", [("a.xtc", "a.pdb")]),
        ("a.xtc b.xtc t.pdb c.xtc u.pdb", [("a.xtc b.xtc", "t.pdb"), ("c.xtc", "u.pdb")]),
        ("a.pdb", [("a.pdb", "a.pdb")]),
        ("a.pdb b.gro", [("a.pdb", "a.pdb"), ("b.gro", "b.gro")]),
        ("a.extxyz b.extxyz", [("a.extxyz", "a.extxyz"), ("b.extxyz", "b.extxyz")]),
        ("a.extxyz b.pdb", [("a.extxyz", "a.extxyz"), ("b.pdb", "b.pdb")]),
        ("a.xyz b.pdb", [("a.xyz", "b.pdb")]),
        ("a.gro t.tpr", [("a.gro", "t.tpr")]),
        ("a.dump", [("a.dump", "a.dump")]),
        ("a.dump b.dump t.data", [("a.dump b.dump", "t.data")]),
        ("s.pdb a.xtc t.pdb", [("s.pdb", "s.pdb"), ("a.xtc", "t.pdb")]),
        ("t.psf a.dcd b.dcd", [("a.dcd b.dcd", "t.psf")]),
        ("t.gro a.xtc u.gro b.xtc", [("a.xtc", "t.gro"), ("b.xtc", "u.gro")]),
        ("t.data a.dump", [("a.dump", "t.data")]),
        ("t.psf a.pdb", [("a.pdb", "t.psf")]),
    ],
)
def test_systems_of_a_command_line(line, systems):
    assert spelled(grouping.group(files(line))) == systems


def test_swapped_files_are_noted():
    (system,) = grouping.group(files("t.gro a.xtc"))
    assert system.notes == ("t.gro is taken as topology of a.xtc, although it was given first",)
    xtc, gro = files("a.xtc t.gro")
    assert grouping.pair([gro], xtc) == system
    assert grouping.pair([xtc], gro).notes == ()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.xtc", r"a\.xtc: no topology after it"),
        ("t.pdb a.extxyz b.xtc a.psf c.xtc t.psf u.psf", r"u\.psf: holds no coordinates"),
        ("t.psf", r"t\.psf: holds no coordinates; give its trajectory before it"),
    ],
)
def test_files_that_make_no_system(line, message):
    with pytest.raises(UsageError, match=message):
        grouping.group(files(line))


def test_two_trajectories_without_topology():
    with pytest.raises(UsageError, match=r"b\.xtc: holds coordinates only; wanted a topology"):
        grouping.pair(files("a.xtc"), files("b.xtc")[0])


def test_systems_have_names_of_their_own(tmp_path):
    def system(path):
        file = InputFile(str(path), "mdanalysis", "XTC", "trajectory")
        return grouping.SystemFiles((file,), file)

    def names(*paths):
        return grouping.named([system(tmp_path / path) for path in paths])

    assert names("a/traj.xtc", "b/traj.xtc", "b/other.lammpstrj.gz") == ["a_traj", "b_traj", "other"]
    assert names("a/traj.xtc", "a/traj.xtc") == ["traj", "traj_2"]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.lammpstrj", "x", ("mdanalysis", "LAMMPSDUMP", "movie")),
        ("dump.melt", "ITEM: TIMESTEP\n0\n", ("mdanalysis", "LAMMPSDUMP", "movie")),
        ("data.melt", "LAMMPS\n\n10 atoms\n", ("mdanalysis", "DATA", "structure")),
        ("topol.top", "; x\n[ moleculetype ]\n", ("mdanalysis", "ITP", "topology")),
        ("a.top", "%VERSION  V1\n", ("mdanalysis", "PRMTOP", "topology")),
        ("XDATCAR", "x", ("ase", "vasp-xdatcar", "movie")),
        ("POSCAR_relaxed", "x", ("ase", "vasp", "structure")),
        ("vasprun.xml", "x", ("ase", "vasp-xml", "movie")),
        ("a.xyz", "1\nLattice=\"1 0 0 0 1 0 0 0 1\"\nH 0 0 0\n", ("ase", "extxyz", "movie")),
        ("a.xyz", "1\nwater\nH 0 0 0\n", ("ase", "xyz", "movie")),
        ("a.cif", "data_x\n_cell_length_a 3\n", ("ase", "cif", "structure")),
        ("a.traj", "x", ("ase", "traj", "movie")),
    ],
)  # fmt: skip
def test_what_a_file_is(tmp_path, name, content, kind):
    path = tmp_path / name
    path.write_text(content)
    file = classify(path)
    assert (file.backend, file.format, file.role) == kind


def test_files_that_are_nothing(tmp_path):
    with pytest.raises(MissingFileError, match=r"nope\.xtc: no such file; wanted"):
        classify(tmp_path / "nope.xtc")
    with pytest.raises(MissingFileError, match="is a folder"):
        classify(tmp_path)
    (tmp_path / "a.xtc").touch()
    with pytest.raises(InputError, match="is empty"):
        classify(tmp_path / "a.xtc")
    (tmp_path / "a.foo").write_text("hello\n")
    with pytest.raises(InputError, match="unknown kind of file"):
        classify(tmp_path / "a.foo")
