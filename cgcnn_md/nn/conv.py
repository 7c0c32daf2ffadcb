"""One gated convolution in its factorised, tabulated form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, silu

from cgcnn_md.kernels.convolution import edge_terms, gated_sum
from cgcnn_md.kernels.lookup import table_sum

_KNOTS = 512
_PART = 16_384  # rows
_TABLED = 4  # species: a table for every two of more costs as much as to work out the messages of edges
_NORM_EPS = 0.1  # a node with few, faint neighbours gets a faint message, not a normalised one


class DistanceTable(nn.Module):
    """Smooth function of distance, from Gaussians, evaluated at knots.

    Parameters
    ----------
    width
        Numbers per distance.
    shortest, longest
        Range of the Gaussians' centres in Å; distances outside it read the nearest end.
    n_gaussians
        Gaussians, evenly spaced; each as wide as the spacing.
    """

    def __init__(self, width: int, *, shortest: float, longest: float, n_gaussians: int = 48) -> None:
        super().__init__()
        self.shortest, self.longest = shortest, longest
        self.linear = nn.Linear(n_gaussians, width)
        knots, centres = (np.linspace(shortest, longest, n) for n in (_KNOTS, n_gaussians))
        spacing = (longest - shortest) / (n_gaussians - 1)
        # by numpy: the first exponential that torch 2.13 takes in a process, on two threads, was in one process of two
        # hundred wrong by 1.5e-4 in the half of the second thread
        basis = np.exp(-0.5 * ((knots[:, None] - centres) / spacing) ** 2)
        basis[basis < np.finfo(np.float32).tiny] = 0.0  # as denormal numbers they made products five times slower
        self.register_buffer("basis", torch.from_numpy(basis).float(), persistent=False)

    def forward(self) -> Tensor:
        """Give the function at every knot, shape (n_knots, width)."""
        table: Tensor = self.linear(self.basis)
        return table

    def place(self, distance: Tensor) -> Tensor:
        """Give distances (Å) in units of knots, within [0, n_knots - 1]."""
        unit = (distance - self.shortest) / (self.longest - self.shortest)
        return unit.clamp(0.0, 1.0) * (_KNOTS - 1)


class GatedConv(nn.Module):
    r"""Gated convolution over the k nearest neighbours.

    .. math::
        z_{ij} = A v_i + B v_j + T(d_{ij}), \qquad
        v_i' = v_i + \mathrm{Norm}\Big(\sum_j w_{ij}\,\sigma(z^{gate}_{ij})\,\mathrm{silu}(z^{core}_{ij})\Big)

    This is CGCNN's convolution (T. Xie, J. C. Grossman, Phys. Rev. Lett. 120, 145301 (2018),
    doi:10.1103/PhysRevLett.120.145301) with its one matrix split by what it multiplies: two products per
    node and a function of one number in place of a product per edge.

    Parameters
    ----------
    width
        Features per node.
    shortest, longest
        Range of distances in Å that the table resolves.
    """

    def __init__(self, width: int, *, shortest: float, longest: float) -> None:
        super().__init__()
        self.centre = nn.Linear(width, 2 * width, bias=False)
        self.neighbour = nn.Linear(width, 2 * width, bias=False)
        self.table = DistanceTable(2 * width, shortest=shortest, longest=longest)
        self.norm = nn.LayerNorm(width, eps=_NORM_EPS)

    def message(self, p: Tensor, q: Tensor, index: Tensor, distance: Tensor, weight: Tensor) -> Tensor:
        """Sum what centres hear, before normalisation, shape (n_centres, width); `p` and `q` as in `gated_sum`."""
        return gated_sum(p, q, self.table(), index, self.table.place(distance), weight)

    def forward(self, v: Tensor, rows: int, index: Tensor, distance: Tensor, weight: Tensor) -> Tensor:
        """Update the first `rows` nodes.

        Parameters
        ----------
        v
            Features of all nodes that the rows can see, shape (n_nodes, width).
        rows
            Leading nodes to update.
        index, distance, weight
            Edges of those nodes, each of shape (rows, k); distances in Å.

        Returns
        -------
        Tensor
            Shape (rows, width).
        """
        q = self.neighbour(v)

        def update(part: slice) -> Tensor:
            message = self.message(self.centre(v[part]), q, index[part], distance[part], weight[part])
            updated: Tensor = v[part] + self.norm(message)
            return updated

        return self._by_parts(rows, update)

    def first(
        self, species: Tensor, codes: Tensor, rows: int, index: Tensor, distance: Tensor, weight: Tensor
    ) -> Tensor:
        """Update nodes that are still no more than their species: as `forward`, from a table for every two species.

        Parameters
        ----------
        species
            Features of each species, shape (n_species, width).
        codes
            Species of all nodes that the rows can see, shape (n_nodes,), int32.
        rows, index, distance, weight
            As in `forward`.
        """
        if len(species) > _TABLED:
            p, q = self.centre(species), self.neighbour(species)

            def message(part: slice, heard: Tensor) -> Tensor:
                return self.message(embedding(codes[part], p), q, heard, distance[part], weight[part])
        else:
            tables = self._messages(species)

            def message(part: slice, heard: Tensor) -> Tensor:
                which = codes[part, None] * len(species) + heard
                return table_sum(tables, which, self.table.place(distance[part]), weight[part])

        def update(part: slice) -> Tensor:
            updated: Tensor = embedding(codes[part], species) + self.norm(message(part, codes[index[part]]))
            return updated

        return self._by_parts(rows, update)

    def _messages(self, species: Tensor) -> Tensor:
        """Give the messages between species at every knot, shape (n_species * n_species, n_knots, width)."""
        p, q = self.centre(species)[:, None, None], self.neighbour(species)[:, None]
        halves = zip(*(x.chunk(2, dim=-1) for x in (p, q, self.table())), strict=True)
        gate, core = (of_centre + of_neighbour + of_distance for of_centre, of_neighbour, of_distance in halves)
        messages: Tensor = torch.sigmoid(gate) * silu(core)
        return messages.flatten(0, 1)

    def _by_parts(self, rows: int, update: Callable[[slice], Tensor]) -> Tensor:
        """Update rows part by part where no gradient has to remember them all, so that the parts stay in the cache."""
        if torch.is_grad_enabled() or rows <= _PART:
            return update(slice(0, rows))
        out = torch.empty(rows, self.norm.normalized_shape[0], device=self.norm.weight.device)
        for start in range(0, rows, _PART):
            part = slice(start, min(start + _PART, rows))
            out[part] = update(part)
        return out

    def gates(self, v: Tensor, rows: int, index: Tensor, distance: Tensor) -> Tensor:
        """Give the gate of every edge in (0, 1), mean over features, shape (rows, k)."""
        place = self.table.place(distance)
        gate, _ = edge_terms(self.centre(v[:rows]), self.neighbour(v), self.table(), index, place)
        return torch.sigmoid(gate).mean(dim=-1)
