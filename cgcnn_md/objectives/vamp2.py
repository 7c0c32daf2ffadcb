"""VAMP-2: how much of a variable's pair is told by linear functions of it."""

from __future__ import annotations

import torch
from torch import Tensor

from cgcnn_md.objectives.objective import Objective

RIDGE = 1e-3


def _root(c: Tensor, ridge: float) -> Tensor:
    # Cholesky, for its gradient exists where eigenvalues coincide, as they do when all atoms are alike
    scale = ridge * c.diagonal().mean().clamp(min=1e-7)
    root: Tensor = torch.linalg.cholesky(c + scale * torch.eye(len(c), device=c.device, dtype=c.dtype))
    return root


def vamp2_score(x: Tensor, y: Tensor, *, ridge: float = RIDGE) -> Tensor:
    r"""Score centred pairs: :math:`\| C_{xx}^{-1/2} C_{xy} C_{yy}^{-1/2} \|_F^2`.

    H. Wu, F. Noé, J. Nonlinear Sci. 30, 23 (2020), doi:10.1007/s00332-019-09567-y; without the constant
    singular value, which adds 1.

    Parameters
    ----------
    x, y
        Centred features of both ends of each pair, shape (n_pairs, n).
    ridge
        Added to every variance, in units of the mean variance.

    Returns
    -------
    Tensor
        Between 0 and n.
    """
    n = len(x)
    xx, yy, xy = x.T @ x / n, y.T @ y / n, x.T @ y / n
    left = torch.linalg.solve_triangular(_root(xx, ridge), xy, upper=False)
    k: Tensor = torch.linalg.solve_triangular(_root(yy, ridge), left.T, upper=False)
    return (k * k).sum()


class Vamp2(Objective):
    """VAMP-2 score of the projections, which is the same for any other basis of them."""

    def score(self, x: Tensor, y: Tensor) -> Tensor:
        """Score pairs of one species, between 0 and n_out."""
        return vamp2_score(x, y)
