"""What a result rests on: transitions counted, drifts told, warnings in words."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from systems import markov, store_of

from cgcnn_md.analysis.census import take_census
from cgcnn_md.analysis.cluster import Evidence, SpeciesClusters
from cgcnn_md.analysis.discovery import Discovery
from cgcnn_md.analysis.drift import drifts, gaps
from cgcnn_md.analysis.surrogates import Shuffles
from cgcnn_md.analysis.trust import Trust, assess, effective_rank
from cgcnn_md.kinetic_map import KineticMap
from cgcnn_md.report.trust import trust_section
from cgcnn_md.store import Store
from cgcnn_md.training.trainer import explained


def judged(
    *stores: Store, n_clusters: int = 2, shuffles: Shuffles | None = None, surrogates: int = 5, stability: float = 1.0,
    n_coordinates: int = 2, **provenance: object,
) -> Trust:  # fmt: skip
    evidence = Evidence(n_clusters, n_coordinates, 0.1, stability, 1.0, "", surrogates=surrogates)
    found = Discovery(
        {"Li": SpeciesClusters(np.arange(2), None, evidence)}, {"Li": 0}, {"Li": "Li"},
        {} if shuffles is None else {"Li": shuffles},
    )  # fmt: skip
    maps = {"Li": KineticMap(np.zeros((1, 2)), np.eye(2), np.array([0.9, 0.9]), np.zeros(2))}
    return assess(found, take_census(stores, n_clusters=n_clusters), maps, provenance)


def test_transitions_are_counted_between_cores(tmp_path: Path) -> None:
    labels = np.asarray([[0, 2], [-1, 2], [1, -1], [1, 2], [0, 2], [-1, 0], [0, 0]])
    census = take_census(store_of(tmp_path, labels))[0]
    assert census.transitions.tolist() == [[0, 1, 0], [1, 0, 0], [1, 0, 0]]
    assert census.exits.tolist() == [1, 1, 1]


def test_transitions_are_those_of_the_chain_and_not_across_runs(tmp_path: Path) -> None:
    labels = markov(500, 7, (0.1, 0.2), np.random.default_rng(0))
    runs = np.arange(500) // 250
    wanted = np.zeros((2, 2), dtype=int)
    for run in (labels[:250], labels[250:]):
        for now, later in zip(run[:-1].ravel(), run[1:].ravel()):
            wanted[now, later] += now != later
    census = take_census(store_of(tmp_path, labels, runs=runs))[0]
    assert census.transitions.tolist() == wanted.tolist()


def test_support_of_each_cluster(tmp_path: Path) -> None:
    labels = np.zeros((60, 6), dtype=int)
    labels[10:20, 0] = 1
    labels[30:, 1] = 1
    trust = judged(store_of(tmp_path, labels))
    first, second = trust.clusters
    assert (first.frames, first.atoms, first.entered, first.left) == (60, 6, 1, 2)
    assert (second.frames, second.atoms, second.entered, second.left) == (40, 2, 2, 1)
    assert trust.transitions == [[0, 2], [1, 0]]
    assert "Li: only 3 transitions between clusters 0 and 1" in trust.warnings
    assert "Li: cluster 1 is seen in 2 atoms only" in trust.warnings


def test_a_stationary_chain_has_nothing_against_it(tmp_path: Path) -> None:
    labels = markov(600, 40, (0.05, 0.1), np.random.default_rng(0))
    trust = judged(store_of(tmp_path, labels), scores={"Li": {"trained": 1.9, "untrained": 1.2}}, starts=[2.0, 2.1])
    assert trust.warnings == []
    assert (trust.groups[0].untrained, trust.groups[0].trained) == (1.2, 1.9)
    assert trust.groups[0].effective_rank == pytest.approx(2.0)
    assert "Nothing was found that speaks against it." in trust_section(trust.record())


@pytest.mark.parametrize("leave", [(0.3, 0.3), (0.02, 0.03), (0.002, 0.003)])
@pytest.mark.parametrize("n_atoms", [2, 100])
def test_equilibrium_is_rarely_called_a_drift(tmp_path: Path, leave: tuple[float, float], n_atoms: int) -> None:
    rng = np.random.default_rng(0)
    told = 0
    for trial in range(40):
        census = take_census(store_of(tmp_path / str(trial), markov(120, n_atoms, leave, rng)), n_clusters=2)[0]
        told += len(list(drifts(census, "Li", np.arange(2))))
    assert told <= 1


def test_a_drift_is_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    share = np.linspace(0.5, 0.9, 120)
    labels = (rng.permutation(100) < 100 * share[:, None]).astype(int)  # every atom changes once at most
    trust = judged(store_of(tmp_path, labels, name="melt"))
    words = [w for w in trust.warnings if "drifts" in w]
    assert words == [
        "Li: the share of cluster 1 drifts from 0.57 to 0.84 along the run in melt: not in equilibrium, or too "
        "slow for a run so short"
    ]


def test_clusters_that_never_meet_come_first(tmp_path: Path) -> None:
    labels = np.repeat([[0] * 5 + [1] * 5], 60, axis=0)
    trust = judged(store_of(tmp_path, labels), surrogates=3, stability=0.85)
    assert trust.warnings[0] == (
        "Li: clusters do not exchange at all: they may be parts that never meet (boxes, phases, places), and "
        "lifetimes are lower bounds"
    )
    assert trust.warnings[1].startswith("Li: only 3 of 5 surrogates without structure give one cluster")
    assert trust.warnings[2] == (
        "Li: halves of the data agree on the clusters with an index of 0.85 (0.8 is asked, 1 is the same)"
    )
    assert trust.sentences[0] == f"Caution: {trust.warnings[0]}."


def test_a_rare_way_beside_a_common_one_is_no_fault(tmp_path: Path) -> None:
    labels = np.tile([0, 1, 2, 1], 60)[:, None].repeat(8, axis=1)
    labels[101, 0] = 2  # straight from 0, once
    assert not [w for w in judged(store_of(tmp_path / "a", labels), n_clusters=3).warnings if "transition" in w]
    parted = np.hstack([np.tile([0, 1], 60)[:, None].repeat(8, axis=1), np.full((120, 8), 2)])
    assert (
        "Li: no atom is seen to go between clusters 0 and 1; cluster 2"
        in judged(store_of(tmp_path / "b", parted), n_clusters=3).warnings
    )


def test_training_starts_and_shuffles_are_judged(tmp_path: Path) -> None:
    labels = markov(40, 20, (0.2, 0.3), np.random.default_rng(0))
    kept, none = np.full(2, 0.9), np.zeros(2)
    shuffles = Shuffles(kept, kept, none, np.array([0.88, 0.89]), none, np.array([0.0, 0.9]), none, none + 0.1)
    trust = judged(
        store_of(tmp_path, labels), shuffles=shuffles, scores={"Li": {"trained": 1.1, "untrained": 1.2}},
        starts=[1.0, 2.0],
    )  # fmt: skip
    assert trust.warnings == [
        "Li: training did not raise the variance that held-out pairs keep (1.2 before, 1.1 after)",
        "Li: coordinate 1 belongs to the box, not the atom: other atoms of it have the same, and no timescale follows",
        "Li: coordinate 0 is frozen for the whole run, as a label would be",
        "only 40 frames in a run: what is rare or slow is not seen",
        "starts of training reached scores from 1 to 2: try another seed",
    ]
    below = judged(store_of(tmp_path / "below", labels), starts=[-5.0, -4.0]).warnings  # of VICReg: no ratio
    assert not any("starts of training" in words for words in below)
    one = judged(store_of(tmp_path / "one", np.zeros_like(labels)), n_clusters=1, shuffles=shuffles).warnings
    assert "Li: coordinate 0 is frozen for the whole run, so atoms differ lastingly, but no gap parts them" in one


def test_what_training_lost_is_said_where_no_coordinate_is_left(tmp_path: Path) -> None:
    store = store_of(tmp_path, np.zeros((60, 20), dtype=int))
    cautions = []
    for trained in (0.04, 0.25):
        scores = {"Li": {"trained": trained, "untrained": 0.3}}
        cautions.append(judged(store, n_clusters=1, n_coordinates=0, scores=scores).warnings)
    assert cautions == [
        ["Li: training did not raise the variance that held-out pairs keep (0.3 before, 0.04 after)"], []
    ]  # fmt: skip


def test_what_unseen_time_does_not_know_is_said(tmp_path: Path) -> None:
    store = store_of(tmp_path, np.zeros((60, 20), dtype=int))
    cautions = []
    for there in (0.02, 0.5):
        scores = {"Li": {"trained": 0.3, "untrained": 0.2, "slowest": [0.6, there]}}
        cautions.append(judged(store, n_clusters=1, n_coordinates=0, scores=scores).warnings)
    once = "(autocorrelation 0.60, 0.02 on unseen time): it happens once in the run, or atoms are few"
    assert cautions == [[f"Li: what is slowest in the time trained on is not seen again {once}"], []]


def test_effective_rank_counts_equal_variances() -> None:
    assert effective_rank(np.array([0.5, 0.5, 0.5, 0.0])) == pytest.approx(3.0)
    assert effective_rank(np.array([1.0, 0.0])) == pytest.approx(1.0)
    assert effective_rank(np.zeros(3)) == 0.0


def test_the_section_says_all_and_escapes_it(tmp_path: Path) -> None:
    trust = judged(store_of(tmp_path, np.zeros((10, 5), dtype=int)), n_clusters=1).record()
    trust["warnings"] = ["<script>"]
    html = trust_section(trust)
    assert "<li>&lt;script&gt;</li>" in html
    assert "<td>5 of 5</td>" in html
    assert "<td>–</td>" in html  # scores are not known


def test_runs_that_disagree_are_told(tmp_path: Path) -> None:
    """Two runs, in each of which atoms hardly leave where they began."""
    rng = np.random.default_rng(8)
    labels = np.concatenate([markov(100, 50, (0.001, 0.02), rng), markov(100, 50, (0.02, 0.001), rng)])
    trust = judged(store_of(tmp_path, labels, runs=np.arange(200) // 100))
    (said,) = [w for w in trust.warnings if "one equilibrium" in w]
    shares = r"0\.\d\d in run [12] and 0\.\d\d in run [12]"
    assert re.fullmatch(rf"Li: the share of cluster \d is {shares}: runs have not come to one equilibrium", said)


def test_runs_of_one_equilibrium_are_not_told_apart(tmp_path: Path) -> None:
    """Fast exchange, slow exchange, and none but a few atoms."""
    rng = np.random.default_rng(9)
    told = 0
    for trial in range(60):
        leave, n_atoms = [((0.2, 0.3), 30), ((0.002, 0.004), 30), ((0.01, 0.02), 3)][trial % 3]
        labels = np.concatenate([markov(80, n_atoms, leave, rng) for _ in range(4)])
        (census,) = take_census(store_of(tmp_path / str(trial), labels, runs=np.arange(320) // 80), n_clusters=2)
        told += len(list(gaps(census, "Li", np.arange(2))))
    assert told <= 3


def test_what_another_start_explains_is_told_of_few_atoms_too() -> None:
    """Fitted to 200 rows of 64 features; half of the variance of one coordinate is noise."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, 64)).astype(np.float32)
    alike, noise = features[:, :2] @ rng.normal(size=(2, 1)), rng.normal(size=(400, 1))
    assert explained(features, alike) > 0.99
    assert abs(explained(features, noise)) < 0.1  # plain least squares: -0.2 and less
    assert explained(features, alike / alike.std() + noise) == pytest.approx(0.5, abs=0.15)
