"""Gated sum over neighbours, forward and backward: plain torch reference and fused CPU form.

For centre i with neighbours j at distance d_ij, and W features::

    z_ij  = p_i + q_j + T(d_ij)                 2W numbers: W of gate, W of core
    out_i = sum_j w_ij * sigmoid(gate_ij) * silu(core_ij)

T is a table that is read by linear interpolation at the place ``t_ij`` (in knots).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from torch import Tensor
from torch.nn import functional

from cgcnn_md.kernels import CACHE
from cgcnn_md.kernels.lookup import BLOCK, CHUNKS, FASTMATH, ONE, ZERO, between_knots, knot_below
from cgcnn_md.kernels.operators import define, scratch

_LOG2E = np.float32(1.4426950408889634)
_MAGIC = np.float32(1.5 * 2**23 + 127)  # added, it rounds to whole numbers; 127 is the exponent's zero
# minimax coefficients of 2**r on [-0.5, 0.5], relative error 3e-6
_C1, _C2, _C3, _C4 = np.float32(0.69312419), np.float32(0.24024099), np.float32(0.05590643), np.float32(0.00958285)
_LIMIT = np.float32(20.0)  # exp(4 * 20) is still a float32


def edge_terms(p: Tensor, q: Tensor, table: Tensor, index: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """Give gate and core logits of every edge.

    Parameters
    ----------
    p, q
        Node products of the centres, shape (n_centres, 2 W), and of all nodes, shape (n_nodes, 2 W).
    table
        Function of distance at the knots, shape (n_knots, 2 W).
    index
        Neighbours, shape (n_centres, k); masked places hold any valid index.
    place
        Distances in units of knots, shape (n_centres, k), within [0, n_knots - 1].

    Returns
    -------
    tuple[Tensor, Tensor]
        Gate and core logits, each of shape (n_centres, k, W).
    """
    knot, part = between_knots(place, table.shape[0], table.dtype)
    looked_up = torch.lerp(table[knot], table[knot + 1], part)
    gate, core = (p.unsqueeze(1) + q[index.long()] + looked_up).chunk(2, dim=-1)
    return gate, core


def gated_sum_reference(
    p: Tensor, q: Tensor, table: Tensor, index: Tensor, place: Tensor, weight: Tensor,
    activation: Callable[[Tensor], Tensor] = functional.silu,
) -> Tensor:  # fmt: skip
    """Sum gated messages in plain torch, on any device and in any precision.

    Parameters
    ----------
    p, q, table, index, place
        As in `edge_terms`.
    weight
        Smooth weight of each edge, shape (n_centres, k); 0 where masked.
    activation
        Function of the core.

    Returns
    -------
    Tensor
        Shape (n_centres, W).
    """
    gate, core = edge_terms(p, q, table, index, place)
    return (weight.unsqueeze(-1) * torch.sigmoid(gate) * activation(core)).sum(dim=1)


def _cast(source: Any, target: Any, code: Any) -> Any:
    """Make a compiled function that reads a number as another type of the same bits."""

    def typed(typing: Any, x: Any) -> Any:  # noqa: ARG001 (numba gives it)
        return target(source), lambda _context, builder, _signature, args: builder.bitcast(args[0], code)

    return intrinsic(typed)


_bits = _cast(types.float32, types.int32, ir.IntType(32))
_float = _cast(types.int32, types.float32, ir.FloatType())


@numba.njit(inline="always")
def _one_and_exp_minus(x: Any) -> Any:
    """Give 1 + exp(-x) in a form that becomes vectors: 2^(n + r), n set as the exponent's bits, a polynomial of r."""
    y = min(max(x, -_LIMIT), _LIMIT)
    shifted = _MAGIC - y * _LOG2E  # n ends up in the last bits
    r = -y * _LOG2E - (shifted - _MAGIC)
    power = _float(np.int32(_bits(shifted) << np.int32(23)))
    return ONE + power * (ONE + r * (_C1 + r * (_C2 + r * (_C3 + r * _C4))))


@numba.njit(inline="always")
def _logit(p: Any, q: Any, table: Any, i: Any, j: Any, knot: Any, b: Any, f: Any) -> Any:
    return p[i, f] + q[j, f] + table[knot, f] + b * (table[knot + 1, f] - table[knot, f])


@numba.njit(parallel=True, nogil=True, cache=CACHE, fastmath=FASTMATH)
def forward(p: Any, q: Any, table: Any, index: Any, place: Any, weight: Any, out: Any) -> None:
    """Write the gated sums of all centres to `out`, shape (n_centres, W); arguments as in the reference."""
    n, k = index.shape
    width = p.shape[1] // 2
    for block in numba.prange((n + BLOCK - 1) // BLOCK):
        for i in range(block * BLOCK, min(n, (block + 1) * BLOCK)):
            for f in range(width):
                out[i, f] = ZERO
            for e1 in range(0, k, 2):  # two edges share a division and the loop over features
                e2 = min(e1 + 1, k - 1)
                w1, w2 = weight[i, e1], weight[i, e2] if e2 > e1 else ZERO
                if w1 == ZERO and w2 == ZERO:
                    continue
                j1, j2 = index[i, e1], index[i, e2]
                knot1, b1 = knot_below(table.shape[0], place[i, e1])
                knot2, b2 = knot_below(table.shape[0], place[i, e2])
                for f in range(width):
                    core1 = _logit(p, q, table, i, j1, knot1, b1, width + f)
                    core2 = _logit(p, q, table, i, j2, knot2, b2, width + f)
                    # sigmoid(gate) * core * sigmoid(core) is core / below
                    below1 = _one_and_exp_minus(_logit(p, q, table, i, j1, knot1, b1, f)) * _one_and_exp_minus(core1)
                    below2 = _one_and_exp_minus(_logit(p, q, table, i, j2, knot2, b2, f)) * _one_and_exp_minus(core2)
                    out[i, f] += (w1 * core1 * below2 + w2 * core2 * below1) / (below1 * below2)


@numba.njit(parallel=True, nogil=True, cache=CACHE, fastmath=FASTMATH)
def backward(
    g: Any, p: Any, q: Any, table: Any, index: Any, place: Any, weight: Any, gp: Any, gq: Any, gt: Any, heard: Any,
    out: Any,
) -> None:  # fmt: skip
    """Turn the gradient `g` of the sums into those of p, q and the table; the latter two added up in chunks.

    The chunks of `gq`, of any content before, are then summed to `out`. Nodes that no centre of a chunk hears cost it
    nothing: `heard`, shape (n_chunks, n_nodes) and zero before, tells them.
    """
    n, k = index.shape
    width = p.shape[1] // 2
    for chunk in numba.prange(gq.shape[0]):
        for i in range(chunk * n // gq.shape[0], (chunk + 1) * n // gq.shape[0]):
            for f in range(2 * width):
                gp[i, f] = ZERO
            for e in range(k):
                w = weight[i, e]
                if w == ZERO:
                    continue
                j = index[i, e]
                if not heard[chunk, j]:
                    heard[chunk, j] = 1
                    for f in range(2 * width):
                        gq[chunk, j, f] = ZERO
                knot, b = knot_below(table.shape[0], place[i, e])
                a = ONE - b
                for f in range(width):
                    h = width + f
                    core = _logit(p, q, table, i, j, knot, b, h)
                    from_gate = _one_and_exp_minus(_logit(p, q, table, i, j, knot, b, f))
                    from_core = _one_and_exp_minus(core)
                    both = ONE / (from_gate * from_core)  # sigmoid(gate) * sigmoid(core)
                    up = w * g[i, f] * both
                    to_gate = up * core * (ONE - both * from_core)
                    to_core = up * (ONE + core * (ONE - both * from_gate))
                    gp[i, f] += to_gate
                    gp[i, h] += to_core
                    gq[chunk, j, f] += to_gate
                    gq[chunk, j, h] += to_core
                    gt[chunk, knot, f] += a * to_gate
                    gt[chunk, knot, h] += a * to_core
                    gt[chunk, knot + 1, f] += b * to_gate
                    gt[chunk, knot + 1, h] += b * to_core
    for block in numba.prange((gq.shape[1] + BLOCK - 1) // BLOCK):
        for j in range(block * BLOCK, min(gq.shape[1], (block + 1) * BLOCK)):
            for f in range(2 * width):
                out[j, f] = ZERO
            for chunk in range(gq.shape[0]):
                if heard[chunk, j]:
                    for f in range(2 * width):
                        out[j, f] += gq[chunk, j, f]


def _fused(p: Tensor, q: Tensor, table: Tensor, index: Tensor, place: Tensor, weight: Tensor) -> Tensor:
    out = torch.empty(index.shape[0], p.shape[1] // 2)
    forward(*(x.numpy() for x in (p, q, table, index, place, weight, out)))
    return out


def _fused_backward(
    g: Tensor, p: Tensor, q: Tensor, table: Tensor, index: Tensor, place: Tensor, weight: Tensor
) -> list[Tensor]:
    gp, out = torch.empty_like(p), torch.empty_like(q)
    gt = torch.zeros(CHUNKS, *table.shape)
    gq, heard = scratch(CHUNKS, *q.shape), torch.zeros(CHUNKS, len(q), dtype=torch.uint8)
    backward(*(x.numpy() for x in (g, p, q, table, index, place, weight, gp, gq, gt, heard, out)))
    return [gp, out, gt.sum(dim=0)]


_fastest = define(
    "cgcnn_md::gated_sum", ("p", "q", "table", "index", "place", "weight"), gated_sum_reference, _fused,
    _fused_backward, leaves=3,
    shape=lambda p, _q, _table, index, *_: (index.shape[0], p.shape[1] // 2),
)  # fmt: skip


def gated_sum(p: Tensor, q: Tensor, table: Tensor, index: Tensor, place: Tensor, weight: Tensor) -> Tensor:
    """Sum gated messages by the fastest form for where the tensors are; arguments as in the reference.

    Cost: one pass over the edges, O(n_centres k W) operations and no memory per edge on a CPU.
    """
    return _fastest(p, q, table, index, place, weight)
