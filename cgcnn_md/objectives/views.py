"""What makes a pair: the same atom later, a like neighbour, or the same atom jiggled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cgcnn_md.frame import Frame, Ints
from cgcnn_md.graph import KnnGraph


def like_neighbours(graph: KnnGraph, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Pair each target with a random neighbour of its own species among the targets (view `space`).

    Parameters
    ----------
    graph
        Graph of the targets.
    rng
        Chooses among the candidates.

    Returns
    -------
    first, second
        Places of both ends among the targets in the order asked for, each of shape (n_pairs,); atoms without such a
        neighbour, and pairs of an atom with its own image, are left out.
    """
    n = graph.counts[0]
    near = graph.index[:n]
    like = (graph.weight[:n] > 0) & (near < n) & (near != np.arange(n)[:, None])
    like &= graph.species[near] == graph.species[:n, None]
    luck = np.where(like, rng.random(near.shape), -1.0)
    pick = luck.argmax(axis=1)
    rows = np.flatnonzero(like.any(axis=1))
    asked = np.empty(n, dtype=np.int64)
    asked[graph.rows] = np.arange(n)
    return asked[rows], asked[near[rows, pick[rows]]]


def jiggled(frame: Frame, amplitude: float, rng: np.random.Generator) -> Frame:
    """Move every atom by a normal displacement (view `noise`).

    Parameters
    ----------
    frame
        Snapshot.
    amplitude
        Standard deviation per direction in Å.
    rng
        Source of the displacements.
    """
    return replace(frame, positions=frame.positions + rng.normal(0.0, amplitude, frame.positions.shape))
