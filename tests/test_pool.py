"""Vectors of groups: the formula, and that nothing but the group's own surroundings matters."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from systems import random_frame, with_positions

from cgcnn_md.frame import Frame
from cgcnn_md.graph import batch_graphs, knn_graph
from cgcnn_md.nn import Encoder
from cgcnn_md.nn.pool import Pool

N_GROUPS = 12


def encoder() -> Encoder:
    torch.manual_seed(1)
    return Encoder(2, width=16, layers=2, shortest=0.5, longest=5.0, pooled=True).eval()


def encode(frame: Frame, group: np.ndarray, *others: tuple[Frame, np.ndarray]) -> np.ndarray:
    graphs = []
    for each, of in ((frame, group), *others):
        targets = np.flatnonzero(of >= 0)
        graph = knn_graph(each, 12, cutoff=5.0, hops=2, targets=targets)
        graphs.append(type(graph)(**{**vars(graph), "group": of[targets]}))
    with torch.no_grad():
        return encoder()(batch_graphs(graphs)).numpy()


def same(a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_allclose(a, b, atol=3e-5 * max(1.0, float(np.abs(b).max())))


def test_a_group_is_its_mean_and_its_weighted_mean() -> None:
    torch.manual_seed(0)
    pool, v = Pool(4), 3 * torch.randn(9, 4)
    group = torch.tensor([2, 0, 0, 1, 2, 2, 0, 2, 0])
    found = pool(v, group)
    for g in range(3):
        mine = v[group == g]
        weight = torch.softmax(mine @ pool.score, dim=0)
        expected = torch.cat([mine.mean(dim=0), weight @ mine])
        torch.testing.assert_close(found[g], expected)
    assert not torch.allclose(found[0, :4], found[0, 4:], atol=1e-2)


def test_attention_is_learned_and_large_scores_do_no_harm() -> None:
    pool = Pool(3)
    v = torch.tensor([[400.0, 0, 0], [0, 1, 0], [0, 0, -400]], requires_grad=True)
    found = pool(v, torch.tensor([0, 0, 0]))
    found.sum().backward()
    assert torch.isfinite(found).all()
    assert torch.isfinite(pool.score.grad).all()
    assert torch.isfinite(v.grad).all()
    pool(v / 400, torch.tensor([0, 0, 0])).sum().backward()
    assert pool.score.grad.abs().max() > 0


@settings(max_examples=10)
@given(seed=st.integers(0, 2**31))
def test_symmetries(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = random_frame(rng)
    group = np.concatenate([np.arange(N_GROUPS), rng.integers(-1, N_GROUPS, len(frame) - N_GROUPS)])
    base = encode(frame, group)
    assert base.shape == (N_GROUPS, 32)
    unwrapped = frame.positions + rng.integers(-3, 4, frame.positions.shape) @ frame.cell
    same(encode(with_positions(frame, unwrapped), group), base)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    same(encode(Frame(frame.positions @ turn, frame.cell @ turn, frame.pbc, frame.species), group), base)
    order = rng.permutation(len(frame))
    permuted = Frame(frame.positions[order], frame.cell, frame.pbc, frame.species[order])
    same(encode(permuted, group[order]), base)
    other = random_frame(rng, n=30)
    same(encode(frame, group, (other, np.arange(30) % 5), (frame, group))[:N_GROUPS], base)
    same(encode(other, np.arange(30) % 5, (frame, group))[5:], base)
