"""Importance of neighbours: it is what the embedding loses, it counts shells, and it is written where it is said."""

from __future__ import annotations

import json
from pathlib import Path

import ase.build
import numpy as np
import pandas as pd
import pytest
import torch
from systems import random_frame

import cgcnn_md
from cgcnn_md import outcome, outcome_figures, revisit
from cgcnn_md.analysis import project
from cgcnn_md.analysis.gates import ALL, Edges, coordination_by_cluster, effective_coordination, importance_by_distance
from cgcnn_md.config import Config, ModelConfig
from cgcnn_md.errors import MissingFileError
from cgcnn_md.frame import Frame
from cgcnn_md.graph import KnnGraph, batch_graphs, with_copies
from cgcnn_md.kinetic_map import KineticMap
from cgcnn_md.nn import Model, edge_importance, moves
from cgcnn_md.out_folder import OutFolder
from cgcnn_md.progress import Silent
from cgcnn_md.readers import open_trajectory

WIDTH = 16


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(2)
    model = Model.new(["A", "B"], ModelConfig(k=8, cutoff=5.0, width=WIDTH, layers=3), shortest=0.5, longest=5.0)
    rng = np.random.default_rng(3)
    for name in model.species:
        weights = rng.normal(size=(WIDTH, 3))
        model.maps[name] = KineticMap(np.zeros((2, WIDTH)), weights, np.ones(3), np.ones(3))
    return model


def graph_of(model: Model, n: int = 40, targets: tuple[int, ...] = (11, 3, 30)) -> KnnGraph:
    frame = random_frame(np.random.default_rng(4), n=n)
    return model.graph(frame, np.array(targets), np.arange(2, dtype=np.int16))


def heard(model: Model, graph: KnnGraph, target: int, without: int | None) -> np.ndarray:
    """Features of one target by the equation of `GatedConv`, one edge left out, all in float64."""
    encoder = model.encoder.double()
    weight = torch.from_numpy(graph.weight).double()
    distance = torch.from_numpy(graph.distance).double()
    index = torch.from_numpy(graph.index).long()
    own = weight[target].clone()
    if without is not None:
        own[without] = 0.0
    with torch.no_grad():
        others = encoder.species(torch.from_numpy(graph.species).long())
        me = others[target]
        for layer, conv in enumerate(encoder.convolutions, start=1):

            def message(centre: torch.Tensor, row: int, w: torch.Tensor, conv=conv, others=others) -> torch.Tensor:
                place = conv.table.place(distance[row])
                table, low = conv.table(), place.floor().long().clamp(max=510)
                part = (place - low)[:, None]
                z = conv.centre(centre) + conv.neighbour(others[index[row]])
                gate, core = (z + (1 - part) * table[low] + part * table[low + 1]).chunk(2, dim=-1)
                return (w[:, None] * torch.sigmoid(gate) * torch.nn.functional.silu(core)).sum(dim=0)

            rows = graph.counts[encoder.hops - layer]
            me = me + conv.norm(message(me, target, own))
            others = torch.stack([others[i] + conv.norm(message(others[i], i, weight[i])) for i in range(rows)])
    encoder.float()
    return me.numpy()


def test_importance_is_what_the_embedding_loses_without_the_edge(model: Model) -> None:
    graph = graph_of(model)
    fast = edge_importance(model, graph)
    for place, row in enumerate(graph.rows):
        weights = model.maps[model.species[graph.species[row]]].weights
        whole = heard(model, graph, int(row), None)
        slow = [np.linalg.norm((heard(model, graph, int(row), j) - whole) @ weights) for j in range(8)]
        np.testing.assert_allclose(fast[place], slow, atol=1e-4 * max(slow), rtol=1e-3)


def test_who_hears_all_stays_and_who_hears_nobody_is_a_lone_atom(model: Model) -> None:
    graph = graph_of(model)
    heard = np.stack([np.ones((3, 8), bool), np.zeros((3, 8), bool)], axis=1)
    distance = moves(model, graph, heard)
    np.testing.assert_allclose(distance[:, 0], 0.0, atol=1e-5)
    lone = Frame(np.zeros((1, 3)), np.eye(3) * 40.0, np.ones(3, bool), np.zeros(1, np.int16))
    for place, code in enumerate(graph.target_species):
        alone = model.features([model.graph(lone, np.array([0]), np.array([code], dtype=np.int16))])
        way = (alone - model.features([graph])[place]) @ model.maps[model.species[code]].weights
        assert distance[place, 1] == pytest.approx(float(np.linalg.norm(way)), rel=1e-4)


def test_copies_change_nothing_else(model: Model) -> None:
    graph = graph_of(model)
    wide = with_copies(graph, np.broadcast_to(~np.eye(8, dtype=bool), (3, 8, 8)))
    assert wide.counts[0] == 3 * 9
    assert set(graph.nodes) == set(wide.nodes)
    features = model.features([wide])
    np.testing.assert_allclose(features[:3], model.features([graph]), atol=1e-5)
    together = model.features([batch_graphs([wide, wide])])
    np.testing.assert_allclose(together, np.tile(features, (2, 1)), atol=1e-5)


def test_what_is_not_there_does_not_count(model: Model) -> None:
    cell = np.eye(3) * 40.0
    frame = Frame(np.array([[1.0, 1, 1], [2, 1, 1], [1, 3, 1]]), cell, np.ones(3, bool), np.array([0, 1, 1], np.int16))
    importance = edge_importance(model, model.graph(frame, np.array([0]), np.arange(2, dtype=np.int16)))
    assert (importance[0, :2] > 0).all()
    assert not importance[0, 2:].any()


def test_the_like_neighbours_of_a_crystal_count_alike() -> None:
    """A shell of a perfect crystal cannot be told apart, by any weights."""
    atoms = ase.build.bulk("NaCl", "rocksalt", 5.64, cubic=True).repeat((3, 3, 3))
    torch.manual_seed(0)
    model = Model.new(["Cl", "Na"], ModelConfig(), shortest=2.0, longest=8.0)
    for name in model.species:
        model.maps[name] = KineticMap(np.zeros((2, 64)), np.eye(64), np.ones(64), np.ones(64))
    codes = np.array([model.species.index(s) for s in atoms.symbols], dtype=np.int16)
    frame = Frame(atoms.positions, np.asarray(atoms.cell), np.ones(3, bool), codes)
    importance = edge_importance(model, model.graph(frame, np.arange(8), np.arange(2, dtype=np.int16)))
    first, second, rest = np.split(importance, [6, 18], axis=1)
    for shell in (first, second):
        np.testing.assert_allclose(shell, np.broadcast_to(shell[:, :1], shell.shape), rtol=1e-3)
    assert first.min() > second.max() > rest.max()
    np.testing.assert_allclose(effective_coordination(first), 6.0, rtol=1e-5)


def test_effective_coordination_counts_neighbours() -> None:
    importance = np.array([[2.0, 2.0, 2.0, 0.0], [1.0, 0.0, 0.0, 0.0], [3.0, 1.0, 0.0, 0.0], [0.0] * 4])
    np.testing.assert_allclose(effective_coordination(importance), [3.0, 1.0, 1.6, np.nan])


@pytest.fixture
def edges() -> Edges:
    return Edges(
        species=np.array(["Na", "Na", "Cl"]),
        cluster=np.array([1, 1, -1]),
        neighbour=np.array([["Cl", "Cl", "Na"], ["Cl", "Na", "Na"], ["Na", "Na", "Na"]]),
        distance=np.array([[2.81, 2.89, 4.0], [2.83, 4.04, 4.05], [2.8, 2.8, 0.0]]),
        weight=np.array([[1.0, 0.8, 0.5], [0.6, 0.5, 0.5], [1.0, 1.0, 0.0]]),
        importance=np.array([[2.0, 2.0, 0.0], [1.0, 1.0, 0.0], [1.0, 1.0, 0.0]]),
    )


def test_averages_by_distance(edges: Edges) -> None:
    table = importance_by_distance(edges).set_index(["species", "neighbour", "r"])
    assert table.loc[("Na", "Cl", 2.85)].tolist() == pytest.approx([5 / 3, 0.8, 3])
    assert table.loc[("Na", "Na", 4.05)].tolist() == pytest.approx([1 / 3, 0.5, 3])
    assert table["edges"].sum() == 8  # the masked one is not there


def test_averages_by_cluster(edges: Edges) -> None:
    table = coordination_by_cluster(edges).set_index(["cluster", "species", "neighbour"])
    assert table.loc[(1, "Na", ALL)].tolist() == pytest.approx([2.0, 0.0, 2])
    assert table.loc[(1, "Na", "Cl")].tolist() == pytest.approx([1.5, np.sqrt(0.5), 2])
    assert table.loc[(1, "Na", "Na"), "effective_coordination"] == pytest.approx(0.5)
    assert table.loc[(-1, "Cl", "Na"), "effective_coordination"] == pytest.approx(2.0)


def test_the_number_of_one_atom_has_no_spread(edges: Edges, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(outcome, "draw", lambda folder: None)
    monkeypatch.setattr(Silent, "say", lambda self, text: told.append(text))
    outcome.write_gates(OutFolder(tmp_path, Config(), {}), edges, Silent())
    assert told == [
        "Cl between clusters: effective coordination 2.0",
        "Na cluster 1: effective coordination 2.0 ± 0.0",
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gates")
    rng = np.random.default_rng(0)
    perfect = ase.build.bulk("NaCl", "rocksalt", 5.64, cubic=True).repeat((2, 2, 1))
    frames = [perfect.copy() for _ in range(8)]
    for frame in frames:
        frame.positions += rng.normal(0.0, 0.2, frame.positions.shape)
    ase.io.write(folder / "salt.extxyz", frames)
    tiny = {"epochs": 1, "steps_per_epoch": 2, "batch_atoms": 200, "width": 16, "layers": 2, "k": 12}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(project, "_FEWEST", 10**9)
        patch.setattr(outcome_figures, "draw", lambda folder: None)
        cgcnn_md.embed(folder / "salt.extxyz", out=folder / "out", **tiny)
    return folder


def test_writes_tables_figure_and_report(made: Path) -> None:
    result = revisit.gates(made / "out")
    assert set(result.gates["species"]) == {"Cl", "Na"}
    assert result.gates["edges"].sum() == 8 * 32 * 12
    assert (result.gates["importance"] > 0).any()
    whole = result.effective_coordination[result.effective_coordination["neighbour"] == ALL]
    assert whole["effective_coordination"].between(1, 12).all()
    assert whole["atoms"].sum() == 8 * 32
    parts = result.effective_coordination[result.effective_coordination["neighbour"] != ALL]
    total = parts.groupby("cluster")["effective_coordination"].sum()
    np.testing.assert_allclose(total, whole.set_index("cluster")["effective_coordination"], rtol=1e-4)
    assert (result.path / "figures" / "gates.png").stat().st_size > 10_000
    assert "What a neighbour counts for" in (result.path / "report.html").read_text()
    first = (result.path / "gates.csv").read_bytes()
    revisit.gates(made / "out")
    assert (result.path / "gates.csv").read_bytes() == first


def test_says_that_the_input_is_gone(made: Path) -> None:
    (made / "salt.extxyz").rename(made / "moved.extxyz")
    with pytest.raises(MissingFileError, match="input files are not where they were, or have changed; put them back"):
        revisit.gates(made / "out")
    (made / "moved.extxyz").rename(made / "salt.extxyz")


def test_input_is_found_from_anywhere_unless_it_has_changed(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.chdir(made)
    folder = OutFolder.open("copy", "embed", Config())
    with folder, open_trajectory("salt.extxyz") as reader:
        folder.inputs([reader])
    monkeypatch.chdir(tmp_path)
    folder = OutFolder(made / "copy", Config(), json.loads((made / "copy" / "run.json").read_text()))
    (found,) = folder.sources()
    with found:
        assert len(found) == len(reader)
    whole = (made / "salt.extxyz").read_text()
    (made / "salt.extxyz").write_text(whole + whole)
    try:
        assert folder.sources() == []
    finally:
        (made / "salt.extxyz").write_text(whole)


def test_new_clusters_make_the_old_coordination_stale(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (outcome, outcome_figures):
        monkeypatch.setattr(module, "draw", lambda folder: None)
    monkeypatch.setattr(project, "_FEWEST", 10**9)
    revisit.gates(made / "out")
    revisit.cluster(made / "out", n=2)
    assert not (made / "out" / "gates.csv").exists()
    assert isinstance(cgcnn_md.open_embedding(made / "out").gates, pd.DataFrame)
