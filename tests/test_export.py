"""Exported files, read by others: frames, clusters, colours and boxes are those of the result."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import ase.io
import MDAnalysis as mda
import numpy as np
import pytest
from readers.files import CELL, N_WATERS, write_gro, write_xtc

import cgcnn_md
from cgcnn_md import outcome_figures, revisit
from cgcnn_md.analysis import project
from cgcnn_md.errors import MissingFileError, UsageError
from cgcnn_md.export import Scene
from cgcnn_md.export.scene import GREY
from cgcnn_md.out_folder import OutFolder
from cgcnn_md.plotting import colours
from cgcnn_md.store import Store

TINY = {"epochs": 1, "steps_per_epoch": 2, "batch_atoms": 200, "width": 16, "layers": 2, "k": 8}


def embedded(folder: Path, name: str = "water", **settings: object) -> Path:
    """Water in an oblique box, its groups parted in two whatever they hold."""
    xtc, gro = write_xtc(folder / f"{name}.xtc", 12), write_gro(folder / "topol.gro")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(project, "_FEWEST", 10**9)
        patch.setattr(outcome_figures, "draw", lambda folder: None)
        cgcnn_md.embed(xtc, gro, out=folder / "out", **TINY, **settings)
        revisit.cluster(folder / "out", n=2)
    return folder / "out"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return embedded(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def frames(out: Path) -> np.ndarray:
    with OutFolder.reopen(out).sources()[0] as reader:
        return np.array([frame.positions for frame in reader])


def labels_of(out: Path) -> np.ndarray:
    return cgcnn_md.open_embedding(out).store().clusters(slice(None))


def test_ovito_gets_what_is_stored(out: Path, frames: np.ndarray) -> None:
    (path,) = revisit.export(out)
    assert path == out / "export" / "water.extxyz"
    images, result = ase.io.read(path, index=":"), cgcnn_md.open_embedding(out)
    labels, slow = labels_of(out), result.store().embedding(slice(None))
    assert len(images) == 12
    assert set(np.unique(labels)) > {0, 1}
    colour = colours(result.clusters) | {-1: GREY}
    for image, positions, label, values in zip(images, frames, labels, slow, strict=True):
        assert image.pbc.all()
        np.testing.assert_allclose(image.positions, positions, atol=1e-5)
        np.testing.assert_array_equal(image.arrays["cluster"], label)
        np.testing.assert_allclose(image.arrays["slow"][:, :2], values[:, :2], rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(image.arrays["color"], [colour[k] for k in label], atol=1e-3)
        assert (image.arrays["membership"][label >= 0] >= 0.5).all()
    assert [image.info["Time"] for image in images] == [2.0 * i for i in range(12)]


def run_in_tcl(script: Path) -> tuple[list[list[int]], list[str]]:
    """Run a script for VMD with stand-ins for its commands: what `user` is set to in each frame, and what `mol` did."""
    tkinter = pytest.importorskip("tkinter")
    tcl = tkinter.Tcl()
    n_frames = len(script.with_suffix(".clusters").read_text().splitlines())
    tcl.eval(
        "proc mol {args} { lappend ::did $args\n"
        "if {[lindex $args 0] in {new addfile}} { file size [lindex $args 1] } }\n"
        "proc color {args} {}\nproc animate {args} {}\n"
        f"proc molinfo {{args}} {{ return {n_frames} }}\nproc atomselect {{args}} {{ return atoms }}\n"
        "proc atoms {args} { if {[lindex $args 0] eq {set}} { lappend ::sets [lindex $args 2] } }"
    )
    tcl.call("source", str(script))
    sets = [[int(x) for x in tcl.splitlist(row)] for row in tcl.splitlist(tcl.eval("set ::sets"))]
    return sets, [" ".join(map(str, tcl.splitlist(row))) for row in tcl.splitlist(tcl.eval("set ::did"))]


def loaded_by(script: Path, **there: str) -> list[tuple[tuple[str, ...], dict[str, object]]]:
    """Run the block of Python of a script for PyMOL with a stand-in for `cmd`, and what PyMOL sets: what it loads."""
    loaded: list[tuple[tuple[str, ...], dict[str, object]]] = []
    block = script.read_text().split("\npython\n")[1].split("\npython end\n")[0]
    exec(block, {"cmd": SimpleNamespace(load=lambda *args, **options: loaded.append((args, options))), **there})
    return loaded


@pytest.mark.filterwarnings("ignore:DCDReader currently makes independent timesteps")
def test_vmd_gets_frames_and_a_script_that_reads_the_clusters(out: Path, frames: np.ndarray) -> None:
    (script,) = revisit.export(out, to="vmd", step=3)
    universe = mda.Universe(script.with_suffix(".pdb"), script.with_suffix(".dcd"))
    assert universe.atoms.names.tolist() == ["O", "H", "H"] * N_WATERS
    assert universe.residues.resnames.tolist() == ["SOL"] * N_WATERS
    assert [step.time for step in universe.trajectory] == pytest.approx([0, 6, 12, 18])  # ps
    for step, positions in zip(universe.trajectory, frames[::3], strict=True):
        between = [np.linalg.norm(x[:, None] - x, axis=-1) for x in (step.positions, positions)]  # it may be turned
        np.testing.assert_allclose(*between, atol=1e-4)
        np.testing.assert_allclose(step.triclinic_dimensions, CELL, atol=1e-3)
    sets, did = run_in_tcl(script)
    np.testing.assert_array_equal(sets, labels_of(out)[::3])
    shown = [line for line in did if line.startswith("selection")]
    clusters = range(len(cgcnn_md.open_embedding(out).clusters))
    assert shown == ["selection user < 0", *(f"selection user = {k}" for k in clusters)]


def test_pymol_gets_clusters_as_b_factors_of_every_state(out: Path) -> None:
    (script,) = revisit.export(out, to="pymol", step=4)
    lines = (out / "export" / "water.states.pdb").read_text().splitlines()
    factors = [float(line[60:66]) for line in lines if line.startswith(("ATOM", "HETATM"))]
    np.testing.assert_array_equal(np.reshape(factors, (3, -1)), labels_of(out)[::4])
    assert loaded_by(script) == [(("water.states.pdb", "water"), {"discrete": 1})]
    beside = (str(script.with_name("water.states.pdb")), "water")  # from any other folder
    assert loaded_by(script, __script__=str(script)) == [(beside, {"discrete": 1})]
    assert "color cluster_1, (b = 1)" in script.read_text()


@pytest.mark.filterwarnings("ignore:DCDReader currently makes independent timesteps")
def test_names_and_times_are_those_of_the_trajectory_whatever_they_are(tmp_path: Path) -> None:
    name = 'my [water], "$x" {1; 2'
    out = embedded(tmp_path, name, start=1)
    (script,) = revisit.export(out, to="vmd", step=4)
    sets, _ = run_in_tcl(script)
    np.testing.assert_array_equal(sets, labels_of(out)[::4])
    universe = mda.Universe(script.with_suffix(".pdb"), script.with_suffix(".dcd"))
    assert [step.time for step in universe.trajectory] == pytest.approx([2, 10, 18])  # ps
    (script,) = revisit.export(out, to="pymol", step=4)
    assert loaded_by(script) == [((f"{name}.states.pdb", "my__water_____x___1__2"), {"discrete": 1})]


def test_atoms_of_a_group_have_its_cluster(tmp_path: Path) -> None:
    out = embedded(tmp_path, level="residue", select="name OW or name HW1")
    with OutFolder.reopen(out).sources()[0] as reader:
        scene = Scene(reader, Store.open(out / "embedding.zarr"), {})
        shots = list(scene.shots())
    rows = labels_of(out)
    assert rows.shape == (12, N_WATERS)
    for shot, row in zip(shots, rows, strict=True):
        by_water = shot.cluster.reshape(N_WATERS, 3)
        np.testing.assert_array_equal(by_water[:, 0], row)
        np.testing.assert_array_equal(by_water[:, 1], row)
        assert (by_water[:, 2] == -1).all()  # not embedded
        assert (shot.membership.reshape(N_WATERS, 3)[:, 2] == 0).all()


def test_long_bead_names_stay_apart() -> None:
    from cgcnn_md.export.universe import _short

    assert [_short(name) for name in ("CH2", "type1", "type12", "Water", "A1234567")] == [
        "CH2", "typ1", "ty12", "Wate", "A123"
    ]  # fmt: skip


def test_what_cannot_be_exported_is_said(out: Path) -> None:
    with pytest.raises(UsageError, match=r"^to 'rasmol': wanted one of ovito, vmd, pymol$"):
        revisit.export(out, to="rasmol")  # type: ignore[arg-type]
    trajectory = out.parent / "water.xtc"
    trajectory.rename(out.parent / "moved.xtc")
    try:
        with pytest.raises(MissingFileError, match="input files are not where they were, or have changed"):
            revisit.export(out)
    finally:
        (out.parent / "moved.xtc").rename(trajectory)


def test_a_box_that_does_not_repeat_is_none(tmp_path: Path) -> None:
    out = embedded(tmp_path, pbc="none")
    (path,) = revisit.export(out, step=6)
    assert not any(image.pbc.any() or image.cell.any() for image in ase.io.read(path, index=":"))


def test_figures_in_the_format_of_a_paper(out: Path) -> None:
    (path,) = revisit.plot(out, "map", form="pdf")
    assert path == out / "figures" / "map.pdf"
    assert path.read_bytes().startswith(b"%PDF")
    with pytest.raises(UsageError, match=r"no figure gates, mpa; wanted some of map, spectrum, .*training"):
        revisit.plot(out, "map", "gates", "mpa")
    assert (revisit.report(out).path / "report.html").stat().st_size > 10_000
