"""VICReg: pairs alike, every number spread out, no two numbers the same."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from cgcnn_md.objectives.objective import Objective

_ALIKE, _SPREAD, _APART = 25.0, 25.0, 1.0  # weights of the paper
_SMALL = 1e-4


def vicreg_loss(x: Tensor, y: Tensor) -> Tensor:
    """Add up invariance, variance and covariance terms.

    A. Bardes, J. Ponce, Y. LeCun, ICLR 2022, arXiv:2105.04906, with the weights used there.

    Parameters
    ----------
    x, y
        Projections of both ends of each pair, shape (n_pairs, n).
    """
    loss = _ALIKE * functional.mse_loss(x, y)
    for z in (x, y):
        loss = loss + _SPREAD / 2 * functional.relu(1 - torch.sqrt(z.var(dim=0) + _SMALL)).mean()
        centred = z - z.mean(dim=0)
        covariance = centred.T @ centred / (len(z) - 1)
        loss = loss + _APART * (covariance - torch.diag(covariance.diagonal())).square().sum() / z.shape[1]
    return loss


class VicReg(Objective):
    """Negative VICReg loss of the projections."""

    def score(self, x: Tensor, y: Tensor) -> Tensor:
        """Score pairs of one species, at most 0."""
        return -vicreg_loss(x, y)
