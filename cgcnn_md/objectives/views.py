"""What makes a pair: the same atom or group later, a like neighbour, or the same one jiggled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.frame import Frame, Ints
from cgcnn_md.graph import KnnGraph


def like_neighbours(graph: KnnGraph, kinds: NDArray[np.integer], rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Pair each target, or group of them, with a random neighbour of its own kind (view `space`).

    Parameters
    ----------
    graph
        Graph of the targets; groups are neighbours where atoms of theirs are.
    kinds
        Kind of each target, or group, in the order asked for, shape (n,).
    rng
        Chooses among the candidates.

    Returns
    -------
    first, second
        Places of both ends in the order asked for, each of shape (n_pairs,); those without such a neighbour, and
        pairs of one with its own image, are left out.
    """
    n = graph.counts[0]
    asked = np.full(len(graph.nodes), -1)  # target or group of a node; -1 for those that are only seen
    asked[graph.rows] = np.arange(n) if graph.group is None else graph.group
    first, second = np.broadcast_to(asked[:n, None], graph.index[:n].shape), asked[graph.index[:n]]
    like = (graph.weight[:n] > 0) & (second >= 0) & (first != second) & (kinds[first] == kinds[second])
    luck = rng.random(like.shape)[like]
    first, second = first[like], second[like]
    order = np.lexsort((luck, first))
    last = order[np.append(np.diff(first[order]) > 0, True)] if len(order) else order
    return first[last], second[last]


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
