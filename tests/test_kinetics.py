"""Markov models on clusters: known rates are found, deeptime agrees, and doubts are said."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from systems import hops, store_of

deeptime = pytest.importorskip("deeptime", exc_type=ImportError)

from cgcnn_md.analysis.census import take_census  # noqa: E402
from cgcnn_md.analysis.counts import NO_EXAMPLES, Counts, choose_lags, gather_counts  # noqa: E402
from cgcnn_md.analysis.kinds import find_kinds  # noqa: E402
from cgcnn_md.analysis.kinetics import GroupKinetics, find_kinetics  # noqa: E402
from cgcnn_md.analysis.kinetics_tables import plain_numbers, rates_table, transitions_table  # noqa: E402
from cgcnn_md.analysis.kinetics_words import sentences  # noqa: E402
from cgcnn_md.analysis.markov import Bootstrap, Estimate  # noqa: E402
from cgcnn_md.analysis.populations import populations  # noqa: E402
from cgcnn_md.analysis.residence import Residence, reside  # noqa: E402
from cgcnn_md.store import Store  # noqa: E402

TWO = np.asarray([[0.95, 0.05], [0.2, 0.8]])
THREE = np.asarray([[0.97, 0.02, 0.01], [0.04, 0.93, 0.03], [0.02, 0.03, 0.95]])


def only(stores: Store | list[Store], n: int = 2, name: str = "Li") -> GroupKinetics:
    (found,) = find_kinetics([stores] if isinstance(stores, Store) else stores, {name: np.arange(n)})
    return found


def count(store: Store, lags: list[int], n: int = 2) -> np.ndarray:
    kinds = find_kinds([store], {"Li": np.arange(n)})
    made = gather_counts(store, kinds, lags=np.asarray(lags), seed=0)["Li"]
    np.testing.assert_array_equal(made.by_molecules.sum(axis=1), made.total)
    return made.total


def counted(*runs: np.ndarray) -> Counts:
    """Give counts at one lag, by run, of which molecules show nothing."""
    by_runs = np.stack(runs)[None]
    alike = np.repeat(by_runs.sum(axis=1, keepdims=True) // 50, 50, axis=1)
    nobody, never = (np.zeros(by.shape[:3], dtype=np.int64) for by in (alike, by_runs))
    which = np.arange(len(runs))
    return Counts(np.ones(1, dtype=np.int64), alike, by_runs, nobody, never, which, 100 + 0 * which, NO_EXAMPLES)


def runs_that_differ(n: int, rng: np.random.Generator) -> Counts:
    """Let half of those in cluster 0 stay, in one run more than in another."""
    stay = np.clip(rng.normal(0.5, 0.08, n), 0.05, 0.95)
    return counted(*(np.asarray([[k, 20000 - k], [1, 0]]) for k in rng.binomial(20000, stay)))


def stayed(counts: np.ndarray) -> np.ndarray:
    """Share of those in cluster 0 who stay."""
    return np.asarray(counts[..., 0, 0] / counts[..., 0, :].sum(axis=-1))


@pytest.mark.parametrize("unit", [7, 64, 4000])
def test_counts_equal_deeptimes(tmp_path: Path, unit: int) -> None:
    labels = hops(THREE, 300, 5, np.random.default_rng(0))
    mine = count(store_of(tmp_path, labels, unit=unit), [1, 3, 16], n=3)
    for lag, counted in zip([1, 3, 16], mine):
        estimator = deeptime.markov.TransitionCountEstimator(lag, "sliding", n_states=3)
        theirs = estimator.fit_fetch(list(labels.T.astype(np.int64))).count_matrix
        np.testing.assert_array_equal(counted, theirs)


def test_models_equal_deeptimes(tmp_path: Path) -> None:
    labels = hops(THREE, 1500, 8, np.random.default_rng(1))
    model = only(store_of(tmp_path, labels), 3).model
    assert model is not None
    trajectories = list(labels.T.astype(np.int64))
    for lag, times in zip(model.lags, model.timescales.value):
        counts = deeptime.markov.TransitionCountEstimator(int(lag), "sliding").fit_fetch(trajectories)
        theirs = deeptime.markov.msm.MaximumLikelihoodMSM(reversible=True).fit_fetch(counts)
        known = times > 0  # an eigenvalue below 0 has no timescale, of its modulus neither
        np.testing.assert_allclose(times[known], theirs.timescales()[known], rtol=1e-5)
        if lag == model.lag:
            np.testing.assert_allclose(model.transition.value, theirs.transition_matrix, rtol=1e-6)
            np.testing.assert_allclose(model.populations.value, theirs.stationary_distribution, rtol=1e-6)
            passage = [[theirs.mfpt([i], [j]) if i != j else 0.0 for j in range(3)] for i in range(3)]
            np.testing.assert_allclose(model.first_passage.value, passage, rtol=1e-5, atol=1e-9)


def test_stays_are_the_lifetimes_of_the_table(tmp_path: Path) -> None:
    labels = hops(TWO, 800, 6, np.random.default_rng(2))
    labels[np.random.default_rng(3).random(labels.shape) < 0.1] = -1
    store = store_of(tmp_path, labels, runs=np.arange(800) // 300)
    np.testing.assert_allclose(only(store).stays.value * 2.0, populations(store).lifetime_ps, rtol=1e-12)


def test_an_atom_between_clusters_counts_with_the_last(tmp_path: Path) -> None:
    labels = np.asarray([-1, 0, 0, -1, 0, -1, 1, 1])[:, None]
    assert count(store_of(tmp_path, labels), [1, 2]).tolist() == [[[4, 1], [0, 1]], [[3, 2], [0, 0]]]


def test_counts_cross_neither_runs_nor_atoms_nor_missing_frames(tmp_path: Path) -> None:
    """In each run every atom stays where it is; a cluster is left nowhere."""
    labels = np.asarray([[0, 1]] * 10 + [[1, 0]] * 10 + [[0, 0]] * 5)
    runs = np.asarray([0] * 10 + [1] * 15)
    numbers = np.asarray([*range(20), *range(30, 35)])  # ten frames of the second run were not read
    made = count(store_of(tmp_path, labels, runs=runs, numbers=numbers, unit=6), [1, 2, 4, 8])
    assert (made * (1 - np.eye(2, dtype=int)) == 0).all()
    assert made.sum(axis=(1, 2)).tolist() == [
        2 * (25 - 3 * lag) if lag < 5 else 2 * (20 - 2 * lag) for lag in (1, 2, 4, 8)
    ]


def test_a_frame_that_could_not_be_read_parts_what_is_before_and_after(tmp_path: Path) -> None:
    labels = np.asarray([0, 0, 0, -1, 1, 1, 1])[:, None]
    store = store_of(tmp_path, labels)
    store.write(3, np.full((1, 1, 1), np.nan, dtype=np.float32), [6.0])
    assert count(store, [1]).tolist() == [[[2, 0], [0, 2]]]


def test_systems_in_other_equilibria_have_models_of_their_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    cold, hot = np.asarray([[0.98, 0.02], [0.18, 0.82]]), np.asarray([[0.82, 0.18], [0.02, 0.98]])
    made = zip(["cold", "hot", "pure"], [hops(cold, 1000, 50, rng), hops(hot, 1000, 50, rng), np.zeros((400, 9))])
    stores = [store_of(tmp_path / name, labels, name=name) for name, labels in made]
    found = find_kinetics(stores, {"Li": np.arange(2)})
    assert [(group.name, list(group.counts)) for group in found] == [("Li in cold", ["cold"]), ("Li in hot", ["hot"])]
    for group, store in zip(found, stores):
        np.testing.assert_array_equal(group.transitions + np.diag(np.diag(total := count(store, [1])[0])), total)
        assert group.model is not None
        assert group.model.relaxation.value[0] == pytest.approx(-1 / np.log(0.8), rel=0.1)
        assert sentences(group)[0].startswith(f"{group.name}: exchange between clusters 0 and 1 relaxes in")


def test_a_system_has_the_lags_that_its_own_runs_bear(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    brief, long = hops(TWO, 60, 30, rng), hops(TWO, 1000, 30, rng)
    alone = only(store_of(tmp_path / "alone", brief))
    stores = [store_of(tmp_path / name, labels, name=name) for name, labels in (("brief", brief), ("long", long))]
    found = {group.name: group for group in find_kinetics(stores, {"Li": np.arange(2)})}
    assert found["Li in brief"].residence.lags.tolist() == alone.residence.lags.tolist() == [1, 2, 3, 4, 6, 8, 12]
    assert found["Li in long"].residence.lags[-1] == 192
    models = [alone.model, found["Li in brief"].model]
    lags, times = zip(*((model.lags, model.timescales.value) for model in models if model))
    np.testing.assert_array_equal(*lags)
    np.testing.assert_array_equal(*times)


def test_lags_are_geometric_and_a_quarter_of_the_run(tmp_path: Path) -> None:
    store = store_of(tmp_path, np.zeros((100, 1)), runs=np.arange(100) // 60)
    assert choose_lags([store]).tolist() == [1, 2, 3, 4, 6, 8, 12]


def test_known_rates_are_recovered(tmp_path: Path) -> None:
    found = only(store_of(tmp_path, hops(TWO, 4000, 20, np.random.default_rng(0))))
    model = found.model
    assert model is not None
    assert (model.lag, model.level) == (1, True)
    assert model.check is not None
    assert model.check.holds
    np.testing.assert_allclose(model.relaxation.value, -1 / np.log(0.75), rtol=0.03)
    np.testing.assert_allclose(model.rates.value[[0, 1], [1, 0]], -np.log(0.75) * np.asarray([0.2, 0.8]), rtol=0.05)
    np.testing.assert_allclose(model.populations.value, [0.8, 0.2], atol=0.01)
    assert found.active_fraction == 1.0


@pytest.mark.slow
@pytest.mark.parametrize(("transition", "n_frames", "n_atoms"), [(TWO, 3000, 1), (TWO, 300, 40), (THREE, 1500, 12)])
def test_intervals_cover_as_often_as_they_say(
    tmp_path: Path, transition: np.ndarray, n_frames: int, n_atoms: int
) -> None:
    rng, n = np.random.default_rng(6), len(transition)
    values = np.sort(np.linalg.eigvals(transition).real)[::-1]
    kernel = np.linalg.matrix_power(transition, 10_000)[0]
    hits: dict[str, list[bool]] = {"relaxation": [], "population": [], "probability": [], "stay": []}
    for trial in range(100):
        found = only(store_of(tmp_path / str(trial), hops(transition, n_frames, n_atoms, rng), unit=n_frames), n)
        model = found.model
        assert model is not None
        truth = {
            "relaxation": (model.relaxation, 0, -1 / np.log(values[1])),
            "population": (model.populations, 0, kernel[0]),
            "probability": (model.transition, (0, 1), np.linalg.matrix_power(transition, model.lag)[0, 1]),
            "stay": (found.stays, 1, 1 / (1 - transition[1, 1])),
        }
        for name, (estimate, place, true) in truth.items():
            hits[name].append(bool(estimate.low[place] <= true <= estimate.high[place]))
    covered = {name: np.mean(values) for name, values in hits.items()}
    assert all(0.9 <= share <= 0.99 for share in covered.values()), covered


def test_intervals_over_runs_of_several_systems_cover_as_often_as_they_say() -> None:
    rng, trials, hits = np.random.default_rng(0), 300, 0
    for _ in range(trials):
        systems = [runs_that_differ(2, rng) for _ in range(10)]
        bootstrap = Bootstrap(systems, 1.0, rng)
        value, replicas = stayed(sum(c.total for c in systems)[0]), bootstrap.counts(0, np.arange(2))
        found = bootstrap.interval(value, {kind: stayed(counts) for kind, counts in replicas.items()}, share=True)
        hits += bool(found.low <= 0.5 <= found.high)
    assert hits / trials >= 0.91


def test_atoms_of_a_molecule_are_drawn_together(tmp_path: Path) -> None:
    """Ten atoms of each molecule move together: a tenth of the atoms are independent."""
    labels = np.repeat(hops(TWO, 200, 40, np.random.default_rng(12)), 10, axis=1)
    spread = []
    for molecules in (np.repeat(np.arange(40), 10), None):
        store = store_of(tmp_path / str(molecules is None), labels, molecules=molecules)
        rng = np.random.default_rng(0)
        kinds = find_kinds([store], {"Li": np.arange(2)})
        made = gather_counts(store, kinds, lags=np.asarray([1]), seed=0)["Li"]
        drawn = Bootstrap([made], 5.0, rng, resamples=1000).counts(0, np.arange(2))["molecules"]
        spread.append((drawn[:, 0, 1] / drawn[:, 0].sum(axis=-1)).std())
    assert spread[0] / spread[1] == pytest.approx(np.sqrt(10), rel=0.25)


@pytest.mark.slow
def test_intervals_over_molecules_cover_as_often_as_they_say(tmp_path: Path) -> None:
    """Ten atoms of each molecule move together, in a run that is short against their stays."""
    rng, molecules = np.random.default_rng(12), np.repeat(np.arange(60), 10)
    slow, hits = np.asarray([[0.98, 0.02], [0.04, 0.96]]), []
    for trial in range(100):
        labels = np.repeat(hops(slow, 60, 60, rng), 10, axis=1)
        found = only(store_of(tmp_path / str(trial), labels, molecules=molecules, unit=60))
        assert found.model is not None
        assert found.model.pieces["molecules"] == 60
        share = found.model.populations
        hits.append(bool(share.low[0] <= 2 / 3 <= share.high[0]))
    assert np.mean(hits) >= 0.9, np.mean(hits)


def flickering(labels: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Give the other label for a moment to a share of them."""
    return np.where(rng.random(labels.shape) < share, 1 - labels, labels)


def test_recrossings_are_outlived_by_the_lag_that_is_chosen(tmp_path: Path) -> None:
    """Two long-lived states whose labels flicker: short lags see the flicker."""
    rng = np.random.default_rng(8)
    labels = hops(np.asarray([[0.99, 0.01], [0.01, 0.99]]), 4000, 20, rng)
    model = only(store_of(tmp_path, flickering(labels, 0.1, rng))).model
    assert model is not None
    assert model.timescales.value[0, 0] < 10
    assert model.lag > 8
    np.testing.assert_allclose(model.relaxation.value, -1 / np.log(0.98), rtol=0.25)


def test_says_that_timescales_never_level_off(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    labels = hops(np.asarray([[0.999, 0.001], [0.001, 0.999]]), 100, 400, rng)
    found = only(store_of(tmp_path, flickering(labels, 0.15, rng)))
    assert found.model is not None
    assert not found.model.level
    text = " ".join(sentences(found))
    assert re.search(r"timescales are not seen to level off: \S+ ps at a lag of 2 ps, .* lower bounds", text)


def test_few_data_do_not_make_a_timescale_level(tmp_path: Path) -> None:
    """It rises with every lag, and few atoms leave its interval wide."""
    rng = np.random.default_rng(1)
    labels = hops(np.asarray([[0.995, 0.005], [0.005, 0.995]]), 240, 6, rng)
    model = only(store_of(tmp_path, flickering(labels, 0.15, rng))).model
    assert model is not None
    assert not model.level


def test_says_that_frames_are_too_far_apart(tmp_path: Path) -> None:
    labels = hops(np.asarray([[0.6, 0.4], [0.4, 0.6]]), 500, 10, np.random.default_rng(0))
    text = " ".join(sentences(only(store_of(tmp_path, labels, dt=10.0))))
    assert re.search(r"lasts 2\.\d stored frames on average.*: frames at most [45]\.?\d* ps apart are needed", text)


def test_says_that_runs_are_too_short(tmp_path: Path) -> None:
    labels = hops(np.asarray([[0.99, 0.01], [0.02, 0.98]]), 100, 300, np.random.default_rng(0))
    text = " ".join(sentences(only(store_of(tmp_path, labels))))
    assert re.search(r"runs of at least \d+ ps are needed", text)


def test_a_state_never_left_is_left_out_and_said(tmp_path: Path) -> None:
    labels = hops(TWO, 1000, 10, np.random.default_rng(8))
    labels[600:, 0] = 2  # a trap
    found = only(store_of(tmp_path, labels), 3)
    assert found.model is not None
    assert found.model.states.tolist() == [0, 1]
    assert found.active_fraction == pytest.approx(1 - 399 / 9990)
    assert "Li: cluster 2 left out" in " ".join(sentences(found))
    assert set(rates_table([found])["to"]) == {0, 1}


def test_of_two_sets_that_exchange_within_the_model_is_of_the_one_seen_most(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    labels = np.concatenate([hops(TWO, 400, 40, rng), 2 + hops(THREE, 400, 4, rng)], axis=1)
    found = only(store_of(tmp_path, labels), 5)
    assert found.model is not None
    assert found.model.states.tolist() == [0, 1]
    told = "Li: clusters 2, 3, 4 left out, since no atom was seen to go there from the others and back"
    assert told in " ".join(sentences(found))


def test_exchange_that_is_over_within_a_frame_has_no_time(tmp_path: Path) -> None:
    labels = np.random.default_rng(1).permuted(np.arange(40) % 2 * np.ones((200, 1), dtype=int), axis=1)
    labels[1::2] = 1 - labels[::2]  # less alike than by chance
    said = sentences(only(store_of(tmp_path, labels)))
    assert said[0] == "Li: exchange between clusters 0 and 1 relaxes in less than the lag, 2 ps."
    assert not any("lower bounds" in text for text in said)


def test_a_time_below_the_lag_is_given_where_it_is_known(tmp_path: Path) -> None:
    labels = hops(np.asarray([[0.55, 0.45], [0.45, 0.55]]), 2000, 50, np.random.default_rng(1))
    (said, *_) = sentences(only(store_of(tmp_path, labels, dt=1.0)))
    found = re.search(r"relaxes in ([\d.]+) ps \(95 % interval ([\d.]+) to ([\d.]+) ps\), lag 1 ps", said)
    assert found is not None
    time, low, high = (float(number) for number in found.groups())
    assert low <= -1 / np.log(0.1) <= high
    assert time == pytest.approx(-1 / np.log(0.1), rel=0.05)


def test_small_numbers_are_written(tmp_path: Path) -> None:
    found = only(store_of(tmp_path, hops(TWO, 300, 10, np.random.default_rng(2))))
    (row, *_), (slow, *_) = (
        plain_numbers(replace(found, dt=dt))["rate_per_ps"]["value"] for dt in (1.0, 1e12)
    )  # fmt: skip
    assert slow[1] == pytest.approx(row[1] * 1e-12, rel=1e-9, abs=0)


def test_one_way_transitions_have_no_equilibrium(tmp_path: Path) -> None:
    labels = (np.arange(100)[:, None] > np.arange(5) * 20).astype(int)
    found = only(store_of(tmp_path, labels))
    assert found.model is None
    assert "transitions go one way only (5 from 0 to 1)" in sentences(found)[0]
    assert plain_numbers(found)["active_fraction"] == 0.0


def test_no_transition_no_rates(tmp_path: Path) -> None:
    found = only(store_of(tmp_path, np.asarray([[0, 1]] * 50)))
    assert found.model is None
    assert sentences(found) == [
        "Li: no transition between clusters was seen: no rates; runs of more than the present 100 ps, or more atoms, "
        "are needed."
    ]


@pytest.mark.parametrize(("strays", "share"), [(0.003, "99.6 % and more"), (0.0002, "99.9 % and more"), (0, "all")])
def test_systems_that_keep_to_clusters_of_their_own_do_not_exchange(tmp_path: Path, strays: float, share: str) -> None:
    rng = np.random.default_rng(0)
    stores = []
    for own in range(2):
        labels = np.where(rng.random((400, 30)) < strays, 1 - own, own)
        stores.append(store_of(tmp_path / str(own), labels, name=str(own)))
    found = only(stores)
    assert found.transitions.any() == (strays > 0)
    assert found.model is None
    (said,) = sentences(found)[:1]
    assert f"every system keeps to one cluster ({share} of its atom-frames): no rates" in said

    mixed = [store_of(tmp_path / "m", hops(TWO, 400, 30, rng), name="m"), stores[0]]
    assert "Li in m" in [group.name for group in find_kinetics(mixed, {"Li": np.arange(2)}) if group.model]


def test_one_cluster_has_no_kinetics(tmp_path: Path) -> None:
    assert find_kinetics([store_of(tmp_path, np.zeros((50, 2)))], {"Li": np.arange(1)}) == []


def test_times_are_frames_where_the_spacing_is_not_known(tmp_path: Path) -> None:
    labels = hops(TWO, 1000, 10, np.random.default_rng(9))
    found = only(store_of(tmp_path, labels, dt=None))
    facts = plain_numbers(found)
    assert not [key for key in facts if key.endswith("_ps")]
    assert facts["relaxation_frames"]["value"] == pytest.approx([-1 / np.log(0.75)], rel=0.1)
    assert {"rate_per_frame", "mfpt_frames"} < set(rates_table([found]))
    assert re.search(r"relaxes in 3\.\d+ frames", facts["sentences"][0])


def test_examples_are_transitions(tmp_path: Path) -> None:
    labels = hops(THREE, 2000, 6, np.random.default_rng(10))
    numbers = np.arange(2000) * 5 + 3
    store = store_of(tmp_path, labels, numbers=numbers, unit=50)
    table = transitions_table([only(store, 3)], [store])
    assert (table.groupby(["from", "to"]).size() == 20).all()
    assert len(table) == 120
    frame, atom = (table.frame.to_numpy() - 3) // 5, table.atom.to_numpy()
    np.testing.assert_array_equal(labels[frame, atom], table["to"])
    np.testing.assert_array_equal(labels[frame - 1, atom], table["from"])
    np.testing.assert_allclose(table.time_ps, frame * 2.0)
    assert np.ptp(frame) > 1500  # from all of the run


def test_the_census_counts_the_same_steps(tmp_path: Path) -> None:
    labels = hops(TWO, 500, 6, np.random.default_rng(11))
    labels[np.random.default_rng(3).random(labels.shape) < 0.2] = -1
    store = store_of(tmp_path, labels)
    census, counted = take_census(store)[0], count(store, [1])[0]
    assert counted.sum(axis=1).tolist() == census.at_risk.tolist()
    assert (counted.sum(axis=1) - np.diag(counted)).tolist() == census.exits.tolist()


def test_residence_is_what_counting_by_hand_gives(tmp_path: Path) -> None:
    """Both correlations, over runs, units and attempts, against plain loops."""
    labels = hops(THREE, 300, 4, np.random.default_rng(13))
    labels[np.random.default_rng(3).random(labels.shape) < 0.1] = -1
    runs = np.arange(300) // 110
    found = only(store_of(tmp_path, labels, runs=runs, unit=7), 3).residence
    filled = labels.copy()
    for run in range(3):
        rows = np.flatnonzero(runs == run)
        for before, row in pairwise(rows):
            filled[row] = np.where(filled[row] < 0, filled[before], filled[row])
    for place, lag in enumerate(found.lags.tolist()):
        began, still, again = np.zeros(3), np.zeros(3), np.zeros(3)
        for run in range(3):
            mine = filled[runs == run]
            for start in range(len(mine) - lag):
                for way in mine[start : start + lag + 1].T:
                    if way[0] >= 0:
                        began[way[0]] += 1
                        again[way[0]] += way[-1] == way[0]
                        still[way[0]] += (way == way[0]).all()
        np.testing.assert_allclose(found.still.value[place], still / began)
        np.testing.assert_allclose(found.again.value[place], again / began)


def test_residence_times_are_those_of_the_chain(tmp_path: Path) -> None:
    """Stays of a Markov chain are geometric; with two states one exponential takes `again` to the share."""
    found = only(store_of(tmp_path, hops(TWO, 4000, 20, np.random.default_rng(0)))).residence
    np.testing.assert_allclose(found.still_time, [-1 / np.log(0.95), -1 / np.log(0.8)], rtol=0.06)
    np.testing.assert_allclose(found.again_time, -1 / np.log(0.75), rtol=0.06)
    for estimate, truth in (
        (found.still, np.stack([0.95**found.lags, 0.8**found.lags], axis=1)),
        (found.again, found.share + (1 - found.share) * 0.75 ** found.lags[:, None]),
    ):
        covered = (estimate.low <= truth + 1e-3) & (truth - 1e-3 <= estimate.high)
        assert covered.mean() > 0.8


def test_atoms_of_two_systems_are_there_again_as_often_as_in_their_own() -> None:
    """Nine in ten atoms of one system are in cluster 0, one in ten of another, which is twice as large."""
    systems = [counted(np.asarray([[81, 9], [9, 1]])), counted(2 * np.asarray([[1, 9], [9, 81]]))]
    found = reside(systems, Bootstrap(systems, 1.0, np.random.default_rng(0)))
    (n, p), (m, q) = (100, np.asarray([0.9, 0.1])), (200, np.asarray([0.1, 0.9]))
    np.testing.assert_allclose(found.share, (n * p**2 + m * q**2) / (n * p + m * q))
    np.testing.assert_allclose(found.again.value[0], found.share)  # these counts are over in a lag


def test_residence_that_is_over_between_two_lags_falls_evenly_there() -> None:
    none = Estimate(np.zeros(0), np.zeros(0), np.zeros(0))
    still = Estimate(np.asarray([[0.9, 0.0], [0.5, 0.0], [0.0, 0.0]]), none.low, none.high)
    left = 1 - np.exp(-1)
    times = Residence(np.asarray([1, 8, 12]), still, none, np.zeros(2)).still_time
    np.testing.assert_allclose(times, [8 + 4 * (0.5 - np.exp(-1)) / 0.5, left])
