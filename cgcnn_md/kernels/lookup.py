"""Tables of distance, read by linear interpolation, and the sum over neighbours of what they say.

For centre i with neighbours j at distance d_ij, and W features::

    out_i = sum_j w_ij * M_s(d_ij)

M_s is table ``s_ij``, read at the place ``t_ij`` (in knots). Forward and backward; plain torch reference and fused CPU
form.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

from cgcnn_md.kernels import CACHE
from cgcnn_md.kernels.operators import define, scratch

CHUNKS = 4  # fixed, so that sums are the same for any number of threads
BLOCK = 64  # rows that a thread takes at a time
FASTMATH = {"contract", "nsz", "arcp", "nnan", "ninf"}
ZERO, ONE = np.float32(0.0), np.float32(1.0)


def between_knots(place: Tensor, n_knots: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Give the knot below each place, shape of `place`, and the part of the way to the next, with an axis more."""
    low = place.floor().clamp(max=n_knots - 2)
    return low.long(), (place - low).unsqueeze(-1).to(dtype)


@numba.njit(inline="always")
def knot_below(n_knots: Any, place: Any) -> Any:
    """Give the knot below a place, and the part of the way to the next."""
    knot = min(np.int64(place), n_knots - 2)
    return knot, place - np.float32(knot)


def table_sum_reference(tables: Tensor, which: Tensor, place: Tensor, weight: Tensor) -> Tensor:
    """Sum what tables say of every edge in plain torch, on any device and in any precision.

    Parameters
    ----------
    tables
        Functions of distance at the knots, shape (n_tables, n_knots, W).
    which
        Table of each edge, shape (n_centres, k).
    place
        Distances in units of knots, shape (n_centres, k), within [0, n_knots - 1].
    weight
        Smooth weight of each edge, shape (n_centres, k); 0 where masked.

    Returns
    -------
    Tensor
        Shape (n_centres, W).
    """
    knot, part = between_knots(place, tables.shape[1], tables.dtype)
    row, rows = which.long() * tables.shape[1] + knot, tables.flatten(0, 1)
    return (weight.unsqueeze(-1) * torch.lerp(rows[row], rows[row + 1], part)).sum(dim=1)


@numba.njit(parallel=True, nogil=True, cache=CACHE, fastmath=FASTMATH)
def read_forward(tables: Any, which: Any, place: Any, weight: Any, out: Any) -> None:
    """Write the sums of all centres to `out`, shape (n_centres, W); arguments as in the reference."""
    n, k = which.shape
    width = tables.shape[2]
    for block in numba.prange((n + BLOCK - 1) // BLOCK):
        for i in range(block * BLOCK, min(n, (block + 1) * BLOCK)):
            for f in range(width):
                out[i, f] = ZERO
            for e in range(k):
                w = weight[i, e]
                if w == ZERO:
                    continue
                s = which[i, e]
                knot, b = knot_below(tables.shape[1], place[i, e])
                low, high = w * (ONE - b), w * b
                for f in range(width):
                    out[i, f] += low * tables[s, knot, f] + high * tables[s, knot + 1, f]


@numba.njit(parallel=True, nogil=True, cache=CACHE, fastmath=FASTMATH)
def read_backward(g: Any, which: Any, place: Any, weight: Any, gt: Any, out: Any) -> None:
    """Turn the gradient `g` of the sums into that of the tables, shape (n_tables, n_knots, W).

    It is added up in the chunks of `gt`, of any content before, which are then summed to `out`.
    """
    n, k = which.shape
    n_tables, n_knots, width = out.shape
    for chunk in numba.prange(gt.shape[0]):
        for s in range(n_tables):
            for knot in range(n_knots):
                for f in range(width):
                    gt[chunk, s, knot, f] = ZERO
        for i in range(chunk * n // gt.shape[0], (chunk + 1) * n // gt.shape[0]):
            for e in range(k):
                w = weight[i, e]
                if w == ZERO:
                    continue
                s = which[i, e]
                knot, b = knot_below(n_knots, place[i, e])
                low, high = w * (ONE - b), w * b
                for f in range(width):
                    gt[chunk, s, knot, f] += low * g[i, f]
                    gt[chunk, s, knot + 1, f] += high * g[i, f]
    for row in numba.prange(n_tables * n_knots):
        s, knot = row // n_knots, row % n_knots
        for f in range(width):
            out[s, knot, f] = gt[0, s, knot, f]
        for chunk in range(1, gt.shape[0]):
            for f in range(width):
                out[s, knot, f] += gt[chunk, s, knot, f]


def _fused(tables: Tensor, which: Tensor, place: Tensor, weight: Tensor) -> Tensor:
    out = torch.empty(which.shape[0], tables.shape[2])
    read_forward(*(x.numpy() for x in (tables, which, place, weight, out)))
    return out


def _fused_backward(g: Tensor, tables: Tensor, which: Tensor, place: Tensor, weight: Tensor) -> list[Tensor]:
    out = torch.empty_like(tables)
    read_backward(*(x.numpy() for x in (g, which, place, weight, scratch(CHUNKS, *tables.shape), out)))
    return [out]


_fastest = define(
    "cgcnn_md::table_sum", ("tables", "which", "place", "weight"), table_sum_reference, _fused, _fused_backward,
    leaves=1, shape=lambda tables, which, *_: (which.shape[0], tables.shape[2]),
)  # fmt: skip


def table_sum(tables: Tensor, which: Tensor, place: Tensor, weight: Tensor) -> Tensor:
    """Sum what tables say by the fastest form for where the tensors are; arguments as in the reference.

    Cost: one pass over the edges, O(n_centres k W) operations without exponentials and no memory per edge on a CPU.
    """
    return _fastest(tables, which, place, weight)
