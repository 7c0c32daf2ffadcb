"""Populations, their intervals, and lifetimes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from systems import markov, store_of

from cgcnn_md.analysis.bootstrap import interval
from cgcnn_md.analysis.census import take_census
from cgcnn_md.analysis.populations import populations, populations_in_time


def test_a_chain_of_known_lifetimes_is_recovered(tmp_path: Path) -> None:
    labels = markov(4000, 20, (0.05, 0.2), np.random.default_rng(0))
    table = populations(store_of(tmp_path, labels))
    assert table.columns.tolist()[:7] == [
        "cluster",
        "species",
        "population",
        "population_low",
        "population_high",
        "lifetime_ps",
        "n_atom_frames",
    ]
    np.testing.assert_allclose(table.population, [0.8, 0.2], atol=0.02)
    np.testing.assert_allclose(table.lifetime_ps, [2 / 0.05, 2 / 0.2], rtol=0.05)
    assert (table.population_low < [0.8, 0.2]).all()
    assert (table.population_high > [0.8, 0.2]).all()
    assert table.n_atom_frames.sum() == labels.size


@pytest.mark.parametrize(("n_frames", "n_atoms"), [(400, 1), (60, 40)])
def test_intervals_cover_as_often_as_they_say(tmp_path: Path, n_frames: int, n_atoms: int) -> None:
    rng = np.random.default_rng(1)
    trials, hits = 60, 0
    for trial in range(trials):
        labels = markov(n_frames, n_atoms, (0.1, 0.2), rng)
        row = populations(store_of(tmp_path / str(trial), labels, unit=400), n_clusters=2).iloc[0]
        hits += row.population_low <= 2 / 3 <= row.population_high
    assert hits / trials >= 0.88


@pytest.mark.parametrize(("n_systems", "n_units"), [(1, 3), (10, 2)])
def test_intervals_over_systems_cover_as_often_as_they_say(n_systems: int, n_units: int) -> None:
    rng = np.random.default_rng(2)
    trials, hits = 300, 0
    for _ in range(trials):
        units = [(0.5 + 0.05 * rng.normal(size=(n_units, 1)), np.ones(n_units)) for _ in range(n_systems)]
        mean = np.mean([numerator for numerator, _ in units], axis=(0, 1))
        low, high = interval([units], mean, rng)
        hits += float(low[0]) <= 0.5 <= float(high[0])
    assert hits / trials >= 0.91


def test_collective_changes_widen_the_interval(tmp_path: Path) -> None:
    """All atoms switch together, so there are as many independent numbers as with one atom."""
    one = markov(400, 1, (0.1, 0.2), np.random.default_rng(3))
    together = populations(store_of(tmp_path / "a", np.repeat(one, 50, axis=1))).iloc[0]
    alone = populations(store_of(tmp_path / "b", one)).iloc[0]
    width = together.population_high - together.population_low
    assert width == pytest.approx(alone.population_high - alone.population_low, rel=0.2)


def test_runs_and_atoms_are_not_joined(tmp_path: Path) -> None:
    """Label 0 in the first run, 1 in the second: nobody ever left."""
    labels = np.repeat([[0], [1]], 10, axis=0).repeat(3, axis=1)
    table = populations(store_of(tmp_path, labels, runs=np.arange(20) // 10))
    assert np.isinf(table.lifetime_ps).all()
    assert table.longest_stay_ps.tolist() == [18.0, 18.0]


def test_skipped_frames_are_unknown_not_exits(tmp_path: Path) -> None:
    labels = np.asarray([0, 0, 1, 1, -1, 1, 1])[:, None]
    numbers = np.asarray([0, 1, 5, 6, 7, 8, 9])  # frames 2 to 4 could not be read
    table = populations(store_of(tmp_path, labels, numbers=numbers))
    assert np.isinf(table.lifetime_ps).all()
    assert table.longest_stay_ps.tolist() == [2.0, 8.0]
    assert table.population.tolist() == pytest.approx([2 / 7, 4 / 7])


def test_an_atom_between_clusters_has_not_left_the_last_one(tmp_path: Path) -> None:
    """Core sets: 0 is left once, when 1 is reached, and not by the attempt before."""
    labels = np.asarray([-1, 0, 0, -1, 0, -1, 1, 1])[:, None]
    census = take_census(store_of(tmp_path, labels))[0]
    assert census.exits.tolist() == [1, 0]
    assert census.at_risk.tolist() == [5, 1]
    assert census.by_atom.tolist() == [[3, 2]]


def test_frames_that_could_not_be_read_do_not_count(tmp_path: Path) -> None:
    labels = np.asarray([[0], [0], [-1], [0], [-1], [1]])
    store = store_of(tmp_path, labels)
    store.write(2, np.full((1, 1, 1), np.nan, dtype=np.float32), [np.nan])
    table = populations(store)
    assert table.population.tolist() == pytest.approx([3 / 5, 1 / 5])
    np.testing.assert_array_equal(table.longest_stay_ps, [2.0, np.nan])
    assert populations_in_time(store).time_ps.notna().all()


def test_units_join_seamlessly_and_undone_ones_do_not_count(tmp_path: Path) -> None:
    labels = markov(300, 5, (0.1, 0.2), np.random.default_rng(0))
    whole = populations(store_of(tmp_path / "a", labels, unit=300))
    pieces = store_of(tmp_path / "b", labels, unit=7)
    assert populations(pieces).equals(whole)
    pieces._group["done"][1] = False
    census = take_census(pieces)[0]
    assert len(census.frames) == 293
    assert census.at_risk.sum() == 5 * (299 - 8)


def test_clusters_count_within_their_species_over_all_systems(tmp_path: Path) -> None:
    species = ["O", "H", "H"]
    a = store_of(tmp_path, np.tile([0, 1, 2], (8, 1)), species=species, name="a")
    b = store_of(tmp_path, np.tile([0, 1, 1], (8, 1)), species=species, name="b")
    table = populations([a, b])
    assert table.species.tolist() == ["O", "H", "H"]
    assert table.population.tolist() == [1.0, 0.75, 0.25]
    assert table.population_low[0] == table.population_high[0] == 1.0
    series = populations_in_time([a, b])
    sums = series.groupby(["system", "run", "frame", "species"]).fraction.sum()
    np.testing.assert_allclose(sums, 1.0)
    assert set(series.system) == {"a", "b"}


@pytest.mark.parametrize(
    ("labels", "bounded"), [(np.zeros((1, 1)), False), (np.eye(4)[:1], True), (np.eye(4)[:, :1], True)]
)
def test_little_data_gives_no_false_certainty(tmp_path: Path, labels: np.ndarray, bounded: bool) -> None:
    row = populations(store_of(tmp_path, labels.astype(int))).iloc[0]
    assert np.isfinite(row.population_low) == bounded
    if bounded:
        assert row.population_high - row.population_low > 0.3


def test_unknown_time_step_leaves_lifetimes_open(tmp_path: Path) -> None:
    table = populations(store_of(tmp_path, markov(50, 3, (0.3, 0.3), np.random.default_rng(0)), dt=None))
    assert table.lifetime_ps.isna().all()
    assert table.population.notna().all()


def test_no_labels_is_an_empty_table(tmp_path: Path) -> None:
    store = store_of(tmp_path, np.full((5, 2), -1))
    assert populations(store).empty
    assert populations_in_time(store).empty
    assert populations(store, n_clusters=2).population.tolist() == [0.0, 0.0]


def test_long_runs_are_averaged(tmp_path: Path) -> None:
    labels = markov(1000, 4, (0.1, 0.1), np.random.default_rng(0))
    series = populations_in_time(store_of(tmp_path, labels), points=50)
    assert len(series) == 100
    assert series.fraction[series.cluster == 0].mean() == pytest.approx((labels == 0).mean())
    assert series.time_ps.iloc[0] == pytest.approx(19.0)


@pytest.mark.parametrize("told", [True, False])
def test_atoms_of_a_molecule_are_one_piece(tmp_path: Path, told: bool) -> None:
    """Eight atoms of each molecule move together, in a run that is short against their stays."""
    rng, molecules = np.random.default_rng(4), np.repeat(np.arange(20), 8)
    trials, hits = 50, 0
    for trial in range(trials):
        labels = np.repeat(markov(20, 20, (0.01, 0.02), rng), 8, axis=1)
        store = store_of(tmp_path / str(trial), labels, molecules=molecules if told else None, unit=20)
        row = populations(store, n_clusters=2).iloc[0]
        hits += row.population_low <= 2 / 3 <= row.population_high
    assert (hits / trials >= 0.88) == told, hits


def test_one_molecule_leaves_its_atoms_as_pieces(tmp_path: Path) -> None:
    labels = np.tile([0, 1, 1, 1, 0, 0, 1, 0], (40, 1))  # nothing moves: blocks of time tell no doubt
    row = populations(store_of(tmp_path, labels, molecules=np.zeros(8, dtype=int))).iloc[0]
    assert row.population_high - row.population_low > 0.3


def test_runs_that_differ_widen_the_interval(tmp_path: Path) -> None:
    """Five runs, each in one state for ever."""
    labels = np.repeat(np.asarray([0, 1, 0, 0, 1]), 40)[:, None].repeat(30, axis=1)
    row = populations(store_of(tmp_path, labels, runs=np.arange(200) // 40)).iloc[0]
    assert row.population_low < 0.1
    assert row.population_high > 0.99
