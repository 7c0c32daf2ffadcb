"""Symmetry, continuity and independence of an atom's features."""

from __future__ import annotations

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from systems import random_frame, with_positions

from cgcnn_md.frame import Frame
from cgcnn_md.graph import batch_graphs, knn_graph
from cgcnn_md.nn import Encoder

K, HOPS = 12, 3


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    torch.manual_seed(1)
    return Encoder(2, width=32, layers=HOPS, shortest=0.5, longest=5.0).eval()


def encode(encoder: Encoder, *frames: Frame, targets: np.ndarray | None = None) -> np.ndarray:
    graphs = [knn_graph(f, K, cutoff=5.0, hops=HOPS, targets=targets) for f in frames]
    with torch.no_grad():
        return encoder(batch_graphs(graphs)).numpy()


def same(a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_allclose(a, b, atol=2e-5 * max(1.0, float(np.abs(b).max())))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_symmetries(encoder: Encoder, seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = random_frame(rng)
    base = encode(encoder, frame)
    unwrapped = frame.positions + rng.integers(-3, 4, frame.positions.shape) @ frame.cell
    same(encode(encoder, with_positions(frame, unwrapped)), base)
    same(encode(encoder, with_positions(frame, frame.positions + rng.normal(0, 30, 3))), base)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    rotated = Frame(frame.positions @ turn, frame.cell @ turn, frame.pbc, frame.species)
    same(encode(encoder, rotated), base)
    order = rng.permutation(len(frame))
    permuted = Frame(frame.positions[order], frame.cell, frame.pbc, frame.species[order])
    same(encode(encoder, permuted), base[order])
    shifts = np.array([[0, 0, 0], [1, 0, 0]]) @ frame.cell
    twice = Frame(
        np.concatenate([frame.positions + s for s in shifts]),
        frame.cell * np.array([[2.0], [1], [1]]), frame.pbc, np.tile(frame.species, 2),
    )  # fmt: skip
    same(encode(encoder, twice), np.tile(base, (2, 1)))


def test_batch_companions_do_not_matter(encoder: Encoder) -> None:
    rng = np.random.default_rng(5)
    frames = [random_frame(rng, n=n) for n in (40, 60, 25)]
    together = encode(encoder, *frames)
    same(together, np.concatenate([encode(encoder, f) for f in frames]))


def test_targets_alone_equal_targets_among_all(encoder: Encoder) -> None:
    rng = np.random.default_rng(6)
    frame = random_frame(rng, n=300, length=16.0)
    targets = np.array([7, 250, 3, 99])
    graph = knn_graph(frame, K, cutoff=5.0, hops=HOPS, targets=targets)
    assert graph.counts[0] == 4
    assert graph.counts[1] < len(frame)
    same(encode(encoder, frame, targets=targets), encode(encoder, frame)[targets])
    same(
        encode(encoder, frame, frame, targets=targets),
        np.tile(encode(encoder, frame)[targets], (2, 1)),
    )


def test_threads_do_not_matter(encoder: Encoder) -> None:
    frame = random_frame(np.random.default_rng(7), n=200, length=14.0)
    many = encode(encoder, frame)
    before, torch_before = numba.get_num_threads(), torch.get_num_threads()
    try:
        numba.set_num_threads(1)
        torch.set_num_threads(1)
        one = encode(encoder, frame)
    finally:
        numba.set_num_threads(before)
        torch.set_num_threads(torch_before)
    same(one, many)


def test_no_jump_when_an_atom_becomes_one_of_the_nearest(encoder: Encoder) -> None:
    rng = np.random.default_rng(8)
    frame = random_frame(rng, n=60, length=9.0)
    path = np.linspace(0.0, 1.0, 200)
    steps, sets = [], set()
    before = None
    for along in path:
        moved = frame.positions.copy()
        moved[0, 0] += along
        here = with_positions(frame, moved)
        graph = knn_graph(here, K, cutoff=5.0, hops=HOPS)
        sets.add(tuple(sorted(graph.nodes[graph.index[graph.rows[0]]])))
        now = encode(encoder, here)
        if before is not None:
            steps.append(np.abs(now - before).max())
        before = now
    assert len(sets) > 3  # the sets of neighbours did change on the way
    # a jump does not shrink with the step; a smooth path's steps are all of the order of the step
    assert max(steps) < 0.05 * np.abs(before).max()


def test_an_isolated_atom_is_encoded(encoder: Encoder) -> None:
    frame = Frame(np.zeros((1, 3)), np.zeros((3, 3)), np.zeros(3, bool), np.zeros(1, np.int16))
    assert np.isfinite(encode(encoder, frame)).all()


def test_gates_of_every_edge(encoder: Encoder) -> None:
    frame = random_frame(np.random.default_rng(9))
    graph = knn_graph(frame, K, cutoff=5.0, hops=HOPS)
    with torch.no_grad():
        gates = encoder.gates(graph)
    assert [tuple(g.shape) for g in gates] == [(60, K)] * HOPS
    assert all(((g > 0) & (g < 1)).all() for g in gates)


@pytest.mark.parametrize("part", [7, 10**6])
def test_parts_and_the_first_layer_are_shortcuts_only(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:  # fmt: skip
    monkeypatch.setattr("cgcnn_md.nn.conv._PART", part)
    graph = knn_graph(random_frame(np.random.default_rng(10)), K, cutoff=5.0, hops=HOPS)
    edges = [torch.from_numpy(a) for a in (graph.index, graph.distance, graph.weight)]
    with torch.no_grad():
        v = encoder.species(torch.from_numpy(graph.species.astype(np.int64)))
        for conv in encoder.convolutions:
            v = conv(v, len(v), *edges)
        same(encoder(graph).numpy(), v[graph.rows].numpy())
