"""One vector for a group of atoms from the vectors of its atoms."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# the first of a process, taken here: on two threads it is now and then wrong by 1e-4 (see `DistanceTable`)
torch.exp(torch.zeros(1))


class Pool(nn.Module):
    r"""Pool atoms into groups: their mean, and beside it a mean whose weights are learned.

    .. math::
        p_g = \Big( \frac{1}{n_g} \sum_{i \in g} v_i, \; \sum_{i \in g} a_i v_i \Big), \qquad
        a_i = \frac{e^{s \cdot v_i}}{\sum_{j \in g} e^{s \cdot v_j}}

    with :math:`s` learned with the encoder: the attention of M. Ilse, J. Tomczak, M. Welling, Proc. Mach. Learn. Res.
    80, 2127 (2018), with a linear score. The order of atoms, and what else is in the batch, do not matter.

    Parameters
    ----------
    width
        Features per atom.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Parameter(torch.randn(width) / width**0.5)

    def forward(self, v: Tensor, group: Tensor) -> Tensor:
        """Pool the features of atoms, shape (n_atoms, width), to shape (n_groups, 2 width).

        Parameters
        ----------
        v
            Features of the atoms.
        group
            Group of each atom, from 0, none empty, shape (n_atoms,).
        """
        v = v.float()
        n = int(group.max()) + 1
        score = (v * self.score).sum(dim=1)
        top = score.detach().new_full((n,), -torch.inf).scatter_reduce(0, group, score.detach(), "amax")
        weight = torch.exp(score - top[group])
        sums = v.new_zeros(n, 2, v.shape[1] + 1)
        one = torch.ones_like(score)
        # of each group, in one pass: the sum of features and of weights, plain and with attention
        rows = torch.stack([torch.cat([w[:, None] * v, w[:, None]], dim=1) for w in (one, weight)], dim=1)
        sums = sums.index_add(0, group, rows)
        return (sums[..., :-1] / sums[..., -1:]).flatten(1)
