"""Kinetics of an output folder: what is written, drawn and said, and what is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.numpy import save_file
from systems import hops, store_of

pytest.importorskip("deeptime", exc_type=ImportError)

from cgcnn_md import outcome_kinetics, revisit
from cgcnn_md.analysis.kinetics_words import Clock
from cgcnn_md.analysis.populations import populations
from cgcnn_md.config import Config
from cgcnn_md.errors import MissingExtraError
from cgcnn_md.out_folder import OutFolder
from cgcnn_md.plotting import save_figure
from cgcnn_md.progress import Silent
from cgcnn_md.results import Embedding, open_embedding

FIVE = np.asarray(
    [
        [0.9, 0.04, 0.03, 0.02, 0.01],
        [0.05, 0.9, 0.03, 0.01, 0.01],
        [0.02, 0.02, 0.92, 0.02, 0.02],
        [0.01, 0.02, 0.02, 0.93, 0.02],
        [0.02, 0.01, 0.01, 0.03, 0.93],
    ]
)
TWO = np.asarray([[0.95, 0.05], [0.2, 0.8]])

FIGURES = ("timescales", "chapman_kolmogorov", "network", "lifetimes", "residence")


class Listener(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def folder_of(path: Path, *systems: tuple[str, np.ndarray, float], view: str = "time", species: str = "Li") -> Path:
    """Lay out a result folder without training anything."""
    path.mkdir(exist_ok=True)
    made = []
    for name, labels, dt in systems:
        n = labels.shape[1]
        made.append(store_of(path, labels, name=name, dt=dt, species=[species] * n))
    (path / "e.zarr").rename(path / "embedding.zarr")
    (path / "config.yaml").write_text(yaml.safe_dump(Config().to_dict()))
    (path / "run.json").write_text(json.dumps({"summary": ["Li: environments."]}))
    header = {"maps": [], "identities": {}, "view": view, "lag": 1, "dt": 2.0}
    save_file({"none": np.zeros(1)}, path / "model.safetensors", metadata={"cgcnn_md": json.dumps(header)})
    stores = OutFolder.reopen(path).stores()
    populations(stores).to_csv(path / "clusters.csv", index=False)
    return path


def find(path: Path, *, required: bool = True) -> tuple[Embedding, list[str]]:
    told = Listener()
    outcome_kinetics.write_kinetics(OutFolder.reopen(path), told, required=required)
    return open_embedding(path), told.lines


@pytest.mark.parametrize("transition", [TWO, FIVE], ids=["two", "five"])
def test_numbers_tables_and_figures_come_from_the_folder(tmp_path: Path, transition: np.ndarray) -> None:
    n, labels = len(transition), hops(transition, 2000, 8, np.random.default_rng(0))
    result, told = find(folder_of(tmp_path / "out", ("", labels, 2.0)))
    facts = result.kinetics["groups"]["Li"]
    assert facts["frame_spacing_ps"] == 2.0
    assert facts["lag_ps"] == facts["lag_frames"] * 2.0
    assert np.shape(facts["rate_per_ps"]["value"]) == (n, n)
    assert len(facts["relaxation_ps"]["value"]) == n - 1
    assert facts["stay_ps"]["value"] == pytest.approx(result.clusters.lifetime_ps.tolist(), rel=1e-5)
    assert result.summary == ["Li: environments.", *result.kinetics["sentences"]]
    assert result.kinetics["sentences"] == told[1:]
    assert len(result.rates) == n * (n - 1)
    assert result.rates.columns.tolist() == [
        "group", "from", "to", "probability", "rate_per_ps", "rate_per_ps_low", "rate_per_ps_high",
        "mfpt_ps", "mfpt_ps_low", "mfpt_ps_high", "transitions",
    ]  # fmt: skip
    assert (result.rates.rate_per_ps_low <= result.rates.rate_per_ps).all()
    assert result.transitions.columns.tolist() == [
        "system", "run", "frame", "time_ps", "atom", "species", "from", "to",
    ]  # fmt: skip
    plot = result.plot
    assert plot.timescales().get_title(loc="left") == f"Li: lag {facts['lag_ps']:.3g} ps, level"
    assert plot.chapman_kolmogorov().get_title(loc="left") == "Li: holds"
    assert plot.network().get_title(loc="left") == "Li"
    assert plot.lifetimes().get_ylabel() == "mean stay (ps)"
    assert [line.get_linestyle() for line in plot.residence().lines] == ["--", "-"] * (n + 1)
    first = result.residence[result.residence.time_ps == 2.0]
    np.testing.assert_allclose(first.still, first.again)
    np.testing.assert_allclose(2.0 / (1 - first.still), facts["stay_ps"]["value"], rtol=1e-3)
    assert len(plot.network().texts) == n + min(2 * n * (n - 1) // 2, 10)
    for name in FIGURES:
        assert save_figure(getattr(plot, name)(), tmp_path / f"{name}.png", dpi=40).stat().st_size > 1000


def test_systems_with_other_spacings_have_times_of_their_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    path = hops(TWO, 4000, 20, rng)
    made = [("often", path, 2.0), ("seldom", path[::4], 8.0), ("no time", path[:400], np.nan)]
    result, told = find(folder_of(tmp_path / "out", *made))
    often, seldom = (result.kinetics["groups"][f"Li in {name}"] for name in ("often", "seldom"))
    assert (often["frame_spacing_ps"], seldom["frame_spacing_ps"]) == (2.0, 8.0)
    slow = often["relaxation_ps"]
    assert slow["low"][0] < seldom["relaxation_ps"]["value"][0] < slow["high"][0]
    assert seldom["longest_run_ps"] == often["longest_run_ps"] == 8000.0
    assert told[-1] == "Kinetics leave out systems whose time between frames is not known: no time; pass --dt."
    assert set(result.transitions.system) == {"often", "seldom"}
    assert result.rates.group.unique().tolist() == ["Li in often", "Li in seldom"]


def test_systems_that_keep_to_clusters_of_their_own_are_counted_with_those_of_their_spacing(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    stray = [np.where(rng.random((400, 6)) < 0.005, 1 - main, main) for main in (0, 0, 1)]
    made = [(name, path, dt) for name, path, dt in zip("abc", stray, (2.0, 2.0, 5.0), strict=True)]
    result, told = find(folder_of(tmp_path / "out", *made))
    assert list(result.kinetics["groups"]) == ["Li in a, b", "Li in c"]
    assert [facts["frame_spacing_ps"] for facts in result.kinetics["groups"].values()] == [2.0, 5.0]
    assert not (result.path / "kinetics_rates.csv").exists()
    assert sum("every system keeps to one cluster" in line for line in told) == 2


def test_several_systems_have_panels_and_rows_of_their_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    made = [("cold", hops(TWO, 800, 20, rng), 2.0), ("hot", hops(TWO[::-1, ::-1], 400, 20, rng), 2.0)]
    result, told = find(folder_of(tmp_path / "out", *made))
    names = ["Li in cold", "Li in hot"]
    assert list(result.kinetics["groups"]) == names
    assert [line.split(":")[0] for line in told[1:] if "relaxes in" in line] == names
    assert result.rates.group.unique().tolist() == names
    assert result.residence.groupby("group").time_ps.max().to_dict() == {"Li in cold": 384.0, "Li in hot": 192.0}
    for name in FIGURES:
        panels = getattr(result.plot, name)().figure.axes
        assert [panel.get_title(loc="left").split(":")[0] for panel in panels] == names


def test_a_species_called_na_is_read_back(tmp_path: Path) -> None:
    labels = hops(TWO, 400, 6, np.random.default_rng(2))
    result, _ = find(folder_of(tmp_path / "out", ("", labels, 2.0), species="NA"))
    assert set(result.transitions.species) == {"NA"}
    assert set(result.rates.group) == {"NA"}


@pytest.mark.parametrize(
    ("labels", "view", "why"),
    [
        (np.zeros((50, 3)), "time", "no species has more than one cluster"),
        (np.asarray([[0, 1]] * 50), "space", "pairs were made by view 'space', not by time"),
        (np.asarray([[0, 1]] * 19), "time", "19 frames a run are too few; 20 or more are needed"),
    ],
)
def test_says_why_there_are_none(tmp_path: Path, labels: np.ndarray, view: str, why: str) -> None:
    out = folder_of(tmp_path / "out", ("", labels, 2.0), view=view)
    (out / "kinetics_rates.csv").write_text("from an earlier clustering")
    result, told = find(out)
    assert told == [f"no kinetics: {why}"]
    assert result.kinetics == {"sentences": [f"No kinetics: {why}."], "groups": {}}
    assert not (out / "kinetics_rates.csv").exists()
    assert find(out, required=False)[1] == []


def test_without_deeptime_a_run_goes_on_and_the_command_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = folder_of(tmp_path / "out", ("", hops(TWO, 100, 4, np.random.default_rng(3)), 2.0))
    monkeypatch.setattr(outcome_kinetics, "find_spec", lambda name: None)
    for name in [name for name in sys.modules if name.split(".")[0] == "deeptime"]:
        monkeypatch.setitem(sys.modules, name, None)
    _, told = find(out, required=False)
    assert told == ["kinetics are left out, since deeptime is not installed: pip install 'cgcnn-md[kinetics]'"]
    assert not (out / "kinetics.json").exists()
    with pytest.raises(
        MissingExtraError, match=r"kinetics need deeptime.*pip install 'cgcnn-md\[kinetics\]'"
    ) as caught:
        find(out)
    assert caught.value.exit_code == 6


def test_one_cluster_does_not_load_deeptime(tmp_path: Path) -> None:
    import subprocess

    out = folder_of(tmp_path / "out", ("", np.zeros((50, 3)), 2.0))
    code = (
        "import sys; from cgcnn_md.outcome_kinetics import write_kinetics; from cgcnn_md.out_folder import OutFolder; "
        "from cgcnn_md.progress import Silent; "
        f"write_kinetics(OutFolder.reopen({str(out)!r}), Silent()); "
        "assert not {'deeptime', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_command_draws_and_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = folder_of(tmp_path / "out", ("", hops(TWO, 400, 6, np.random.default_rng(4)), 2.0))
    points = {"frame": [0, 1, 2], "atom": [0, 1, 2], "x": [0.0, 1, 2], "y": [0.0, 1, 2], "cluster": [0, 1, 1]}
    pd.DataFrame(points).to_parquet(out / "map.parquet")
    (out / "run.json").write_text(json.dumps({"summary": ["Li: environments."], "command": "encode"}))
    older = out / "figures" / "rdf.png"  # of a table that is gone
    older.parent.mkdir()
    older.touch()
    result = revisit.kinetics(out)
    drawn = {path.stem for path in older.parent.iterdir()}
    assert set(FIGURES) < drawn
    assert not older.exists()
    page = (out / "report.html").read_text()
    assert "over one lag, in the training of the model" in page
    assert "<li>exchange between clusters 0 and 1 relaxes in" in page
    assert f"<li>{result.summary[-1].removeprefix('Li: ')}</li>" in page


def test_times_are_written_in_the_unit_that_suits_them() -> None:
    clock = Clock(2.0)
    assert [clock(t) for t in (2.75, 15, 4999, 5000, 7e5)] == ["5.5 ps", "30 ps", "9998 ps", "10 ns", "1400 ns"]
    limits = ((3, 700), (3000, 7e5), (1e4, 7e5), (1, np.inf), (0, 700), (np.nan, 2))
    between = [clock.between(*ends) for ends in limits]
    assert [text.removeprefix(" (95 % interval ").removesuffix(")") for text in between] == [
        "6 to 1400 ps", "6000 ps to 1400 ns", "20 to 1400 ns", "above 2 ps", "below 1400 ps", "",
    ]  # fmt: skip
    assert clock.between(0, np.inf) == " (known to no order of magnitude)"
    assert Clock(np.nan).between(3, 1e5) == " (95 % interval 3 to 100000 frames)"
