"""Clusters: as many as there are, one where there is one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import gaussian_kde
from sklearn.metrics import adjusted_rand_score, homogeneity_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from cgcnn_md.analysis.cluster import find_clusters
from cgcnn_md.analysis.halves import PLACES
from cgcnn_md.analysis.nulls import try_surrogates
from cgcnn_md.analysis.valley import CLEAR, PASS, Valley
from cgcnn_md.analysis.valley_clusters import ValleyClusters, nearness


@parametrize_with_checks([ValleyClusters()])
def test_keeps_the_estimator_contract(estimator: object, check: object) -> None:
    check(estimator)  # type: ignore[operator]


@pytest.mark.parametrize("apart", [4.0, 5.0, 6.0])
def test_a_valley_is_that_of_a_kernel_density(apart: float) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3000, 1)), apart + rng.normal(size=(1000, 1))
    valley = Valley.between(a, b)
    both = np.concatenate([a, b])[:, 0]
    density = gaussian_kde(both, bw_method=0.3 * min(a.std(), b.std()) / both.std(ddof=1))
    grid = np.linspace(0.0, apart, 400)
    peak, floor = density(np.linspace(apart - 1, apart + 1, 200)).max(), density(grid).min()
    assert valley.ratio == pytest.approx(floor / peak, rel=0.03, abs=0.003)
    assert density(valley.threshold / valley.axis)[0] <= 2.1 * floor


@pytest.mark.parametrize("n", [2, 3, 4])
def test_finds_parted_groups(n: int) -> None:
    rng = np.random.default_rng(n)
    truth = rng.choice(n, 6000, p=np.arange(1, n + 1) / sum(range(1, n + 1)))
    points = 6.0 * np.eye(n)[truth] + rng.normal(size=(6000, n))
    found = find_clusters(points, np.full(n, 0.9), np.arange(6000))
    assert found.n_clusters == n
    assert adjusted_rand_score(truth, found.predict(points)) > 0.98
    assert found.evidence.stability > 0.95


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", ["normal", "uniform", "skewed", "heavy"])
def test_one_group_is_one_cluster(seed: int, shape: str) -> None:
    rng = np.random.default_rng(seed)
    draw = {
        "normal": rng.normal(size=(6000, 3)), "uniform": rng.uniform(size=(6000, 3)),
        "skewed": rng.gamma(2.0, size=(6000, 3)), "heavy": rng.standard_t(4, size=(6000, 3)),
    }[shape]  # fmt: skip
    assert find_clusters(draw, np.full(3, 0.9), np.arange(6000)).n_clusters == 1


def test_coordinates_that_do_not_survive_are_not_looked_at() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(4000, 2))
    points[:2000, 1] += 10.0
    found = find_clusters(points, np.array([0.9, 0.1]), np.arange(4000))
    assert found.n_clusters == 1
    nothing = find_clusters(points, np.array([0.1, 0.05]), np.arange(4000))
    assert nothing.evidence.verdict.startswith("one environment only: no coordinate keeps its value")


def test_atoms_without_embedding_have_no_cluster() -> None:
    rng = np.random.default_rng(0)
    found = find_clusters(rng.normal(size=(500, 2)), np.array([0.9, 0.9]), np.arange(500))
    assert found.predict(np.array([[0.0, 0.0], [np.nan, 0.0]])).tolist() == [0, -1]


@pytest.mark.parametrize("seed", range(2))
def test_places_that_atoms_never_leave_are_no_environments(seed: int) -> None:
    rng = np.random.default_rng(seed)
    when, where = np.divmod(np.arange(30 * 60), 30)
    points, keep = rng.normal(size=(30, 3))[where] + 0.1 * rng.normal(size=(1800, 3)), np.full(3, 0.99)
    alone = find_clusters(points, keep, when)
    assert alone.n_clusters > 10
    assert alone.evidence.stability > 0.95  # on halves of the time, of which each holds the same atoms
    assert find_clusters(points, keep, when, where=where).n_clusters < 6

    points[:, 0] += 8.0 * rng.permutation(np.arange(30) < 12)[where]
    shared = find_clusters(points, keep, when, where=where)
    assert 1 < shared.n_clusters < 6
    assert "found again on halves of the time and of the atoms" in shared.evidence.verdict


def test_few_atoms_that_stay_are_told_from_environments_by_surrogates() -> None:
    rng = np.random.default_rng(0)
    when, where = np.divmod(np.arange(10 * 200), 10)
    points = rng.normal(size=(10, 3))[where] + 0.1 * rng.normal(size=(2000, 3))
    found = find_clusters(points, np.full(3, 0.99), when, where=where)
    assert found.n_clusters > 1
    assert try_surrogates(found, points, when).evidence.surrogates == 5
    assert try_surrogates(found, points, when, where).evidence.surrogates == 0


def test_an_environment_that_comes_late_is_found() -> None:
    rng = np.random.default_rng(0)
    when = np.repeat(np.arange(60), 50)
    points = rng.normal(size=(3000, 1)) + 8.0 * (when >= 36)[:, None]  # all atoms freeze at once
    found = find_clusters(points, np.full(1, 0.95), when)
    assert found.n_clusters == 2
    assert found.evidence.stability > 0.95


def test_rare_groups_that_are_left_at_once_do_not_hide_common_ones_that_last() -> None:
    rng = np.random.default_rng(0)
    places = np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 30.0], [30.0, 30.0]])
    state = rng.choice(4, 8000, p=[0.6, 0.36, 0.02, 0.02])
    after = np.where(state < 2, state, rng.integers(0, 2, 8000))  # the rare ones are left at once, far as they are
    points, later = (places[s] + rng.normal(size=(8000, 2)) for s in (state, after))
    found = find_clusters(points, np.full(2, 0.9), np.arange(8000), pairs=(points, later))
    assert found.n_clusters == 2
    common = state < 2
    assert adjusted_rand_score(state[common], found.membership(points).argmax(axis=1)[common]) > 0.98


@pytest.mark.parametrize(("apart", "n"), [(3.0, 1), (5.0, 2)])  # density between: 0.65 and 0.09 of the peaks
def test_a_barrier_below_1_5_kt_parts_nothing(apart: float, n: int) -> None:
    rng = np.random.default_rng(0)
    points = apart * rng.integers(0, 2, 20_000)[:, None] + rng.normal(size=(20_000, 1))
    assert find_clusters(points, np.full(1, 0.9), np.arange(20_000)).n_clusters == n


def test_three_need_a_deeper_valley_than_two() -> None:
    rng = np.random.default_rng(0)
    two, when = rng.integers(0, 2, 20_000), np.arange(20_000)
    noise = rng.normal(size=(20_000, 1))
    alone = find_clusters(4.45 * two[:, None] + noise, np.full(1, 0.9), when)  # density between: 0.20 of the peaks
    assert alone.n_clusters == 2
    assert CLEAR < alone.evidence.valley < PASS
    three = np.where(when % 3 == 0, 2, two)
    places = np.array([0.0, 4.45, 15.0])
    found = find_clusters(places[three][:, None] + noise, np.full(1, 0.9), when)
    assert found.n_clusters == 2
    assert adjusted_rand_score(three == 2, found.predict(places[three][:, None] + noise)) > 0.99
    places[1] = 4.8  # 0.14
    assert find_clusters(places[three][:, None] + noise, np.full(1, 0.9), when).n_clusters == 3


def test_groups_that_atoms_leave_at_once_are_no_environments() -> None:
    rng = np.random.default_rng(0)
    now, later = rng.integers(0, 2, (2, 4000))
    points = 8.0 * now[:, None] + rng.normal(size=(4000, 1))
    after = 8.0 * later[:, None] + rng.normal(size=(4000, 1))
    when = np.arange(4000)
    assert find_clusters(points, np.full(1, 0.5), when).n_clusters == 2
    assert find_clusters(points, np.full(1, 0.5), when, pairs=(points, points)).evidence.stays == 1.0
    left = find_clusters(points, np.full(1, 0.5), when, pairs=(points, after))
    assert left.evidence.verdict == (
        "one environment only: no parting by density valleys (up to 2 groups) is deep, is found again on halves of the "
        "time and outlives a lag"
    )


def test_taking_two_groups_together_moves_no_border_to_a_third() -> None:
    rng = np.random.default_rng(0)
    state = rng.choice(3, 20_000, p=[0.8, 0.1, 0.1])
    points = np.array([0.0, 7.0, 11.0])[state][:, None] + rng.normal(size=(20_000, 1))  # the last two: below 1.5 kT
    found = find_clusters(points, np.full(1, 0.9), np.arange(20_000))
    assert found.n_clusters == 2
    assert adjusted_rand_score(state > 0, found.predict(points)) > 0.98


def test_a_rare_cluster_that_one_half_of_the_time_has_not_is_merged_and_the_others_stay() -> None:
    rng = np.random.default_rng(0)
    when = np.arange(20_000)
    state = rng.integers(0, 2, len(when))
    state[(when < 2_000) & (rng.random(len(when)) < 0.1)] = 2  # in the first tenth, so in one half, 1 % of all
    points = np.array([[0.0, 0.0], [8.0, 0.0], [4.0, 30.0]])[state] + rng.normal(size=(len(when), 2))
    found = find_clusters(points, np.full(2, 0.9), when)
    assert found.n_clusters == 2
    common = state < 2
    assert adjusted_rand_score(state[common], found.predict(points)[common]) > 0.98


def test_atoms_that_diffuse_between_two_walls_are_not_three_environments() -> None:
    """Of even diffusion the slowest motions are cosines, along which most atoms are at either end."""
    rng = np.random.default_rng(0)
    place, places = rng.random(400), []
    for _ in range(80):
        place = np.abs(place + 0.05 * rng.normal(size=400))
        place = np.where(place > 1, 2 - place, place)
        places.append(place)
    slow = np.sqrt(2) * np.cos(np.pi * np.arange(1, 7) * np.array(places)[..., None])
    slow += 0.1 * rng.normal(size=slow.shape)
    keeps = np.array([np.corrcoef(slow[:-2, :, i].ravel(), slow[2:, :, i].ravel())[0, 1] for i in range(6)])
    slow *= keeps / slow.std(axis=(0, 1))
    when, where = np.divmod(np.arange(slow[..., 0].size), 400)

    def at_lag(lag: int) -> tuple[np.ndarray, np.ndarray]:
        return slow[:-lag].reshape(-1, 6), slow[lag:].reshape(-1, 6)

    points = slow.reshape(-1, 6)
    found = find_clusters(points, keeps, when, where=where, pairs=at_lag(2), lag=2, at_lag=at_lag)
    assert found.n_clusters <= 2


def test_rare_groups_far_away_do_not_hide_that_the_rest_is_two() -> None:
    """Phases along one of many coordinates, and a twenty-fifth of the points far out along two others."""
    rng = np.random.default_rng(1)
    n = 10_000
    phase = rng.choice([-1.0, 0.0, 1.0], n, p=[0.45, 0.1, 0.45])
    points = rng.normal(size=(n, 8))
    points[:, 0] = 0.3 * rng.normal(size=n) + np.where(phase == 0, rng.uniform(-1, 1, n), phase)
    rare = rng.choice([0, 1, 2], n, p=[0.96, 0.02, 0.02])
    points[rare == 1, 3] += 8
    points[rare == 2, 4] -= 8
    atoms = rng.integers(0, 200, n)
    found = find_clusters(points, np.full(8, 0.9), rng.permutation(n), where=atoms, pairs=(points, points))
    assert found.n_clusters == 4
    assert found.evidence.valley < 0.22
    labels = found.fitted.predict(points)
    known = (phase != 0) & (rare == 0)
    assert adjusted_rand_score(phase[known], labels[known]) > 0.99
    assert adjusted_rand_score(rare > 0, labels > 1) > 0.99


def walk(steps: np.ndarray, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Give states that many atoms are in now, and one lag later, by probabilities of every state to become another."""
    rng = np.random.default_rng(seed)
    share = np.linalg.matrix_power(steps, 1000)[0]
    now = rng.choice(len(steps), n, p=share)
    return now, (steps.cumsum(axis=1)[now] < rng.random(n)[:, None]).sum(axis=1)


def test_so_many_clusters_as_asked_are_those_that_last() -> None:
    """Two states with half a peak between them, and far from them two that are one, for atoms change at once."""
    steps = np.array([
        [0.980, 0.018, 0.001, 0.001], [0.080, 0.918, 0.001, 0.001], [0.010, 0.010, 0.490, 0.490],
        [0.010, 0.010, 0.490, 0.490],
    ])  # fmt: skip
    state, after = walk(steps, 6_000, 0)
    rng = np.random.default_rng(1)
    places = np.array([[0.0, 0.0], [3.2, 0.0], [-4.0, 30.0], [4.0, 30.0]])
    points, later = (places[s] + rng.normal(size=(len(s), 2)) for s in (state, after))
    found = find_clusters(points, np.full(2, 0.9), np.arange(6_000), pairs=(points, later), n_clusters=3)
    assert found.n_clusters == 3
    labels = found.fitted.predict(points)
    assert adjusted_rand_score(state > 1, labels == 2) > 0.99
    assert adjusted_rand_score(state[state < 2], labels[state < 2]) > 0.5  # what half a peak leaves to tell


def test_as_many_as_are_found_are_those_found_and_fewer_are_these_merged() -> None:
    rng = np.random.default_rng(0)
    state = rng.choice(3, 6_000, p=[0.5, 0.3, 0.2])
    points, later = (np.array([0.0, 6.0, 12.0])[state][:, None] + rng.normal(size=(6_000, 1)) for _ in range(2))
    keeps, when = np.full(1, 0.9), np.arange(6_000)
    found, same, two, five = (
        find_clusters(points, keeps, when, pairs=(points, later), n_clusters=n) for n in (None, 3, 2, 5)
    )
    assert found.n_clusters == 3
    np.testing.assert_array_equal(found.predict(points), same.predict(points))
    assert homogeneity_score(two.fitted.labels_, found.fitted.labels_) == pytest.approx(1.0)
    assert (two.n_clusters, five.n_clusters) == (2, 5)
    assert two.evidence.verdict.startswith("2 environments, as asked, in the one slow coordinate, found again on")
    few = find_clusters(points[:3], keeps, when[:3], n_clusters=5)
    assert few.evidence.verdict.startswith("3 environments of 5 asked, in the one slow coordinate, too few points")
    assert sorted(few.predict(points[:3])) == [0, 1, 2]


def test_so_many_as_there_are_not_are_said_not_to_be_found_again() -> None:
    points = np.random.default_rng(0).normal(size=(3_000, 3))
    found = find_clusters(points, np.full(3, 0.9), np.arange(3_000), pairs=(points, points), n_clusters=5)
    assert found.n_clusters == 5
    assert "5 environments, as asked, in the 3 slow coordinates, not found again on halves" in found.evidence.verdict


def test_no_cluster_is_without_points_however_many_are_asked_for() -> None:
    """Groups of one or two points, and groups on a grid, of which one is on no side of most borders."""
    rng = np.random.default_rng(0)
    few, grid = rng.normal(size=(240, 2)), rng.integers(0, 5, (300, 2)).astype(float)
    found = find_clusters(few, np.full(2, 0.9), np.arange(240), pairs=(few, few), n_clusters=60)
    assert found.evidence.verdict.startswith("60 environments, as asked")
    for points, fitted in ((few, found.fitted), (grid, ValleyClusters(n_clusters=5).fit(grid))):
        for labels in (fitted.labels_, fitted.predict(points)):
            np.testing.assert_array_equal(np.unique(labels), np.arange(fitted.n_clusters_))


def test_memberships_that_leave_a_cluster_empty_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    state = np.random.default_rng(0).integers(0, 2, 2_000)
    points = 9.0 * state[:, None] + np.random.default_rng(1).normal(size=(2_000, 1))
    nobody = lambda *_, **__: lambda at: np.tile([0.9, 0.1], (len(at), 1))  # noqa: E731
    monkeypatch.setattr("cgcnn_md.analysis.cluster.Membership.over_time", nobody)
    found = find_clusters(points, np.ones(1), np.arange(2_000), pairs=(points, points))
    assert found.n_clusters == 2
    assert found.belongs is None


@pytest.mark.parametrize("timed", [True, False])
def test_of_clusters_that_nothing_joins_those_of_one_system_are_merged(timed: bool) -> None:
    """Sites of two crystals: all as far from each other as from those of the other crystal."""
    rng = np.random.default_rng(0)
    site = rng.choice(4, 4_000, p=[0.4, 0.1, 0.3, 0.2])
    crystal, points = site // 2, 20.0 * np.eye(4)[site] + rng.normal(size=(4_000, 4))
    found = find_clusters(
        points, np.full(4, 0.99), np.arange(4_000), where=rng.integers(0, 200, 4_000) + PLACES * crystal,
        pairs=(points, points) if timed else None, n_clusters=2,
    )  # fmt: skip
    assert adjusted_rand_score(crystal, found.predict(points)) > 0.99


def test_a_valley_that_holds_points_tells_more_than_the_system() -> None:
    a, b, c = np.array([9, 0]), np.array([0, 5]), np.array([3, 1])
    assert nearness(0.06, a, b) > nearness(0.05, a, a) > nearness(0.05, a, c) > nearness(0.05, a, b)
    assert nearness(0.05, a, c) == pytest.approx(0.75, abs=1e-4)
    assert nearness(0.3, a, b) > nearness(0.2, a, a)
