"""Pairs never cross runs, the held-out border, or frames that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from systems import random_frame

from cgcnn_md.config import ModelConfig
from cgcnn_md.frame import Frame
from cgcnn_md.graph import knn_graph
from cgcnn_md.nn import Model
from cgcnn_md.objectives.views import jiggled, like_neighbours
from cgcnn_md.readers.groups import Groups
from cgcnn_md.readers.identity import Identity
from cgcnn_md.training.moments import gather_moments, pair_features
from cgcnn_md.training.pairs import Anchor, PairSampler


class FakeReader:
    """Frames in memory, of several runs."""

    def __init__(self, lengths: Sequence[int], n_targets: int | None = None, n: int = 30) -> None:
        rng = np.random.default_rng(0)
        first = random_frame(rng, n=n, length=9.0 * (n / 30) ** (1 / 3))
        self.n_atoms = n
        self._frames = [jiggled(first, 0.1, rng) for _ in range(sum(lengths))]
        self.runs = np.repeat(np.arange(len(lengths)), lengths)
        self.species = ("A", "B")
        levels = np.stack([first.species, np.arange(n) % 3 + 2])
        self.identity = Identity(("A", "B", "x", "y", "z"), levels.astype(np.int32), "bonds")
        self.targets = np.arange(n_targets or n)
        inside = self.identity.of(self.targets)
        self.groups = Groups.of_atoms(self.species, first.species[self.targets], self.targets, inside)
        self.bad_frames: dict[int, str] = {}
        self.dt = 1.0

    def __len__(self) -> int:
        return len(self._frames)

    def frames(self, indices: Sequence[int]) -> Iterator[Frame]:
        return (self._frames[i] for i in indices)


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    return Model.new(["A", "B"], ModelConfig(k=8, width=16, layers=2), shortest=0.8, longest=5.0)


def sampler(reader: FakeReader, model: Model, view: str = "time", lag: int = 3) -> PairSampler:
    return PairSampler([reader], model, view=view, lag=lag, batch_atoms=120, validation=0.3)  # type: ignore[list-item]


def test_lagged_pairs_stay_in_their_run_and_on_their_side_of_the_border(model: Model) -> None:
    reader = FakeReader([20, 14])
    drawn = sampler(reader, model)
    borders = {0: 14, 1: 30}
    assert drawn.train
    assert drawn.held_out
    for anchors, side in ((drawn.train, True), (drawn.held_out, False)):
        for anchor in anchors:
            ends = (anchor.frame, anchor.frame + 3)
            run = int(reader.runs[ends[0]])
            assert reader.runs[ends[1]] == run
            assert all((end < borders[run]) is side for end in ends)


def test_a_frame_that_cannot_be_read_is_in_no_pair(model: Model) -> None:
    reader = FakeReader([20])
    reader.bad_frames = {6: "broken"}
    drawn = sampler(reader, model)
    starts = {a.frame for a in drawn.train + drawn.held_out}
    assert not starts & {6, 3}
    assert {2, 4, 5, 7} <= starts


def test_both_ends_of_a_pair_are_the_same_atom(model: Model) -> None:
    reader = FakeReader([12], n_targets=7)
    drawn = sampler(reader, model)
    batch = drawn.batch([Anchor(0, 1), Anchor(0, 4)], np.random.default_rng(0))
    for graph, rows in ((batch.first, batch.rows_first), (batch.second, batch.rows_second)):
        np.testing.assert_array_equal(graph.nodes[graph.rows[rows]], np.tile(reader.targets, 2))


@pytest.mark.parametrize("view", ["time", "space"])
def test_each_end_of_a_pair_has_its_class(model: Model, view: str) -> None:
    model.identities = ("A", "B", "x", "z")
    reader = FakeReader([12])
    batch = sampler(reader, model, view).batch([Anchor(0, 1), Anchor(0, 4)], np.random.default_rng(0))
    assert len(batch.classes)
    ends = ((batch.first, batch.rows_first), (batch.second, batch.rows_second))
    for end, (graph, rows) in enumerate(ends):
        atoms = graph.nodes[graph.rows[rows]]
        own = reader.identity.codes[:, atoms]
        expected = [("A", "B")[s] if c == 3 else ("x", "", "z")[c - 2] for s, c in own.T]
        assert [model.identities[c] for c in batch.classes[:, end]] == expected


def test_moments_of_a_batch_do_not_depend_on_how_it_is_cut(model: Model) -> None:
    drawn = sampler(FakeReader([12]), model)
    whole = gather_moments(model, [drawn.batch(drawn.train, np.random.default_rng(0))])
    parts = gather_moments(model, (drawn.batch([a], np.random.default_rng(0)) for a in drawn.train))
    for name in whole:
        assert whole[name].n == parts[name].n
        np.testing.assert_allclose(whole[name].cross, parts[name].cross, rtol=1e-4, atol=1e-4)


def test_space_pairs_are_neighbours_of_one_species() -> None:
    frame = random_frame(np.random.default_rng(1), n=50)
    graph = knn_graph(frame, 8, cutoff=5.0, hops=1)
    first, second = like_neighbours(graph, frame.species, np.random.default_rng(0))
    np.testing.assert_array_equal(frame.species[first], frame.species[second])
    seen = graph.nodes[graph.index[graph.rows]]
    assert all(b in seen[a] and a != b for a, b in zip(first, second, strict=True))


def grouped(reader: FakeReader, size: int = 3) -> FakeReader:
    """Put atoms next to each other in number into groups of one kind, the last few into a smaller one."""
    targets = reader.targets
    group = targets // size
    n = int(group[-1]) + 1
    identity = Identity(("M",), np.zeros((1, n), dtype=np.int32))
    kind = np.zeros(n, dtype=np.int16)
    reader.groups = Groups("molecule", ("M",), kind, targets, group, identity, np.ones(len(targets)))
    return reader


def of_groups() -> Model:
    torch.manual_seed(0)
    config = ModelConfig(k=8, width=16, layers=2, level="molecule")
    made = Model.new(["A", "B"], config, shortest=0.8, longest=5.0)
    made.kinds = made.identities = ("M",)
    return made


def test_pairs_of_groups_are_of_one_group_with_all_its_members() -> None:
    reader, made = grouped(FakeReader([12], n_targets=20)), of_groups()
    batch = sampler(reader, made).batch([Anchor(0, 1), Anchor(0, 4)], np.random.default_rng(0))
    assert batch.species.tolist() == [0] * 14
    for graph, rows in ((batch.first, batch.rows_first), (batch.second, batch.rows_second)):
        assert rows.tolist() == list(range(14))
        assert graph.group is not None
        np.testing.assert_array_equal(graph.group, np.concatenate([np.arange(20) // 3, 7 + np.arange(20) // 3]))
        np.testing.assert_array_equal(graph.nodes[graph.rows], np.tile(reader.targets, 2))
    assert all(end.shape == (14, 32) for end in pair_features(made, batch))


def test_a_batch_holds_groups_enough_even_where_they_are_large() -> None:
    made = of_groups()
    small = PairSampler(
        [grouped(FakeReader([50]), size=3)], made, view="time", lag=1, batch_atoms=60, validation=0.0
    )  # type: ignore[list-item]  # fmt: skip
    assert small.per_batch() == 8  # 80 groups of 240 atoms: four times the budget
    large = PairSampler(
        [grouped(FakeReader([50]), size=15)], made, view="time", lag=1, batch_atoms=60, validation=0.0
    )  # type: ignore[list-item]  # fmt: skip
    assert large.per_batch() == 15  # 30 groups, though each has 15 atoms


def test_blocks_of_a_large_frame_hold_whole_groups() -> None:
    reader, made = grouped(FakeReader([4], n=2000), size=4), of_groups()
    drawn = PairSampler([reader], made, view="time", lag=1, batch_atoms=600, validation=0.0)  # type: ignore[list-item]
    assert not drawn.whole_frames
    batch = drawn.batch([Anchor(0, 1)] * 2, np.random.default_rng(0))
    graph = batch.first
    assert graph.group is not None
    assert 10 < graph.group.max() < 400
    members = graph.nodes[graph.rows]
    assert (np.bincount(graph.group) == 4).all()
    whole = [set((members[graph.group == g] // 4).tolist()) for g in range(graph.group.max() + 1)]
    assert all(len(of) == 1 for of in whole)
    assert len(batch.species) == len(whole)


@pytest.mark.parametrize(
    ("sizes", "frames"),
    [((1200,), 1), ((1300,), 0), ((300, 400, 500), 3), ((700, 700, 700), 0), ((100, 100, 100), 5), ((60,) * 20, 20)],
)
def test_frames_are_whole_and_of_each_system_where_blocks_would_cost_as_much(
    model: Model, sizes: tuple[int, ...], frames: int
) -> None:
    readers = [FakeReader([8], n=n) for n in sizes]
    drawn = PairSampler(readers, model, view="time", lag=1, batch_atoms=500, validation=0.0)  # type: ignore[arg-type]
    assert drawn.whole_frames == (frames > 0)
    if frames:
        assert drawn.per_batch() == frames
        batch = next(drawn.random(np.random.default_rng(0), 1))
        assert batch.first.counts[0] == frames * sum(sizes) // len(sizes)


def test_space_pairs_of_groups_are_of_groups_that_touch() -> None:
    reader, made = grouped(FakeReader([4])), of_groups()
    batch = sampler(reader, made, "space").batch([Anchor(0, 1), Anchor(0, 2)], np.random.default_rng(0))
    graph, group = batch.first, batch.first.group
    assert group is not None
    assert sorted(batch.rows_first.tolist()) == list(range(20))  # every group has a neighbour
    of_node = np.empty(len(graph.nodes), dtype=np.int64)
    of_node[graph.rows] = group
    for a, b in zip(batch.rows_first, batch.rows_second, strict=True):
        near = graph.index[graph.rows[group == a]]
        assert a != b
        assert b in of_node[near]


def test_noise_pairs_are_made_of_one_frame(model: Model) -> None:
    drawn = sampler(FakeReader([4]), model, view="noise")
    batch = drawn.batch([Anchor(0, 0)], np.random.default_rng(0))
    moved = np.abs(np.subtract(*(g.distance[g.rows, 0] for g in (batch.first, batch.second))))
    assert 0.0 < moved.mean() < 1.0


def test_blocks_of_a_jiggled_frame_share_it_until_the_next_is_taken(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    made = []

    def counted(frame: Frame, amplitude: float, rng: np.random.Generator) -> Frame:
        made.append(jiggled(frame, amplitude, rng))
        return made[-1]

    monkeypatch.setattr("cgcnn_md.training.pairs.jiggled", counted)
    reader = FakeReader([4], n=1400)
    settings = {"view": "noise", "lag": 1, "batch_atoms": 500, "validation": 0.0}
    drawn = PairSampler([reader], model, **settings)  # type: ignore[list-item, arg-type]
    made.clear()
    batch = drawn.batch([Anchor(0, 1)] * 3, np.random.default_rng(0))
    assert len(made) == 1
    assert not np.array_equal(batch.first.distance, batch.second.distance)
    for _ in drawn.random(np.random.default_rng(1), 2):  # frames of this size are left after each step
        pass
    assert len(made) == 3


def test_a_run_is_held_out_whole(model: Model) -> None:
    reader = FakeReader([20, 14, 16])
    settings = {"view": "time", "lag": 3, "batch_atoms": 120, "validation": 0.3}
    held = [frozenset({1})]
    drawn = PairSampler([reader], model, **settings, held_runs=held)  # type: ignore[list-item, arg-type]
    assert [a.frame for a in drawn.held_out] == list(range(20, 31))
    assert [a.frame for a in drawn.train] == [*range(17), *range(34, 47)]
    reader.bad_frames = {25: "cut off"}
    drawn = PairSampler([reader], model, **settings, held_runs=held)  # type: ignore[list-item, arg-type]
    assert {22, 25}.isdisjoint(a.frame for a in drawn.held_out)
