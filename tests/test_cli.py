"""The command line: what it hands to the pipeline, what it prints where, and how it ends."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import types
import warnings
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cgcnn_md import __version__
from cgcnn_md.cli import main
from cgcnn_md.cli._flags import FLAGS
from cgcnn_md.cli._options import SECTIONS
from cgcnn_md.config import Config
from cgcnn_md.errors import (
    BadFrameError,
    CgcnnMdWarning,
    InputError,
    MissingExtraError,
    MissingFileError,
    ResumeError,
    StorageError,
    UsageError,
)


class Recorder(types.ModuleType):
    """Stand-in for what commands call; it notes how it was called, and does what it is told."""

    def __init__(self) -> None:
        super().__init__("cgcnn_md.pipeline")
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.raises: BaseException | None = None
        self.answer: Any = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, args, kwargs))
            if isinstance(self.raises, Warning):
                warnings.warn(self.raises, stacklevel=2)
            elif self.raises is not None:
                raise self.raises
            return self.answer

        return call


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    for name in ("pipeline", "revisit"):
        monkeypatch.setitem(sys.modules, f"cgcnn_md.{name}", recorder)
        monkeypatch.setattr(sys.modules["cgcnn_md"], name, recorder, raising=False)
    return recorder


@pytest.fixture(autouse=True)
def filters() -> Iterator[None]:
    """Undo what `main` does to the process' warnings."""
    with warnings.catch_warnings():
        yield


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(args)
    assert isinstance(caught.value.code, int)
    return caught.value.code


def config_of(pipeline: Recorder) -> Config:
    config = pipeline.calls[-1][2]["config"]
    assert isinstance(config, Config)
    return config


# --- what reaches the pipeline


def test_every_setting_has_a_flag_and_every_flag_a_setting() -> None:
    settings = {f.name for record in SECTIONS.values() for f in fields(record)}
    assert set(FLAGS) == settings - {"lag_ps"}  # --lag takes both


def test_embed_without_flags_has_the_defaults_of_config_and_prints_out(
    pipeline: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("embed", "a.xtc", "b.xtc", "top.pdb", "-o", "OUT") == 0
    name, args, kwargs = pipeline.calls[0]
    assert (name, args) == ("embed", (["a.xtc", "b.xtc", "top.pdb"],))
    assert kwargs["config"] == Config()
    assert (kwargs["out"], kwargs["resume"], kwargs["overwrite"]) == (Path("OUT"), False, False)
    assert capsys.readouterr() == ("OUT\n", "")


def test_embed_hands_over_every_flag(pipeline: Recorder) -> None:
    flags = (
        "--select", "name OW", "--environment", "not name MW", "--start", "1", "--stop", "-2", "--step", "3",
        "-b", "10", "-e", "20.5", "--dt", "0.5", "--species-from", "type", "--type-map", "1=Si,2=O",
        "--pbc", "xy", "--on-bad-frame", "skip", "-k", "12", "--cutoff", "8", "--width", "32", "--layers", "2",
        "--level", "molecule", "--objective", "vicreg", "--view", "space", "--epochs", "3", "--seeds", "4",
        "--steps-per-epoch", "5", "--batch-atoms", "100",
        "--learning-rate", "0.01", "--validation", "0.2", "--validate-run", "3",
        "--validate-run", "b.xtc", "--seed", "7", "--device", "cpu", "--threads", "2",
        "--lag", "4", "--features", "8", "--dtype", "float16", "--map-points", "50",
        "--group-by", "identity", "--states", "3",
    )  # fmt: skip
    assert run("embed", "a.xtc", *flags, "-o", "OUT", "--resume", "--quiet") == 0
    got = config_of(pipeline).to_dict()
    assert got == {
        "read": {
            "select": "name OW", "environment": "not name MW", "start": 1, "stop": -2, "step": 3,
            "begin": 10.0, "end": 20.5, "dt": 0.5, "species_from": "type", "type_map": {"1": "Si", "2": "O"},
            "pbc": "xy", "on_bad_frame": "skip",
        },
        "model": {"k": 12, "cutoff": 8.0, "width": 32, "layers": 2, "level": "molecule"},
        "train": {
            "objective": "vicreg", "view": "space", "lag": 4, "lag_ps": None, "epochs": 3, "steps_per_epoch": 5,
            "batch_atoms": 100, "learning_rate": 0.01, "validation": 0.2, "validate_run": ["3", "b.xtc"],
            "seed": 7, "seeds": 4, "device": "cpu", "threads": 2, "states": 3,
        },
        "store": {"features": 8, "dtype": "float16", "map_points": 50, "group_by": "identity"},
    }  # fmt: skip
    assert pipeline.calls[0][2]["resume"] is True


@pytest.mark.parametrize(
    ("text", "lag", "lag_ps"),
    [
        ("10", 10, None),
        ("3 frames", 3, None),
        ("5ps", None, 5.0),
        ("0.1 ns", None, 100.0),
        ("50fs", None, 0.05),
    ],
)
def test_lag_is_frames_or_a_time(pipeline: Recorder, text: str, lag: int | None, lag_ps: float | None) -> None:
    assert run("train", "a.xtc", "-o", "OUT", "--lag", text) == 0
    train = config_of(pipeline).train
    assert (train.lag, train.lag_ps) == (lag, pytest.approx(lag_ps) if lag_ps else None)


def test_features_hidden(pipeline: Recorder) -> None:
    assert run("encode", "m.safetensors", "a.xtc", "-o", "OUT", "--features", "hidden") == 0
    assert config_of(pipeline).store.features == "hidden"
    assert pipeline.calls[0][1] == (Path("m.safetensors"), ["a.xtc"])


def test_train_prints_the_model(pipeline: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline.answer = Path("OUT/model.safetensors")
    assert run("train", "a.xtc", "-o", "OUT") == 0
    assert capsys.readouterr().out == "OUT/model.safetensors\n"


def test_commands_on_a_result_take_it(pipeline: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cluster", "OUT", "-n", "3", "--group-by", "type") == 0
    assert run("project", "OUT", "--map-points", "9", "--seed", "1") == 0
    assert run("gates", "OUT") == 0
    assert run("kinetics", "OUT") == 0
    pipeline.answer = [Path("OUT/export/a.tcl")]
    assert run("export", "OUT", "--to", "vmd", "--step", "5") == 0
    assert run("plot", "OUT", "map", "rdf", "--format", "pdf") == 0
    assert [(name, args) for name, args, _ in pipeline.calls] == [
        ("cluster", (Path("OUT"),)),
        ("project", (Path("OUT"),)),
        ("gates", (Path("OUT"),)),
        ("kinetics", (Path("OUT"),)),
        ("export", (Path("OUT"),)),
        ("plot", (Path("OUT"), "map", "rdf")),
    ]
    assert (pipeline.calls[5][2]["form"], pipeline.calls[5][2]["dpi"]) == ("pdf", 200)
    assert (pipeline.calls[4][2]["to"], pipeline.calls[4][2]["step"]) == ("vmd", 5)
    assert (pipeline.calls[0][2]["n"], pipeline.calls[0][2]["group_by"]) == (3, "type")
    assert (pipeline.calls[1][2]["points"], pipeline.calls[1][2]["seed"]) == (9, 1)
    assert capsys.readouterr().out == "OUT\n" * 4 + "OUT/export/a.tcl\n" * 2


# --- what is printed


FACTS: dict[str, Any] = {
    "frames": np.int64(50),
    "dt_ps": 1.0,
    "first_broken_frame": None,
    "files": (Path("a.xtc"), Path("a.pdb")),
    "unknown": float("nan"),
    "species": [{"species": "Cu", "count": 3920, "source": "element"}],
    "systems": [{"name": "a", "box": np.eye(2)}],
}


def test_info_prints_tables_to_stdout(pipeline: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline.answer = FACTS
    assert run("info", "a.xtc", "a.pdb", "--dt", "2") == 0
    out, err = capsys.readouterr()
    lines = [line.split() for line in out.splitlines()]
    assert ["frames", "50"] in lines
    assert ["first", "broken", "frame", "-"] in lines
    assert ["Cu", "3920", "element"] in lines
    assert err == ""
    assert pipeline.calls[0][2]["read"].dt == 2.0


def test_info_prints_strict_json(pipeline: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline.answer = FACTS
    assert run("info", "a.xtc", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "frames": 50,
        "dt_ps": 1.0,
        "first_broken_frame": None,
        "files": ["a.xtc", "a.pdb"],
        "unknown": None,
        "species": [{"species": "Cu", "count": 3920, "source": "element"}],
        "systems": [{"name": "a", "box": [[1.0, 0.0], [0.0, 1.0]]}],
    }


def test_dry_run_writes_nothing(pipeline: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline.answer = {"frames": 50, "estimated_seconds": 60.0}
    assert run("embed", "a.xtc", "-o", "OUT", "--dry-run") == 0
    assert [name for name, _, _ in pipeline.calls] == ["dry_run"]
    assert capsys.readouterr().out.split() == ["frames", "50", "estimated", "seconds", "60"]


def test_dry_run_refuses_the_out_that_a_run_would(pipeline: Recorder, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("all of it")
    assert run("embed", "a.xtc", "-o", str(tmp_path), "--dry-run") == 2
    assert pipeline.calls == []


def test_a_warning_is_one_clean_line(pipeline: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline.raises = CgcnnMdWarning("top.pdb came first:\n  taken as the topology")
    assert run("embed", "a.xtc", "-o", "OUT") == 0
    assert capsys.readouterr() == ("OUT\n", "note: top.pdb came first: taken as the topology\n")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"cgcnn-md {__version__}\n"


# --- how it ends


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("epochs 0: wanted 1 or more"), 2),
        (InputError("frame 17 of traj.xtc: atom 402 is at (nan, 1.2, 3.4) Å; repair the file"), 3),
        (MissingFileError("traj.xtc: no such file; check the path"), 3),
        (StorageError("OUT: disk full; free some space"), 3),
        (BadFrameError("frame 3 of traj.xtc cannot be decoded; pass --on-bad-frame skip"), 4),
        (ResumeError("OUT: made with other settings; give another folder"), 5),
        (MissingExtraError("deeptime is not installed; pip install 'cgcnn-md[kinetics]'"), 6),
    ],
)
def test_an_expected_error_is_one_line_and_the_exit_code_of_the_contract(
    pipeline: Recorder, capsys: pytest.CaptureFixture[str], error: Exception, code: int
) -> None:
    pipeline.raises = error
    assert run("embed", "a.xtc", "-o", "OUT") == code
    assert capsys.readouterr() == ("", f"cgcnn-md: {error}\n")


def test_ctrl_c_says_where_the_work_is(pipeline: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline.raises = KeyboardInterrupt()
    assert run("embed", "a.xtc", "-o", "OUT") == 130
    assert capsys.readouterr().err == ("cgcnn-md: interrupted; what was written is in OUT, go on with --resume\n")


def test_ctrl_c_while_clusters_are_sought_says_the_remedy(
    pipeline: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    pipeline.raises = KeyboardInterrupt()
    assert run("cluster", "OUT") == 130
    assert capsys.readouterr().err == "cgcnn-md: interrupted; run `cgcnn-md cluster OUT` again\n"


def test_ctrl_c_without_an_out(pipeline: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline.raises = KeyboardInterrupt()
    assert run("info", "a.xtc") == 130
    assert capsys.readouterr().err == "cgcnn-md: interrupted\n"


def test_a_full_disk_is_one_line(pipeline: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline.raises = OSError(errno.ENOSPC, "No space left on device", "OUT/embedding.zarr")
    assert run("embed", "a.xtc", "-o", "OUT") == 3
    assert capsys.readouterr().err == (
        "cgcnn-md: OUT/embedding.zarr: no space left; free some, then go on with --resume\n"
    )


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), PermissionError(errno.EACCES, "no")])
def test_a_bug_keeps_its_traceback(pipeline: Recorder, error: Exception) -> None:
    pipeline.raises = error
    with pytest.raises(type(error)):
        main(["embed", "a.xtc", "-o", "OUT"])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("embed", "a.xtc"), "Missing option '-o' / '--out'. (see cgcnn-md embed --help)"),
        (
            ("embed", "a.xtc", "-o", "OUT", "--lag", "soon"),
            "got 'soon', wanted a whole number of frames ('10')",
        ),
        (("embed", "a.xtc", "-o", "OUT", "--lag", "0"), "got '0', wanted"),
        (("embed", "a.xtc", "-o", "OUT", "--features", "0"), "Invalid value for --features: got '0', wanted"),
        (("embed", "a.xtc", "-o", "OUT", "--type-map", "1-Si"), "got '1-Si', wanted TYPE=SPECIES pairs"),
        (
            ("embed", "a.xtc", "-o", "OUT", "--objective", "dream"),
            "'dream' is not one of 'vamp2', 'vicreg', 'infonce'.",
        ),
        (("embed", "a.xtc", "-o", "OUT", "--seed", "-1"), "Invalid value for '--seed': "),
        (("embed", "a.xtc", "-o", "OUT", "--seed", "1099511627776"), "Invalid value for '--seed': "),
        (("project", "OUT", "--seed", "-1"), "Invalid value for '--seed': "),
        (("cluster", "OUT", "-n", "400"), "Invalid value for '-n' / '--clusters': "),
        (("embed", "a.xtc", "-o", "OUT", "--colour"), "No such option"),
        (("dream",), "No such command 'dream'."),
    ],
)
def test_usage_is_one_line_and_exit_code_2(
    pipeline: Recorder, capsys: pytest.CaptureFixture[str], args: tuple[str, ...], message: str
) -> None:
    assert run(*args) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("cgcnn-md: ")
    assert message in err
    assert err.endswith(" --help)\n")
    assert err.count("\n") == 1
    assert pipeline.calls == []


# --- start-up


@pytest.mark.parametrize("args", [["--help"], ["embed", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(args: list[str]) -> None:
    code = (
        "import sys, atexit\n"
        "heavy = {'torch', 'numpy', 'numba', 'MDAnalysis', 'ase', 'sklearn', 'umap', 'zarr', 'matplotlib'}\n"
        "atexit.register(lambda: print('loaded:', sorted(heavy & set(sys.modules)), file=sys.stderr))\n"
        f"from cgcnn_md.cli import main\nmain({args!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == "loaded: []\n"


def test_help_names_panels_units_and_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("embed", "--help") == 0
    out = capsys.readouterr().out
    assert all(f"─ {panel} ─" in out for panel in ("Input", "Model", "Training", "Output", "Machine"))
    assert "[default: 20]" in out
    assert "Largest distance of a neighbour, Å." in " ".join(out.replace("│", " ").split())


def test_public_names_are_functions_whatever_is_imported_before() -> None:
    code = (
        "import cgcnn_md, importlib, pkgutil\n"
        "for module in pkgutil.iter_modules(cgcnn_md.__path__):\n"
        "    if module.name != '__main__':\n"
        "        importlib.import_module('cgcnn_md.' + module.name)\n"
        "hidden = [name for name in cgcnn_md.__all__ if not callable(getattr(cgcnn_md, name))]\n"
        "assert not hidden, f'a module of the same name hides {hidden}'\n"
        "assert set(cgcnn_md.__all__) <= set(dir(cgcnn_md))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_an_unknown_name_of_the_package_is_refused() -> None:
    import cgcnn_md

    with pytest.raises(
        AttributeError,
        match=r"^module 'cgcnn_md' has no attribute 'emed'; it has embed, encode, .*, train$",
    ):
        cgcnn_md.emed  # noqa: B018
