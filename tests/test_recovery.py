"""The whole chain finds crystal and liquid in a slab of copper, and writes what the contract says."""

from __future__ import annotations

from pathlib import Path

import ase.build
import MDAnalysis as mda
import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

import cgcnn_md

FILES = (
    "config.yaml", "run.json", "model.safetensors", "training.csv", "clusters.csv", "map.parquet", "report.html",
    "log.txt", "coordination.csv", "surroundings.csv", "figures/coordination.png", "figures/map.png",
    "figures/spectrum.png", "figures/populations.png", "figures/rdf.png",
    "figures/training.png", "figures/spectrum.csv",
)  # fmt: skip


@pytest.fixture(scope="module")
def result(copper: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> object:
    out = tmp_path_factory.mktemp("copper") / "out"
    return cgcnn_md.embed(copper, out=out, step=2, epochs=2, map_points=200, seed=0)


def test_crystal_and_liquid_are_found(result: object, copper_labels: Path) -> None:
    data = result.to_xarray()
    with np.load(copper_labels) as file:
        labels = file["labels"][::2]
    clusters = data["cluster"].values
    known = labels >= 0
    assert len(result.clusters) == 2
    assert adjusted_rand_score(labels[known], clusters[known]) > 0.9
    crystal = result.clusters["coordination_Cu"].to_numpy()
    assert ((crystal > 11) & (crystal < 13.5)).all()


def test_out_holds_what_the_contract_names(result: object) -> None:
    for name in FILES:
        assert (result.path / name).stat().st_size > 0, name
    data = result.to_xarray()
    assert data["embedding"].dims == ("frame", "atom", "feature")
    assert bool(data["done"].all())
    np.testing.assert_allclose(np.diff(data["time"].values), 2.0)
    assert "2 environments" in result.verdict or "2 environments" in repr(result)


def test_what_the_result_rests_on_is_kept(result: object) -> None:
    trust = result.provenance["trust"]
    (copper,) = trust["groups"]
    assert copper["untrained"] > 0
    assert copper["trained"] > 0
    assert len(trust["starts"]) == 2
    assert copper["surrogates"] == 5
    assert [c["entered"] for c in trust["clusters"]] == [trust["transitions"][1][0], trust["transitions"][0][1]]
    for warning in trust["warnings"]:
        assert f"Caution: {warning}." in result.summary
    page = (result.path / "report.html").read_text(encoding="utf-8")
    assert "Can this be trusted?" in page
    assert result.shuffled.significant[0]


def test_molecules_that_lose_their_order_are_two_environments(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    corners = np.argwhere(np.ones((4, 4, 4))) * 4.0
    n = len(corners)
    universe = mda.Universe.empty(2 * n, trajectory=True)
    universe.add_TopologyAttr("elements", ["C", "O"] * n)
    universe.add_TopologyAttr("bonds", [(2 * i, 2 * i + 1) for i in range(n)])
    frames = []
    for number in range(60):
        way = rng.normal(size=(n, 3)) if number >= 36 else np.array([0.0, 0.0, 1.0]) + rng.normal(0.0, 0.1, (n, 3))
        first = corners + rng.normal(0.0, 0.2, (n, 3))
        second = first + 1.2 * way / np.linalg.norm(way, axis=1)[:, None]
        frames.append(np.stack([first, second], axis=1).reshape(-1, 3) % 16.0)  # the border cuts bonds
    universe.load_new(np.array(frames, dtype=np.float32), dimensions=np.array([16, 16, 16, 90, 90, 90], np.float32))
    out = tmp_path / "out"
    result = cgcnn_md.embed(universe, out=out, level="molecule", epochs=2, steps_per_epoch=5, map_points=20, seed=0)
    clusters = result.to_xarray()["cluster"].values
    assert clusters.shape == (60, n)
    assert len(result.clusters) == 2
    assert adjusted_rand_score(np.repeat(np.arange(60) >= 36, n), clusters.ravel()) > 0.9
    assert (result.clusters["coordination_CO"] > 4).all()  # of molecules by molecules


def test_a_crystal_that_melts_is_two_environments(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    perfect = ase.build.bulk("Cu", cubic=True).repeat(3)
    frames = [perfect.copy() for _ in range(60)]
    for number, frame in enumerate(frames):
        frame.positions += rng.normal(0.0, 0.1 if number < 36 else 0.5, frame.positions.shape)
    result = cgcnn_md.embed(frames, out=tmp_path / "out", epochs=2, steps_per_epoch=5, map_points=20, seed=0)
    clusters = result.to_xarray()["cluster"].values
    assert len(result.clusters) == 2
    assert adjusted_rand_score(np.repeat(np.arange(60) >= 36, 108), clusters.ravel()) > 0.95


def test_the_few_atoms_beside_vacancies_are_an_environment(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    crystal = ase.build.bulk("Ar", cubic=True, a=5.3).repeat(4)
    gone = [10, 200]
    beside = (crystal.get_all_distances(mic=True)[gone] < 4.5).any(axis=0)
    beside = np.delete(beside, gone)
    del crystal[gone]
    frames = [crystal.copy() for _ in range(40)]
    for frame in frames:
        frame.positions += rng.normal(0.0, 0.2, frame.positions.shape)
    result = cgcnn_md.embed(frames, out=tmp_path / "out", epochs=6, seeds=1, batch_atoms=2000, map_points=200, seed=0)
    clusters = result.to_xarray()["cluster"].values
    labels = np.broadcast_to(beside, clusters.shape)
    sure = clusters >= 0
    assert sure.mean() > 0.9
    assert adjusted_rand_score(labels[sure], clusters[sure]) > 0.9
