"""InfoNCE: an atom's pair is to be told from the pairs of other atoms."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from cgcnn_md.objectives.objective import Objective

_TEMPERATURE = 0.1
_MOST = 1024  # pairs that are told apart at once: cost grows with their square


def infonce_bound(x: Tensor, y: Tensor, *, temperature: float = _TEMPERATURE) -> Tensor:
    r"""Bound the mutual information of pairs from below: log n less the cross-entropy, both ways, in nat.

    A. van den Oord, Y. Li, O. Vinyals, arXiv:1807.03748 (2018), with the cosine of the angle as similarity.

    Parameters
    ----------
    x, y
        Projections of both ends of each pair, shape (n_pairs, n).
    temperature
        What similarities are divided by.

    Returns
    -------
    Tensor
        At most log n_pairs.
    """
    alike = functional.normalize(x, dim=1) @ functional.normalize(y, dim=1).T / temperature
    own = torch.arange(len(x), device=x.device)
    return math.log(len(x)) - (functional.cross_entropy(alike, own) + functional.cross_entropy(alike.T, own)) / 2


class InfoNce(Objective):
    """InfoNCE of the projections, in groups of at most 1024 pairs."""

    def score(self, x: Tensor, y: Tensor) -> Tensor:
        """Score pairs of one species."""
        step = -(-len(x) // _MOST)  # every step-th pair makes a group, so that each spans the whole batch
        return torch.stack([infonce_bound(x[i::step], y[i::step]) for i in range(step)]).mean()
