"""What a run was made from: told from anything else when it is resumed, and opened again in its roles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ase.io
import MDAnalysis as mda
import numpy as np
import pytest
from systems import TINY, crystal

import cgcnn_md
from cgcnn_md import revisit
from cgcnn_md.config import make_config
from cgcnn_md.errors import ResumeError
from cgcnn_md.out_folder import OutFolder
from cgcnn_md.readers import open_systems, open_trajectory


def universe(seed: int = 0) -> mda.Universe:
    """Give a Universe in memory, the same for the same seed."""
    frames = crystal()
    made = mda.Universe.empty(len(frames[0]), trajectory=True)
    made.add_TopologyAttr("elements", frames[0].get_chemical_symbols())
    moves = np.random.default_rng(seed).normal(0.0, 0.2, (8, len(frames[0]), 3))
    box = frames[0].cell.cellpar().astype(np.float32)
    made.load_new((frames[0].positions + moves).astype(np.float32), dimensions=box)
    return made


@pytest.mark.parametrize("of", ["atoms", "universe"])
def test_what_was_in_memory_is_told_from_other_data_when_it_is_resumed(tmp_path: Path, of: str) -> None:
    out = tmp_path / "out"
    same: Any = crystal if of == "atoms" else universe
    others: list[Any] = [crystal(7), crystal(symbol="KCl"), crystal(amplitude=0.1), crystal()[:-1] + crystal(1, 0.3)]
    cgcnn_md.train(same(), out=out, **TINY)
    before = (out / "model.safetensors").read_bytes()
    for other in [*others, universe(1), universe().select_atoms("element Na")]:
        with pytest.raises(ResumeError, match="out: was made from other atoms or frames in memory than those given"):
            cgcnn_md.train(other, out=out, resume=True, on_bad_frame="skip", **TINY)
    assert (out / "model.safetensors").read_bytes() == before
    cgcnn_md.train(same(), out=out, resume=True, **TINY)


def test_what_was_in_memory_and_not_noted_is_not_resumed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    cgcnn_md.train(crystal(), out=out, **TINY)
    record = json.loads((out / "run.json").read_text())
    del record["in_memory"]  # as earlier versions wrote it
    (out / "run.json").write_text(json.dumps(record))
    with pytest.raises(ResumeError, match="out: was made from what was in memory, and does not tell from what; pass"):
        cgcnn_md.train(crystal(), out=out, resume=True, **TINY)


def test_files_are_told_from_others_when_they_are_resumed(tmp_path: Path) -> None:
    for name, seed in {"a": 0.2, "b": 0.1}.items():
        ase.io.write(tmp_path / f"{name}.extxyz", crystal(amplitude=seed))
    out = tmp_path / "out"
    cgcnn_md.train(tmp_path / "a.extxyz", out=out, **TINY)
    (tmp_path / "a.extxyz").replace(tmp_path / "same.extxyz")
    for other in (tmp_path / "b.extxyz", crystal()):
        with pytest.raises(ResumeError, match="out: was made from other files than those given"):
            cgcnn_md.train(other, out=out, resume=True, **TINY)
    (tmp_path / "same.extxyz").replace(tmp_path / "a.extxyz")
    cgcnn_md.train(tmp_path / "a.extxyz", out=out, resume=True, **TINY)


def pdb(folder: Path, n_frames: int, amplitude: float) -> tuple[Path, Path]:
    """Write a trajectory that could stand alone, and a topology that could."""
    folder.mkdir()
    ase.io.write(folder / "traj.pdb", crystal(n_frames, amplitude))
    ase.io.write(folder / "top.pdb", crystal(1, 0.0))
    return folder / "traj.pdb", folder / "top.pdb"


def test_files_are_opened_again_in_the_roles_that_they_had(tmp_path: Path) -> None:
    trajectory, topology = pdb(tmp_path / "in", 8, 0.2)
    out = tmp_path / "out"
    cgcnn_md.embed(trajectory, topology, out=out, **TINY)
    with OutFolder.reopen(out).sources()[0] as reader:
        assert (len(reader), reader.sources) == (8, (str(trajectory), str(topology)))
    assert len(revisit.export(out)) == 1
    assert len(revisit.gates(out).gates) > 0


def test_systems_whose_files_are_called_alike_keep_their_names(tmp_path: Path) -> None:
    files = [ase_file for name in ("a", "b") for ase_file in pdb(tmp_path / name, 8, 0.2)]
    folder = OutFolder.open(tmp_path / "out", "embed", make_config(None, {}))
    with folder:
        for frames in files[::2]:  # a plain xyz waits for the structure after it
            ase.io.write(frames.with_suffix(".xyz"), ase.io.read(frames, ":"), format="xyz")
        given = [path.with_suffix(".xyz") if path.stem == "traj" else path for path in files]
        readers = open_systems(given)
        folder.inputs(readers)
    again = folder.sources()
    for before, now in zip(readers, again, strict=True):
        assert (before.name, before.sources, len(before)) == (now.name, now.sources, len(now))
        before.close()
        now.close()
    assert [reader.name for reader in again] == ["a_traj", "b_traj"]


def test_runs_that_describe_themselves_are_one_system_again(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.extxyz" for name in "ab"]
    for path in paths:
        ase.io.write(path, crystal(3))
    folder = OutFolder.open(tmp_path / "out", "embed", make_config(None, {}))
    with folder, open_trajectory(paths) as reader:
        folder.inputs([reader])
    (again,) = folder.sources()
    with again:
        assert (len(again), again.sources) == (6, tuple(map(str, paths)))


def test_a_record_without_roles_is_opened_as_before(tmp_path: Path) -> None:
    ase.io.write(tmp_path / "a.extxyz", crystal(3))
    folder = OutFolder.open(tmp_path / "out", "embed", make_config(None, {}))
    with folder, open_trajectory(tmp_path / "a.extxyz") as reader:
        folder.inputs([reader])
    for file in folder.record["inputs"]["a"]:
        del file["role"]
    (again,) = folder.sources()
    with again:
        assert len(again) == 3


def test_what_one_model_encoded_is_not_gone_on_with_by_another(tmp_path: Path) -> None:
    for seed in (0, 1):
        cgcnn_md.train(crystal(), out=tmp_path / f"model{seed}", seed=seed, **TINY)
    out = tmp_path / "out"
    cgcnn_md.encode(tmp_path / "model0", crystal(), out=out)
    before, record = (out / "model.safetensors").read_bytes(), (out / "run.json").read_bytes()
    with pytest.raises(ResumeError, match=r"out: was encoded by another model than .*model1; pass that one, or"):
        cgcnn_md.encode(tmp_path / "model1", crystal(), out=out, resume=True)
    assert (out / "model.safetensors").read_bytes() == before
    assert (out / "run.json").read_bytes() == record  # still finished
    cgcnn_md.encode(tmp_path / "model0", crystal(), out=out, resume=True)
