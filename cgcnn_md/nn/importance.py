"""How much neighbours count: how far the embedding of an atom moves when it does not hear them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.frame import Floats
from cgcnn_md.graph import KnnGraph, with_copies
from cgcnn_md.nn.model import Model


def edge_importance(model: Model, graph: KnnGraph) -> Floats:
    r"""Give the importance of every edge of the graph's targets.

    .. math::
        I_{ij} = \lVert e_i - e_i^{(\setminus j)} \rVert

    with :math:`e_i` the slow coordinates of atom i, and :math:`e_i^{(\setminus j)}` the same where i does not hear j in
    any layer; all others hear what they heard. It is a kinetic distance.

    Parameters
    ----------
    model
        A trained model.
    graph
        Targets and their surroundings, as `Model.graph` gives them.

    Returns
    -------
    Floats
        Shape (n_targets, k), in the order of the graph's edges; 0 where masked, and for species that have no kinetic
        map. Cost: k + 1 targets for one.
    """
    n, k = len(graph.rows), graph.index.shape[1]
    all_but_one = np.broadcast_to(~np.eye(k, dtype=bool), (n, k, k))
    return moves(model, graph, all_but_one) * (graph.weight[graph.rows] > 0)


def moves(model: Model, graph: KnnGraph, heard: NDArray[np.bool_]) -> Floats:
    """Give the kinetic distance by which targets move when they hear some of their neighbours only.

    Parameters
    ----------
    model, graph
        As for `edge_importance`.
    heard
        Which neighbours are heard, for m trials of each target, shape (n_targets, m, k).

    Returns
    -------
    Floats
        Shape (n_targets, m).
    """
    n, m, _ = heard.shape
    features = model.features([with_copies(graph, heard)]).astype(np.float64)
    moved = features[n:].reshape(n, m, -1) - features[:n, None]
    distance = np.zeros((n, m))
    for name, mapping in model.maps.items():
        mine = graph.target_species == model.species.index(name)
        distance[mine] = np.linalg.norm(moved[mine] @ mapping.weights, axis=2)
    return distance
