"""Several graphs as one, with the nodes of each hop side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cgcnn_md.frame import Ints
from cgcnn_md.graph.knn import KnnGraph


def batch_graphs(graphs: Sequence[KnnGraph]) -> KnnGraph:
    """Join graphs of one depth and one k into a single graph without edges between them.

    Parameters
    ----------
    graphs
        At least one graph.

    Returns
    -------
    KnnGraph
        Targets of all graphs first, `rows` in order; `nodes` keeps each graph's own atom numbers, and groups are
        numbered on.
    """
    if len(graphs) == 1:
        return graphs[0]
    depth = len(graphs[0].counts)
    # level[l] of a graph: nodes that are exactly l hops away
    bounds = [np.concatenate(([0], g.counts)) for g in graphs]
    sizes = np.array([np.diff(b) for b in bounds])  # (graph, level)
    level_start = np.concatenate(([0], np.cumsum(sizes.sum(axis=0))))
    offset = level_start[:-1] + np.cumsum(sizes, axis=0) - sizes
    parts: dict[str, list[np.ndarray]] = {
        "index": [],
        "distance": [],
        "weight": [],
        "nodes": [],
        "species": [],
    }
    renumbered = []
    for g, b, o in zip(graphs, bounds, offset, strict=True):
        shift = np.repeat(o - b[:-1], np.diff(b)).astype(np.int64)
        new = np.arange(len(g.nodes)) + shift
        renumbered.append(np.where(g.weight > 0, new[g.index], 0).astype(np.int32))
    for level in range(depth):
        for i, g in enumerate(graphs):
            here = slice(int(bounds[i][level]), int(bounds[i][level + 1]))
            parts["nodes"].append(g.nodes[here])
            parts["species"].append(g.species[here])
            if level < depth - 1:
                parts["index"].append(renumbered[i][here])
                parts["distance"].append(g.distance[here])
                parts["weight"].append(g.weight[here])
    rows = np.concatenate([g.rows + o[0] for g, o in zip(graphs, offset, strict=True)])
    counts = tuple(int(c) for c in np.sum([g.counts for g in graphs], axis=0))
    joined = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    return KnnGraph(rows=rows, counts=counts, group=_numbered_on(graphs), **joined)


def _numbered_on(graphs: Sequence[KnnGraph]) -> Ints | None:
    """Give the groups of all targets, those of each graph after those of the one before."""
    groups = [g.group for g in graphs if g.group is not None]
    if not groups:
        return None
    start = np.cumsum([0, *(int(group.max()) + 1 for group in groups)])
    return np.concatenate([group + shift for group, shift in zip(groups, start, strict=False)])
