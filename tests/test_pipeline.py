"""The whole chain on tiny systems: repeatable, resumable, and plain about what it cannot do."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import ase
import ase.build
import ase.io
import MDAnalysis as mda
import numba
import numpy as np
import pytest
import torch
from systems import TINY, crystal

import cgcnn_md
from cgcnn_md import outcome_figures, pipeline, revisit
from cgcnn_md.analysis import project
from cgcnn_md.analysis.cluster import find_clusters
from cgcnn_md.config import make_config
from cgcnn_md.errors import (
    BadFrameError,
    InputError,
    MissingFileError,
    ResumeError,
    SpeciesError,
    StorageError,
    UsageError,
)
from cgcnn_md.progress import Silent
from cgcnn_md.results import COORDINATION, RDF, SURROUNDINGS
from cgcnn_md.store import Store


class Stopper(Silent):
    """Interrupts like a user, when it is told a line or a task that begins so."""

    def __init__(self, at: str) -> None:
        self.at = at

    def say(self, text: str) -> None:
        if text.startswith(self.at):
            raise KeyboardInterrupt

    def start(self, task: str, total: int) -> None:
        self.say(task)


class Listener(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(autouse=True)
def _plain_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """UMAP and figures take seconds, and both have tests of their own."""
    monkeypatch.setattr(project, "_FEWEST", 10**9)
    monkeypatch.setattr(outcome_figures, "draw", lambda folder: None)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pipeline") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(project, "_FEWEST", 10**9)
        cgcnn_md.embed(crystal(), out=out, **TINY)
    return out


def test_writes_everything_that_the_contract_names(made: Path) -> None:
    names = {path.name for path in made.iterdir()}
    assert names >= {
        "config.yaml", "run.json", "model.safetensors", "training.csv", "embedding.zarr", "clusters.csv",
        "map.parquet", "figures", "report.html", "log.txt",
    }  # fmt: skip
    result = cgcnn_md.open_embedding(made)
    assert result.embedding.shape[:2] == (8, 32)
    assert np.isfinite(result.embedding[:]).all()
    assert "8 frames x 32 atoms" in repr(result)
    assert "<table" in result._repr_html_()
    assert result.provenance["outcome"] == "finished"
    json.dumps(result.provenance, allow_nan=False)
    assert cgcnn_md.load_model(made).species == ("Cl", "Na")


def test_the_same_seed_gives_the_same_result(made: Path, tmp_path: Path) -> None:
    again = cgcnn_md.embed(crystal(), out=tmp_path / "again", **TINY)
    first = cgcnn_md.open_embedding(made)
    np.testing.assert_array_equal(first.embedding[:], again.embedding[:])
    for a, b in zip(first.stores(), again.stores(), strict=True):
        np.testing.assert_array_equal(a.clusters(slice(None)), b.clusters(slice(None)))
    assert first.clusters.equals(again.clusters)


def test_the_number_of_threads_does_not_change_what_is_learned(tmp_path: Path) -> None:
    settings = {**TINY, "steps_per_epoch": 10, "batch_atoms": 3000, "k": 20}
    frames = [atoms.repeat((3, 3, 3)) for atoms in crystal()]
    before = numba.get_num_threads(), torch.get_num_threads()
    try:
        models = [
            cgcnn_md.load_model(cgcnn_md.train(frames, out=tmp_path / str(n), threads=n, **settings))
            for n in (1, min(2, before[0]))
        ]
    finally:
        numba.set_num_threads(before[0])
        torch.set_num_threads(before[1])
    for name, value in models[0].encoder.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), models[1].encoder.state_dict()[name].numpy())


def test_refuses_a_folder_that_exists(made: Path) -> None:
    with pytest.raises(UsageError, match="exists already; pass --resume to go on with it, --overwrite to replace it"):
        cgcnn_md.embed(crystal(), out=made, **TINY)


def test_leaves_a_foreign_folder_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("all of it")
    with pytest.raises(UsageError, match="not the result of an earlier run, so it is left alone"):
        cgcnn_md.embed(crystal(), out=tmp_path, overwrite=True, **TINY)
    assert (tmp_path / "thesis.tex").read_text() == "all of it"


def test_refuses_to_resume_with_other_settings(made: Path) -> None:
    with pytest.raises(ResumeError, match="was made with k 12, asked is 11; resume with the same settings"):
        cgcnn_md.embed(crystal(), out=made, resume=True, **{**TINY, "k": 11})


@pytest.mark.parametrize("at", ["training", "embedding", "seeking clusters"])
def test_goes_on_after_an_interruption(made: Path, tmp_path: Path, at: str) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        cgcnn_md.embed(crystal(), out=out, progress=Stopper(at), **TINY)
    assert json.loads((out / "run.json").read_text())["outcome"] == "stopped: KeyboardInterrupt"
    if at != "seeking clusters":
        for use in (revisit.cluster, revisit.report, cgcnn_md.open_embedding):
            with pytest.raises(MissingFileError, match=r"not finished; wait .* same `cgcnn-md embed` command"):
                use(out)
    result = cgcnn_md.embed(crystal(), out=out, resume=True, **TINY)
    np.testing.assert_array_equal(result.embedding[:], cgcnn_md.open_embedding(made).embedding[:])
    assert result.provenance["outcome"] == "finished"


class StopsInTraining(Silent):
    """Interrupts in the third epoch."""

    def __init__(self, at: int = 3) -> None:
        self.at, self.epochs = at, 0

    def advance(self, n: int = 1, **fields: float) -> None:
        self.epochs += n
        if self.epochs == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize("seeds", [1, 3])
def test_training_goes_on_where_it_was_and_ends_the_same(tmp_path: Path, seeds: int) -> None:
    settings = {**TINY, "epochs": 4, "seeds": seeds}
    whole = cgcnn_md.train(crystal(), out=tmp_path / "whole", **settings)
    broken = tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):  # other starts are tried for two epochs each
        cgcnn_md.train(crystal(), out=broken, progress=StopsInTraining(3 + 2 * (seeds - 1)), **settings)
    assert len((broken / "training.csv").read_text().splitlines()) == 3
    heard: list[str] = []
    listener = Silent()
    listener.say = heard.append  # type: ignore[method-assign]
    resumed = cgcnn_md.train(crystal(), out=broken, resume=True, progress=listener, **settings)
    assert "training goes on after epoch 2" in heard
    assert not (broken / "training.safetensors").exists()
    models = [cgcnn_md.load_model(path).encoder.state_dict() for path in (whole, resumed)]
    for name, value in models[0].items():
        np.testing.assert_array_equal(value.numpy(), models[1][name].numpy())


def test_the_best_of_several_starts_is_trained_on(tmp_path: Path) -> None:
    heard: list[str] = []
    listener = Silent()
    listener.say = heard.append  # type: ignore[method-assign]
    settings = {**TINY, "epochs": 2}
    scores = {}
    for seeds in (1, 4):
        cgcnn_md.train(crystal(60), out=tmp_path / str(seeds), seeds=seeds, progress=listener, **settings)
        records = (tmp_path / str(seeds) / "training.csv").read_text().splitlines()[1:]
        scores[seeds] = max(float(line.split(",")[2]) for line in records)
    said = next(line for line in heard if line.startswith("4 starts"))
    tried = [float(x) for x in said.removeprefix("4 starts, held-out scores ").split(":")[0].split(", ")]
    assert len(set(tried)) == 4
    assert tried[0] == pytest.approx(scores[1], abs=1e-3)
    assert max(tried) == pytest.approx(scores[4], abs=1e-3)
    starts = cgcnn_md.load_model(tmp_path / "4").provenance
    assert starts["starts"] == pytest.approx(tried, abs=1e-3)
    assert all(share <= 1.0 for share in starts["agreement"].values())


@pytest.mark.parametrize("settings", [{"objective": "vicreg"}, {"objective": "infonce"}, {"view": "noise+time"}])
def test_trains_with_other_objectives_and_views(tmp_path: Path, settings: dict[str, str]) -> None:
    result = cgcnn_md.embed(crystal(), out=tmp_path / "out", **TINY, **settings)
    assert np.isfinite(result.embedding[:]).all()
    view = cgcnn_md.load_model(tmp_path / "out").view
    assert view == ("time+noise" if "view" in settings else "time")


def test_refuses_a_view_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no view later; wanted auto, or time, space, noise joined by"):
        cgcnn_md.embed(crystal(), out=tmp_path / "out", view="time+later")


def test_goes_on_in_the_middle_of_the_embedding(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr("cgcnn_md.embedding.unit_frames", lambda n_targets: 3)
    write, out = Store.mark_done, tmp_path / "out"

    def once(self: Store, unit: int) -> None:
        write(self, unit)
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "mark_done", once)
    with pytest.raises(KeyboardInterrupt):
        cgcnn_md.embed(crystal(), out=out, **TINY)
    monkeypatch.setattr(Store, "mark_done", write)
    assert Store.open(out / "embedding.zarr").done.tolist() == [True, False, False]
    result = cgcnn_md.embed(crystal(), out=out, resume=True, on_bad_frame="skip", **TINY)
    np.testing.assert_allclose(result.embedding[:], cgcnn_md.open_embedding(made).embedding[:], atol=1e-5)


def test_refused_input_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        cgcnn_md.embed(tmp_path / "none.xtc", out=tmp_path / "out", **TINY)
    with pytest.raises(InputError, match="lag 50 frames: the longest run has 8 frames, wanted 1 to 7"):
        cgcnn_md.embed(crystal(), out=tmp_path / "out", lag=50, **TINY)
    assert not (tmp_path / "out").exists()


def test_refused_input_does_not_cost_the_result_to_be_replaced(made: Path) -> None:
    before = (made / "config.yaml").read_text()
    with pytest.raises(InputError, match="no such file"):
        cgcnn_md.embed(made / "none.xtc", out=made, overwrite=True, **{**TINY, "k": 11})
    assert (made / "config.yaml").read_text() == before
    assert cgcnn_md.open_embedding(made).embedding.shape[:2] == (8, 32)


def state_of(folder: Path) -> list[tuple[Path, int]]:
    """List every file of a folder, with the time of its last change."""
    return sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("settings", "error", "told"),
    [
        ({"lag": 50}, InputError, "lag 50 frames: the longest run has 8 frames, wanted 1 to 7"),
        ({"lag_ps": 5.0}, InputError, "lag 5.0 ps: the time between frames is unknown"),
        ({"validate_run": 3}, UsageError, "validate_run 3: no such run"),
        ({"validate_run": 1}, UsageError, "all runs are held out; leave one"),
        ({"device": "abacus"}, UsageError, "device 'abacus': torch cannot use it here"),
        ({"threads": 10**6}, UsageError, "threads 1000000: this machine offers"),
        ({"states": 2, "view": "space"}, UsageError, "states 2: states are told by time"),
        ({"cutoff": 0.5}, InputError, r"cutoff 0\.5 Å: no atom of the first frame \(Cl, Na\) has a neighbour so near"),
    ],
)
def test_refused_arguments_do_not_cost_the_result_to_be_replaced(
    made: Path, settings: dict[str, Any], error: type[Exception], told: str
) -> None:
    before = state_of(made)
    for run in (cgcnn_md.embed, cgcnn_md.train):
        with pytest.raises(error, match=told):
            run(crystal(), out=made, overwrite=True, **{**TINY, **settings})
    with pytest.raises(error, match=told):
        pipeline.dry_run(crystal(), **{**TINY, **settings})
    assert state_of(made) == before != []


def test_a_model_that_does_not_fit_does_not_cost_the_result_to_be_replaced(made: Path) -> None:
    before = state_of(made)
    with pytest.raises(SpeciesError, match="species K"):
        cgcnn_md.encode(made, crystal(2, symbol="KCl"), out=made, overwrite=True)
    with pytest.raises(InputError, match="the input told no type of its atoms; give group_by species"):
        cgcnn_md.encode(made, crystal(), out=made, overwrite=True, group_by="type")
    assert state_of(made) == before != []


def test_pairs_in_time_of_single_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="view 'time': every run has one frame, and pairs in time need two; give"):
        cgcnn_md.train(crystal(1), out=tmp_path / "out", view="time", **TINY)


@pytest.mark.parametrize(
    ("n", "settings", "told"),
    [
        (8, {"validation": 0.0, "lag": 1}, "no time is held out"),
        (1, {"view": "space"}, "too few frames to hold any out"),
    ],
)
def test_training_is_not_judged_where_nothing_is_held_out(
    tmp_path: Path, n: int, settings: dict[str, Any], told: str
) -> None:
    said = Listener()
    cgcnn_md.train(crystal(n), out=tmp_path / "out", progress=said, **TINY, **settings)
    assert f"{told}: scores below are of fit, not of prediction" in said.lines
    assert any(line.startswith("2 starts, scores") for line in said.lines)
    assert cgcnn_md.load_model(tmp_path / "out").provenance["scores"] == {}


def test_a_species_without_neighbours_is_cautioned_of(tmp_path: Path) -> None:
    rng, frames = np.random.default_rng(0), []
    corners = np.argwhere(np.ones((3, 3, 3))) * 6.0
    for _ in range(8):
        at = np.concatenate([corners + shift for shift in ([0, 0, 0], [0.8, 0, 0], [3.0, 3.0, 3.0])])
        at += rng.normal(0.0, 0.05, at.shape)
        frames.append(ase.Atoms("H54Ar27", positions=at, cell=[18, 18, 18], pbc=True))
    result = cgcnn_md.embed(frames, out=tmp_path / "out", cutoff=2.0, lag=1, **TINY)
    zero = [line for line in result.summary if "the embedding is zero" in line]
    assert [line.split(": ")[:2] for line in zero] == [["Caution", "Ar"]]


def test_encodes_new_files_with_a_saved_model(made: Path, tmp_path: Path) -> None:
    result = cgcnn_md.encode(made, crystal(), out=tmp_path / "out")
    np.testing.assert_allclose(result.embedding[:], cgcnn_md.open_embedding(made).embedding[:], atol=1e-5)


def test_a_frame_alone_is_encoded_as_among_others(made: Path, tmp_path: Path) -> None:
    result = cgcnn_md.encode(made, crystal()[3:4], out=tmp_path / "out")
    np.testing.assert_allclose(result.embedding[0], cgcnn_md.open_embedding(made).embedding[3], atol=1e-5)


def test_the_lag_of_a_model_is_a_time(tmp_path: Path) -> None:
    cgcnn_md.train(crystal(), out=tmp_path / "model", dt=2.0, lag=1, **TINY)
    for dt, frames, told in (
        (2.0, 1, None),
        (1.0, 2, "frames are 1 ps apart, so the lag of 2 ps is 2 of them"),
        (5.0, 1, "frames are 5 ps apart, so the lag of 2 ps is 1 of them (5 ps)"),
    ):
        listener = Listener()
        result = cgcnn_md.encode(tmp_path / "model", crystal(), out=tmp_path / f"{dt}", dt=dt, progress=listener)
        assert result.stores()[0].attrs["lag"] == frames
        assert [line.split(": ", 1)[1] for line in listener.lines if "so the lag" in line] == [told] * bool(told)


def test_refuses_to_encode_a_species_the_model_never_saw(made: Path, tmp_path: Path) -> None:
    with pytest.raises(SpeciesError, match="species K: this model was trained on Cl, Na only"):
        cgcnn_md.encode(made, crystal(2, symbol="KCl"), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_stores_hidden_features_on_request(tmp_path: Path) -> None:
    result = cgcnn_md.embed(crystal(), out=tmp_path / "out", features="hidden", **TINY)
    assert result.embedding.shape == (8, 32, TINY["width"])
    assert result.stores()[0].attrs["content"] == "hidden features"
    assert set(result.clusters["species"]) == {"Cl", "Na"}


def molecules(seed: int = 0, n: int = 20) -> mda.Universe:
    """Make n molecules C-O and n C-N, of which the carbons are of two classes and one species."""
    rng = np.random.default_rng(seed)
    universe = mda.Universe.empty(4 * n, trajectory=True)
    universe.add_TopologyAttr("elements", ["C", "O"] * n + ["C", "N"] * n)
    universe.add_TopologyAttr("types", ["1", "2"] * n + ["1", "3"] * n)
    universe.add_TopologyAttr("bonds", [(i, i + 1) for i in range(0, 4 * n, 2)])
    first = np.argwhere(np.ones((5, 4, 4))) * 4.0
    start = np.sort(rng.permutation(80)[: 2 * n])
    atoms = (first[start][:, None] + np.array([[0.0, 0.0, 0.0], [1.4, 0.0, 0.0]])).reshape(-1, 3)
    frames = atoms + rng.normal(0.0, 0.1, (8, *atoms.shape))
    universe.load_new(frames.astype(np.float32), dimensions=np.array([20, 16, 16, 90, 90, 90], np.float32))
    return universe


def test_features_are_centred_by_identity_and_clusters_sought_across_it(tmp_path: Path) -> None:
    said = Listener()
    result = cgcnn_md.embed(molecules(), out=tmp_path / "out", progress=said, **TINY)
    assert "identity classes: 2 from bonds (C 2); features are centred by them" in said.lines
    store = result.stores()[0]
    assert store.attrs["identity_from"] == "bonds"
    identity = store.identity
    carbons = store.species == "C"
    assert len(set(identity[carbons])) == 2
    assert {"O", "N"} < set(identity)
    values = store.embedding(slice(0, 8))
    for name in set(identity[carbons]):
        np.testing.assert_allclose(values[:, identity == name].mean(axis=(0, 1)), 0.0, atol=0.2)
    again = cgcnn_md.encode(tmp_path / "out", molecules(), out=tmp_path / "again")
    np.testing.assert_allclose(again.embedding[:], values, atol=1e-5)
    assert list(result.clusters["species"]) == sorted(result.clusters["species"])
    assert "group" not in result.clusters


def test_clusters_are_sought_in_the_groups_asked_for(tmp_path: Path) -> None:
    result = cgcnn_md.embed(molecules(), out=tmp_path / "out", group_by="identity", features="hidden", **TINY)
    groups = dict(zip(result.clusters["group"], result.clusters["species"], strict=False))
    assert sorted(groups.values()) == ["C", "C", "N", "O"]
    store = result.stores()[0]
    for name in groups:
        numbers = set(result.clusters.loc[result.clusters["group"] == name, "cluster"])
        mine = store.groups("found") == name
        assert len(set(store.identity[mine])) == 1
        assert set(store.clusters(slice(0, 8))[:, mine].ravel()) - {-1} <= numbers
    assert {"C bonded to N", "C bonded to O"} < set(groups)
    by_type = revisit.cluster(tmp_path / "out", group_by="type", n=2)
    assert by_type.clusters["group"].tolist() == ["C 1", "C 1", "N 3", "N 3", "O 2", "O 2"]
    (store,) = by_type.stores()
    for name, share in by_type.clusters.groupby("group")["population"].sum().items():
        labels = store.clusters(slice(0, 8))[:, store.groups("found") == name]
        assert share == pytest.approx((labels >= 0).mean(), abs=1e-6)  # the rest is between clusters
        assert share > 0.5
    assert "group" in revisit.cluster(tmp_path / "out").clusters
    assert "group" not in revisit.cluster(tmp_path / "out", group_by="species").clusters
    with pytest.raises(UsageError, match="group_by 'chain': wanted one of species, identity, type"):
        revisit.cluster(tmp_path / "out", group_by="chain")  # type: ignore[arg-type]


def test_embeds_molecules_and_takes_the_level_from_the_model(tmp_path: Path) -> None:
    said = Listener()
    result = cgcnn_md.embed(molecules(), out=tmp_path / "out", level="molecule", progress=said, **TINY)
    assert "frames: a vector for each of 40 molecules (CN 20, CO 20)" in said.lines
    (store,) = result.stores()
    assert result.embedding.shape[:2] == (8, 40)
    assert store.attrs["level"] == "molecule"
    assert sorted(set(store.species.tolist())) == ["CN", "CO"]
    assert store.atom_index.tolist() == list(range(0, 80, 2))
    assert store.members[1].tolist() == np.repeat(np.arange(40), 2).tolist()
    assert set(result.clusters["species"]) == {"CN", "CO"}
    assert not any("atoms" in line for line in result.summary)
    again = cgcnn_md.encode(tmp_path / "out", molecules(), out=tmp_path / "again")
    np.testing.assert_allclose(again.embedding[:], result.embedding[:], atol=1e-5)
    other = molecules()
    other.atoms[1].element = "C"
    with pytest.raises(SpeciesError, match="molecules C2: this model was trained on CN, CO only"):
        cgcnn_md.encode(tmp_path / "out", other, out=tmp_path / "other")
    with pytest.raises(UsageError, match="neighbours are weighed for atoms, and its vectors are of molecules"):
        revisit.gates(tmp_path / "out")


def test_embeds_groups_of_one_frame_in_space(tmp_path: Path) -> None:
    one = molecules()
    one.trajectory[3]
    single = mda.Merge(one.atoms)
    single.dimensions = one.dimensions
    result = cgcnn_md.embed(single, out=tmp_path / "space", level="molecule", **TINY)
    assert np.ptp(result.embedding[:]) > 0


def test_a_dry_run_counts_the_vectors() -> None:
    facts = pipeline.dry_run(molecules(), level="molecule", features=10)
    assert facts["frames"]["vectors"] == "40 molecules (CN 20, CO 20)"
    assert facts["would do"]["embedding"] == f"at most {8 * 40 * 10 * 4 / 1e6:,.1f} MB"


def test_says_that_the_input_tells_no_types(made: Path) -> None:
    with pytest.raises(InputError, match="the input told no type of its atoms; wanted --group-by species"):
        revisit.cluster(made, group_by="type")
    cgcnn_md.open_embedding(made)  # nothing was changed


def test_refuses_states_that_the_model_has_not(made: Path) -> None:
    for _ in range(2):
        with pytest.raises(UsageError, match="the model has no states; train one with `cgcnn-md embed"):
            revisit.cluster(made, states=True)
        revisit.cluster(made, states=False)


def test_what_an_interrupted_clustering_left_is_not_used(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(made, out)
    with pytest.raises(KeyboardInterrupt):
        revisit.cluster(out, n=2, progress=Stopper("drawing the map"))
    uses = (revisit.report, revisit.plot, revisit.kinetics, revisit.project, revisit.export, revisit.gates)
    for use in (*uses, cgcnn_md.open_embedding):
        with pytest.raises(InputError, match="out: clustering was interrupted, or still goes on; run `cgcnn-md"):
            use(out)
    revisit.cluster(out)
    assert cgcnn_md.open_embedding(out).clusters.equals(cgcnn_md.open_embedding(made).clusters)


def test_redoes_clusters_and_map(made: Path) -> None:
    result = revisit.cluster(made, n=2)
    assert result.clusters.groupby("species").size().tolist() == [2, 2]
    assert len(revisit.project(made, points=20).map) == 20
    revisit.cluster(made)


def test_other_clusters_leave_nothing_of_the_old_where_coordinates_are_gone(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(made, out)
    old = [out / name for name in (RDF, SURROUNDINGS, COORDINATION)]
    for path in old:
        path.touch()
    revisit.cluster(out, n=2)
    assert not any(path.exists() for path in old)
    assert (
        "no pair distributions, for it was made from what was in memory; write that to files"
        in (out / "log.txt").read_text()
    )
    with pytest.raises(MissingFileError, match="made from what was in memory; write that to files, and embed these"):
        revisit.export(out)
    (out / "model.safetensors").unlink()
    with pytest.raises(MissingFileError, match="no such model file; name the OUT of a finished embed"):
        revisit.cluster(out)


def test_a_lag_that_frames_do_not_make_is_said(tmp_path: Path) -> None:
    cgcnn_md.train(crystal(), out=tmp_path / "out", dt=1.0, lag_ps=2.4, **TINY)
    assert "lag 2 frames (2 ps), the nearest to 2.4 ps that whole frames make" in (tmp_path / "out/log.txt").read_text()


@pytest.mark.parametrize(
    ("settings", "got"),
    [
        ({"epochs": "2"}, "epochs '2': wanted a whole number of 0 or more"),
        ({"epochs": 2.5}, "epochs 2.5: wanted a whole number of 0 or more"),
        ({"lag": "5ps"}, "lag '5ps': wanted a whole number of 1 or more"),
        ({"lag": 3.5}, "lag 3.5: wanted a whole number of 1 or more"),
        ({"threads": 0}, "threads 0: wanted a whole number of 1 or more"),
        ({"k": True}, "k True: wanted a whole number of 1 or more"),
        ({"start": "x"}, "start 'x': wanted a whole number"),
        ({"seed": -1}, "seed -1: wanted a whole number from 0 to 2147483647"),
        ({"seed": 2**40}, "seed 1099511627776: wanted a whole number from 0 to 2147483647"),
        ({"states": 1}, "states 1: wanted a whole number of 2 or more"),
        ({"features": "raw"}, "features 'raw': wanted a whole number of 1 or more, or 'hidden'"),
        ({"dt": 0}, "dt 0: wanted a finite number above 0"),
        ({"cutoff": float("nan")}, "cutoff nan: wanted a finite number above 0"),
        ({"validation": 1}, "validation 1: wanted a share in [0, 1)"),
        ({"dtype": "float64"}, "dtype 'float64': wanted one of float32, float16"),
        ({"objective": "vamp"}, "objective 'vamp': wanted one of vamp2, vicreg, infonce"),
        ({"select": 3}, "select 3: wanted a text"),
        ({"type_map": "Li=Na"}, "type_map 'Li=Na': wanted a dict of texts, as {'1': 'Si', '2': 'O'}"),
    ],
)
def test_refuses_what_no_setting_can_be(settings: dict[str, Any], got: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(got)}$"):
        make_config(None, settings)


def test_numbers_of_numpy_are_settings_too() -> None:
    config = make_config(None, {"lag": np.int32(3), "start": np.int8(-2), "cutoff": np.float32(8)})
    assert (type(config.train.lag), type(config.read.start), type(config.model.cutoff)) == (int, int, float)
    assert (config.train.lag, config.read.start, config.model.cutoff) == (3, -2, 8.0)


@pytest.mark.parametrize(
    ("ask", "arguments", "got"),
    [
        (revisit.cluster, {"n": 0}, "n 0: wanted a whole number from 1 to 100"),
        (revisit.cluster, {"n": 2.5}, "n 2.5: wanted a whole number from 1 to 100"),
        (revisit.project, {"points": -5}, "points -5: wanted a whole number of 1 or more"),
        (revisit.project, {"points": 0}, "points 0: wanted a whole number of 1 or more"),
        (revisit.project, {"seed": -1}, "seed -1: wanted a whole number from 0 to 2147483647"),
        (revisit.plot, {"form": "eps"}, "form 'eps': wanted one of png, pdf, svg"),
        (revisit.plot, {"dpi": 0}, "dpi 0: wanted a whole number of 20 or more"),
        (revisit.export, {"step": 0}, "step 0: wanted a whole number of 1 or more"),
    ],
)
def test_refuses_what_no_argument_can_be(tmp_path: Path, ask: Any, arguments: dict[str, Any], got: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(got)}$"):
        ask(tmp_path, **arguments)


@pytest.mark.parametrize("amplitude", [0.0, 0.2])
def test_embeds_one_frame_with_an_atom_of_its_own_kind(tmp_path: Path, amplitude: float) -> None:
    frames = crystal(1, amplitude)
    frames[0].symbols[0] = "K"
    result = cgcnn_md.embed(frames, out=tmp_path / "out", **TINY)
    assert set(result.clusters["species"]) == {"Cl", "K", "Na"}
    assert np.isfinite(result.embedding[:]).all()
    assert revisit.cluster(tmp_path / "out", n=2).clusters["species"].tolist().count("K") == 1


def test_embeds_a_perfect_crystal_as_one_environment(tmp_path: Path) -> None:
    result = cgcnn_md.embed(crystal(1, 0.0), out=tmp_path / "out", **TINY)
    assert np.allclose(result.embedding[:], 0.0, atol=1e-3)
    assert result.timescales.isna().to_numpy()[:, -1].all()  # pairs are not in time
    assert len(result.clusters) == 2


def test_refuses_a_device_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="device 'abacus': torch cannot use it here"):
        cgcnn_md.train(crystal(), out=tmp_path / "out", device="abacus", **TINY)


def test_does_not_claim_a_test_on_time_where_there_is_none() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(size=(300, 1)), rng.normal(8.0, size=(300, 1))])
    one_time = find_clusters(points, np.ones(1), np.zeros(600, dtype=int)).evidence
    assert "2 environments in the one slow coordinate, found again on halves of the atoms" in one_time.verdict
    few = find_clusters(points[::6], np.ones(1), np.arange(100)).evidence
    assert few.verdict == "one environment only: 100 points are too few to tell more"


def test_embeds_several_systems_into_groups(tmp_path: Path) -> None:
    paths = []
    for name, frames in {"cold": crystal(amplitude=0.05), "warm": crystal()}.items():
        paths.append(tmp_path / f"{name}.extxyz")
        ase.io.write(paths[-1], frames)
    result = cgcnn_md.embed(paths, out=tmp_path / "out", **TINY)
    assert result.systems == ["cold", "warm"]
    assert result.embedding["warm"].shape[:2] == (8, 32)
    table = result.populations
    assert set(table["system"]) == {"cold", "warm"}
    labels = {store.name: store.clusters(slice(None)) for store in result.stores()}
    for row in table.to_dict("records"):
        mine = labels[row["system"]][:, result.store(row["system"]).species == row["group"]]
        assert row["population"] == pytest.approx((mine == row["cluster"]).mean(), abs=1e-5)


def test_says_in_one_line_that_a_model_cannot_be_written(made: Path, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").mkdir()  # as good as a full disk
    with pytest.raises(StorageError, match=r"model\.safetensors: cannot be written"):
        cgcnn_md.load_model(made).save(tmp_path / "model.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_run_that_is_held_out_is_embedded_and_said(tmp_path: Path) -> None:
    frames = crystal(12)
    ase.io.write(tmp_path / "top.pdb", frames[0])
    atoms = mda.Universe(tmp_path / "top.pdb").atoms
    paths = []
    for run in range(3):
        paths.append(tmp_path / f"run{run + 1}.dcd")
        with mda.Writer(str(paths[-1]), len(atoms)) as writer:
            for frame in frames[(0, 6, 8)[run] : (6, 8, 12)[run]]:
                atoms.positions, atoms.dimensions = frame.positions, frame.cell.cellpar()
                writer.write(atoms)
    files, told = [*paths, tmp_path / "top.pdb"], Listener()
    result = cgcnn_md.embed(files, out=tmp_path / "out", validate_run=2, lag=1, progress=told, **TINY)
    assert "held out whole, and not trained on: run 2 (run2.dcd)" in told.lines
    assert result.embedding.shape[:2] == (12, 32)
    assert "Training did not see run 2 (run2.dcd): scores are of what was held out." in result.summary
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["trust"]["held_out"] == ["run 2 (run2.dcd)"]
    with pytest.raises(UsageError, match=r"validate_run 7: no such run; choose among 1 \(run1\.dcd\), 2"):
        cgcnn_md.embed(files, out=tmp_path / "none", validate_run=7, **TINY)
    assert not (tmp_path / "none").exists()
    with pytest.raises(InputError, match=r"run 2 \(run2\.dcd\): no pair of frames 3 apart"):
        cgcnn_md.embed(files, out=tmp_path / "short", validate_run="run2", lag=3, **TINY)


def test_what_starts_said_survives_an_interruption(tmp_path: Path) -> None:
    settings = {**TINY, "epochs": 4, "seeds": 3, "lag": 1}
    frames = crystal(60)
    whole = cgcnn_md.train(frames, out=tmp_path / "whole", **settings)
    with pytest.raises(KeyboardInterrupt):
        cgcnn_md.train(frames, out=tmp_path / "broken", progress=StopsInTraining(3 + 2 * 2), **settings)
    resumed = cgcnn_md.train(frames, out=tmp_path / "broken", resume=True, **settings)
    wanted, got = (cgcnn_md.load_model(path).provenance for path in (whole, resumed))
    assert len(wanted["starts"]) == 3
    assert set(wanted["agreement"]) == {"Cl", "Na"}
    assert (got["starts"], got["agreement"]) == (wanted["starts"], wanted["agreement"])


def test_a_frame_of_zeros_is_left_out(tmp_path: Path) -> None:
    frames = crystal(12)
    frames[3].positions[:] = 0.0
    ase.io.write(tmp_path / "a.extxyz", frames)
    with pytest.raises(
        BadFrameError, match=r"frame 3 of .*a\.extxyz: all 32 atoms are at one point, \(0, 0, 0\) Å; rep"
    ):
        cgcnn_md.embed(tmp_path / "a.extxyz", out=tmp_path / "out", **TINY)
    result = cgcnn_md.embed(tmp_path / "a.extxyz", out=tmp_path / "out", on_bad_frame="skip", **TINY)
    values = result.embedding[:]
    assert np.flatnonzero(np.isnan(values).any(axis=(1, 2))).tolist() == [3]
