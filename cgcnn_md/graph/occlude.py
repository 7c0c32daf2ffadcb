"""Targets once more, hearing only some of their neighbours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.graph.knn import KnnGraph


def with_copies(graph: KnnGraph, heard: NDArray[np.bool_]) -> KnnGraph:
    """Add copies of the targets that hear some of their neighbours only.

    Nobody hears a copy, so all other nodes stay what they are.

    Parameters
    ----------
    graph
        Graph of n targets.
    heard
        Which neighbours each of the m copies of a target hears, in any layer, shape (n, m, k).

    Returns
    -------
    KnnGraph
        Its first n targets are those of `graph`, in their order; the copies follow, those of one target side by side,
        so that there are n (1 + m). A copy costs as much as a target.
    """
    n, m, k = heard.shape
    copies = np.repeat(graph.rows, m)

    def joined(a: np.ndarray, of_copies: np.ndarray) -> np.ndarray:
        return np.concatenate([a[:n], of_copies, a[n:]])

    index = np.where(graph.index < n, graph.index, graph.index + n * m).astype(np.int32)
    return replace(
        graph,
        nodes=joined(graph.nodes, graph.nodes[copies]),
        species=joined(graph.species, graph.species[copies]),
        rows=np.concatenate([graph.rows, n + np.arange(n * m)]),
        counts=tuple(c + n * m for c in graph.counts),
        index=joined(index, index[copies]),
        distance=joined(graph.distance, graph.distance[copies]),
        weight=joined(graph.weight, graph.weight[copies] * heard.reshape(n * m, k)),
    )
