"""Importance of neighbours, counted: by distance, and as an effective coordination number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.frame import Floats, Ints

if TYPE_CHECKING:
    import pandas as pd

ALL = "all"  # neighbours of every species
_WIDTH = 0.1  # Å


@dataclass(frozen=True, eq=False)
class Edges:
    """Sampled atom-frames and their k nearest neighbours.

    Parameters
    ----------
    species, cluster
        Of each atom, shape (n,); cluster -1 is between clusters.
    neighbour
        Species of each neighbour, shape (n, k).
    distance
        In Å, shape (n, k).
    weight
        Smooth weight that the graph gives, shape (n, k); 0 where there is no neighbour.
    importance
        What the model gives, shape (n, k).
    """

    species: NDArray[np.str_]
    cluster: Ints
    neighbour: NDArray[np.str_]
    distance: Floats
    weight: Floats
    importance: Floats

    @classmethod
    def joined(cls, parts: Sequence[Edges]) -> Edges:
        """Put samples one after the other."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


def effective_coordination(importance: Floats) -> Floats:
    r"""Give how many neighbours share the importance, :math:`(\sum_j I_{ij})^2 / \sum_j I_{ij}^2`.

    This is the participation number (R. J. Bell, P. Dean, Discuss. Faraday Soc. 50, 55 (1970),
    doi:10.1039/DF9705000055, there of squared amplitudes): n where n neighbours count alike and the others nothing.

    Parameters
    ----------
    importance
        Of every edge, shape (n, k).

    Returns
    -------
    Floats
        Shape (n,); nan where no neighbour counts.
    """
    square = (importance**2).sum(axis=1)
    number: Floats = np.full(len(square), np.nan)
    np.divide(importance.sum(axis=1) ** 2, square, out=number, where=square > 0)
    return number


def importance_by_distance(edges: Edges) -> pd.DataFrame:
    """Average over the edges of every pair of species and distance.

    Returns
    -------
    pandas.DataFrame
        Columns species, neighbour, r (middle of the bin, Å), importance and weight (means), edges (their number).
    """
    import pandas as pd

    there = edges.weight > 0
    table = pd.DataFrame(
        {
            "species": np.broadcast_to(edges.species[:, None], there.shape)[there].astype(object),
            "neighbour": edges.neighbour[there].astype(object),
            "r": ((np.floor(edges.distance[there] / _WIDTH) + 0.5) * _WIDTH).round(6),
            "importance": edges.importance[there],
            "weight": edges.weight[there],
        }
    )
    groups = table.groupby(["species", "neighbour", "r"], as_index=False)
    return groups.agg(importance=("importance", "mean"), weight=("weight", "mean"), edges=("importance", "size"))


def coordination_by_cluster(edges: Edges) -> pd.DataFrame:
    """Average the effective coordination number over the atoms of every cluster.

    Returns
    -------
    pandas.DataFrame
        Columns cluster (-1: between clusters), species, neighbour, effective_coordination, standard_deviation (over
        atoms), atoms (atom-frames looked at). Neighbour "all" has the whole number, a species its share of it by
        importance.
    """
    import pandas as pd

    number, total = effective_coordination(edges.importance), edges.importance.sum(axis=1)
    parts = {ALL: number}
    for name in np.unique(edges.neighbour[edges.weight > 0]):
        of_it = np.where(edges.neighbour == name, edges.importance, 0.0).sum(axis=1)
        parts[str(name)] = np.divide(of_it * number, total, out=np.full(len(total), np.nan), where=total > 0)
    table = pd.DataFrame({"cluster": edges.cluster, "species": edges.species.astype(object), **parts})
    long = table.melt(["cluster", "species"], var_name="neighbour", value_name="number")
    groups = long.groupby(["cluster", "species", "neighbour"], as_index=False, sort=True)
    return groups.agg(
        effective_coordination=("number", "mean"), standard_deviation=("number", "std"), atoms=("number", "count")
    )
