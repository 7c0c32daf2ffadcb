"""The graph of target atoms with just the surroundings that an encoder of some depth can see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.frame import Floats, Frame, Ints
from cgcnn_md.kernels.neighbours import CellList, finish_edges
from cgcnn_md.kernels.search import unseen


@dataclass(frozen=True, eq=False)
class KnnGraph:
    """Target atoms, their surroundings, and the edges between them.

    Nodes are ordered by the hops that part them from the targets, so that a layer computes a leading slice only, and
    within a hop by place in space, so that neighbours lie near in memory.

    Parameters
    ----------
    nodes
        Environment atom of every node, shape (n_nodes,); the targets come first.
    species
        Species code of every node, shape (n_nodes,).
    rows
        Node of every target in the order asked for, shape (n_targets,).
    counts
        ``counts[h]`` nodes lie within h hops of the targets; length hops + 1.
    index
        Neighbours as node numbers, nearest first, shape (counts[-2], k); 0 where masked.
    distance
        Distances in Å, shape (counts[-2], k); 0 where masked.
    weight
        Smooth edge weight in [0, 1], shape (counts[-2], k); 0 where masked.
    group
        Group of every target in the order asked for, from 0, shape (n_targets,); None where each is one.
    """

    nodes: Ints
    species: NDArray[np.int16]
    rows: Ints
    counts: tuple[int, ...]
    index: NDArray[np.int32]
    distance: NDArray[np.float32]
    weight: NDArray[np.float32]
    group: Ints | None = None

    @property
    def target_species(self) -> NDArray[np.int16]:
        """Species code of every target in the order asked for, shape (n_targets,)."""
        return self.species[self.rows]

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        arrays = (self.nodes, self.species, self.rows, self.index, self.distance, self.weight)
        return sum(a.nbytes for a in arrays)


def edge_weight(distance: Floats, radius: Floats) -> Floats:
    """Fade neighbours out before they leave: ``w = (1 - (d / r)^6)^2``.

    Parameters
    ----------
    distance
        Distances in Å, shape (n, k); inf where masked.
    radius
        Distance of the (k+1)-th neighbour or the cutoff in Å, shape (n,).

    Returns
    -------
    Floats
        Weights, shape (n, k): near 1 for near neighbours, 0 with zero slope at the radius, so that nothing
        jumps when an atom becomes or ceases to be one of the k nearest.
    """
    ratio = np.minimum(distance / np.maximum(radius, 1e-12)[:, None], 1.0)
    weight: Floats = (1.0 - ratio**6) ** 2
    return weight


def knn_graph(
    frame: Frame, k: int, *, cutoff: float, hops: int = 1, targets: Ints | None = None, cells: CellList | None = None
) -> KnnGraph:
    """Connect target atoms, and the atoms they see, to their k nearest periodic images.

    Parameters
    ----------
    frame
        Snapshot; positions and cell in Å.
    k
        Neighbours per atom.
    cutoff
        Largest distance in Å at which an atom still counts as a neighbour.
    hops
        Convolutions that will follow: neighbours are built for atoms up to ``hops - 1`` away from a target.
    targets
        Atoms that get an embedding; None for all.
    cells
        The frame's atoms in cells, where several graphs are cut from it; None to bin them here.

    Returns
    -------
    KnnGraph
        Cost and size follow the targets and their surroundings, once all atoms are binned.

    Raises
    ------
    InputError
        If a coordinate is not finite, or the box has no volume.
    """
    cells = cells or CellList.of(frame, k)
    n = len(frame)
    asked = np.arange(n) if targets is None else np.asarray(targets, dtype=np.int64)
    shell = np.sort(cells.place[asked])
    number = np.zeros(n, dtype=np.int32)  # place -> node, from 1; what is never touched costs nothing
    number[shell] = np.arange(1, len(shell) + 1)
    shells, found, sizes = [shell], [], [len(shell)]
    for _ in range(hops):
        if len(shell):
            rows = cells.search(k, cutoff=cutoff, places=None if len(shell) == n else shell)
            found.append(rows)
            shell = np.sort(unseen(rows[0], number)) if sum(sizes) < n else shell[:0]
            number[shell] = np.arange(1, len(shell) + 1) + sum(sizes)
        shells.append(shell)
        sizes.append(len(shell))
    index, distance, radius = (
        found[0] if len(found) == 1 else tuple(np.concatenate([rows[a] for rows in found]) for a in range(3))
    )
    nodes = cells.order[np.concatenate(shells)]
    counts = tuple(int(c) for c in np.cumsum(sizes))
    rows_asked = number[cells.place[asked]].astype(np.int64) - 1
    return KnnGraph(nodes, frame.species[nodes], rows_asked, counts, *finish_edges(index, distance, radius, number))
