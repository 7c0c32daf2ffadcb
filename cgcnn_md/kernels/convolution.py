"""Gated sum over neighbours, forward and backward: plain torch reference and fused CPU form.

For centre i with neighbours j at distance d_ij, and W features::

    z_ij  = p_i + q_j + T(d_ij)                 2W numbers: W of gate, W of core
    out_i = sum_j w_ij * sigmoid(gate_ij) * silu(core_ij)

T is a table that is read by linear interpolation at the place ``t_ij`` (in knots).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

_CHUNKS = 4  # fixed, so that sums are the same for any number of threads
_LOG2E = np.float32(1.4426950408889634)
# minimax coefficients of 2**f on [-0.5, 0.5], relative error 2e-7
_C1, _C2, _C3 = np.float32(0.6931471805), np.float32(0.2402265069), np.float32(0.0555041087)
_C4, _C5, _C6 = np.float32(0.0096181291), np.float32(0.0013333558), np.float32(0.000154035)
_HALF, _ONE, _LIMIT = np.float32(0.5), np.float32(1.0), np.float32(80.0)


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
    low = place.floor().clamp(max=table.shape[0] - 2)
    part = (place - low).unsqueeze(-1).to(table.dtype)  # under autocast the table is bfloat16
    knot = low.long()
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


@numba.njit(inline="always")
def _sigmoid(x: Any, out: Any, bits: Any, scale: Any) -> None:
    """Write sigmoid(x) to out; bits and scale are one buffer seen as int32 and as float32."""
    for f in range(len(x)):
        y = min(max(-x[f], -_LIMIT), _LIMIT) * _LOG2E
        n = np.floor(y + _HALF)
        out[f] = y - n
        bits[f] = (np.int32(n) + np.int32(127)) << np.int32(23)
    for f in range(len(x)):
        r = out[f]
        e = _ONE + r * (_C1 + r * (_C2 + r * (_C3 + r * (_C4 + r * (_C5 + r * _C6)))))
        out[f] = _ONE / (_ONE + e * scale[f])


@numba.njit(parallel=True, cache=True, fastmath={"contract", "nsz", "arcp"})
def _forward(p: Any, q: Any, table: Any, index: Any, place: Any, weight: Any, out: Any) -> None:
    n, k = index.shape
    two = p.shape[1]
    width = two // 2
    step = 64
    for block in numba.prange((n + step - 1) // step):
        z = np.empty(two, np.float32)
        s = np.empty(two, np.float32)
        bits = np.empty(two, np.int32)
        scale = bits.view(np.float32)
        for i in range(block * step, min(n, (block + 1) * step)):
            for f in range(width):
                out[i, f] = np.float32(0.0)
            for e in range(k):
                w = weight[i, e]
                if w == np.float32(0.0):
                    continue
                j = index[i, e]
                knot = min(np.int64(place[i, e]), table.shape[0] - 2)
                b = place[i, e] - np.float32(knot)
                for f in range(two):
                    low = table[knot, f]
                    z[f] = p[i, f] + q[j, f] + low + b * (table[knot + 1, f] - low)
                _sigmoid(z, s, bits, scale)
                for f in range(width):
                    out[i, f] += w * s[f] * z[width + f] * s[width + f]


@numba.njit(parallel=True, cache=True, fastmath={"contract", "nsz", "arcp"})
def _backward(
    g: Any, p: Any, q: Any, table: Any, index: Any, place: Any, weight: Any, gp: Any, gq: Any, gt: Any
) -> None:
    n, k = index.shape
    two = p.shape[1]
    width = two // 2
    for chunk in numba.prange(gq.shape[0]):
        z = np.empty(two, np.float32)
        s = np.empty(two, np.float32)
        dz = np.empty(two, np.float32)
        bits = np.empty(two, np.int32)
        scale = bits.view(np.float32)
        for i in range(chunk * n // gq.shape[0], (chunk + 1) * n // gq.shape[0]):
            for f in range(two):
                gp[i, f] = np.float32(0.0)
            for e in range(k):
                w = weight[i, e]
                if w == np.float32(0.0):
                    continue
                j = index[i, e]
                knot = min(np.int64(place[i, e]), table.shape[0] - 2)
                b = place[i, e] - np.float32(knot)
                for f in range(two):
                    low = table[knot, f]
                    z[f] = p[i, f] + q[j, f] + low + b * (table[knot + 1, f] - low)
                _sigmoid(z, s, bits, scale)
                for f in range(width):
                    up = w * g[i, f] * s[f]
                    sc = s[width + f]
                    core = z[width + f]
                    dz[f] = up * core * sc * (_ONE - s[f])
                    dz[width + f] = up * sc * (_ONE + core * (_ONE - sc))
                for f in range(two):
                    gp[i, f] += dz[f]
                    gq[chunk, j, f] += dz[f]
                    gt[chunk, knot, f] += dz[f] * (_ONE - b)
                    gt[chunk, knot + 1, f] += dz[f] * b


class _FusedGatedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, p: Tensor, q: Tensor, table: Tensor, index: Tensor, place: Tensor, weight: Tensor) -> Tensor:
        p, q, table = p.contiguous(), q.contiguous(), table.contiguous()
        out = torch.empty(index.shape[0], p.shape[1] // 2)
        ctx.save_for_backward(p, q, table, index, place, weight)
        _forward(*(x.detach().numpy() for x in (p, q, table, index, place, weight, out)))
        return out

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        p, q, table, index, place, weight = ctx.saved_tensors
        gp = torch.empty_like(p)
        gq = torch.zeros(_CHUNKS, *q.shape)
        gt = torch.zeros(_CHUNKS, *table.shape)
        arrays = (grad_outputs[0].contiguous(), p, q, table, index, place, weight, gp, gq, gt)
        _backward(*(x.detach().numpy() for x in arrays))
        return gp, gq.sum(dim=0), gt.sum(dim=0), None, None, None


@cache
def _compiled() -> Callable[..., Tensor]:
    """Compile the reference, once, for shapes that change from batch to batch."""
    compiled: Callable[..., Tensor] = torch.compile(gated_sum_reference, dynamic=True)
    return compiled


def gated_sum(p: Tensor, q: Tensor, table: Tensor, index: Tensor, place: Tensor, weight: Tensor) -> Tensor:
    """Sum gated messages by the fastest form for where the tensors are; arguments as in the reference.

    Cost: one pass over the edges, O(n_centres k W) operations and no memory per edge on a CPU.
    """
    if p.device.type == "cpu" and p.dtype == torch.float32:
        return _FusedGatedSum.apply(p, q, table, index, place, weight)  # type: ignore[no-any-return, no-untyped-call]
    if p.device.type == "cuda":
        return _compiled()(p, q, table, index, place, weight)
    return gated_sum_reference(p, q, table, index, place, weight)
