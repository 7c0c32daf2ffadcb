"""Species embedding and a stack of gated convolutions: from a graph to features per target atom, or group of them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from cgcnn_md.graph import KnnGraph
from cgcnn_md.nn.conv import GatedConv
from cgcnn_md.nn.pool import Pool


class Encoder(nn.Module):
    """Encode the surroundings of every target atom.

    The result depends on distances and species only, so it is the same for rotated, translated, mirrored,
    re-ordered or re-wrapped input, and does not depend on what else is in the batch.

    Parameters
    ----------
    n_species
        Kinds of atoms.
    width
        Features per atom.
    layers
        Convolutions; an atom sees as many hops.
    shortest, longest
        Range of distances in Å that the tables resolve.
    pooled
        Whether the targets of graphs are put into groups, which are then what is encoded.
    """

    def __init__(
        self, n_species: int, *, width: int, layers: int, shortest: float, longest: float, pooled: bool = False
    ) -> None:  # fmt: skip
        super().__init__()
        self.species = nn.Embedding(n_species, width)
        self.convolutions = nn.ModuleList(GatedConv(width, shortest=shortest, longest=longest) for _ in range(layers))
        self.pool = Pool(width) if pooled else None

    @property
    def hops(self) -> int:
        """Hops an atom sees: the depth that a graph must be built with."""
        return len(self.convolutions)

    def forward(self, graph: KnnGraph) -> Tensor:
        """Give the features of the graph's targets in the order asked for, shape (n_targets, width).

        Where targets are in groups, those of the groups, shape (n_groups, 2 width).
        """
        v = self._run(graph)[0]
        v = v.index_select(0, torch.from_numpy(graph.rows).to(v.device))
        if self.pool is None or graph.group is None:
            return v
        pooled: Tensor = self.pool(v, torch.from_numpy(graph.group).to(v.device))
        return pooled

    def gates(self, graph: KnnGraph) -> list[Tensor]:
        """Give the mean gate of every edge and layer, each of shape (rows of that layer, k), in the order of nodes."""
        return self._run(graph, with_gates=True)[1]

    def _run(self, graph: KnnGraph, *, with_gates: bool = False) -> tuple[Tensor, list[Tensor]]:
        device = self.species.weight.device
        index, distance, weight = (
            torch.from_numpy(np.ascontiguousarray(a)).to(device, non_blocking=True)
            for a in (graph.index, graph.distance, graph.weight)
        )
        codes = torch.from_numpy(graph.species.astype(np.int32)).to(device)
        v: Tensor = torch.empty(0)
        gates = []
        for layer, conv in enumerate(self.convolutions, start=1):
            rows, seen = graph.counts[self.hops - layer], graph.counts[self.hops - layer + 1]
            edges = index[:rows], distance[:rows], weight[:rows]
            if with_gates:
                before = v[:seen] if layer > 1 else self.species(codes[:seen])
                gates.append(conv.gates(before, rows, *edges[:2]))  # type: ignore[operator]
            if layer == 1:
                v = conv.first(self.species.weight, codes[:seen], rows, *edges)  # type: ignore[operator]
            else:
                v = conv(v[:seen], rows, *edges)
        return v, gates
