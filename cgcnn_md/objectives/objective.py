"""What every objective shares: features centred by what an atom is, projected, and scored species by species."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Objective(nn.Module, ABC):
    """Mean score over species, of a linear projection of the features.

    Features are centred by a running mean per identity class, so that being of a species, or at a chain's end, is
    not a slow mode, and a batch of one box does not lose what sets that box apart.

    Parameters
    ----------
    width
        Features per atom.
    n_classes
        Identity classes of all species.
    n_out
        Numbers that the projection leaves.
    momentum
        Weight of a new batch in the running mean.
    """

    mean: Tensor
    seen: Tensor

    def __init__(self, width: int, n_classes: int, *, n_out: int = 8, momentum: float = 0.05) -> None:
        super().__init__()
        self.head = nn.Linear(width, n_out, bias=False)
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(n_classes, width))
        self.register_buffer("seen", torch.zeros(n_classes))

    @abstractmethod
    def score(self, x: Tensor, y: Tensor) -> Tensor:
        """Score centred projections of pairs of one species, each of shape (n_pairs, n_out); larger is better."""

    @torch.no_grad()
    def _follow(self, x: Tensor, y: Tensor, classes: Tensor) -> None:
        """Let the running means of the classes at hand follow."""
        of = nn.functional.one_hot(classes, len(self.mean)).to(x.dtype)
        count = of.sum(dim=(0, 1))
        total = of[:, 0].T @ x + of[:, 1].T @ y
        here = count > 0
        rate = (1.0 / (1.0 + self.seen[here])).clamp(min=self.momentum)[:, None]
        self.mean[here] += rate * (total[here] / count[here, None] - self.mean[here])
        self.seen[here] += 1

    def forward(self, x: Tensor, y: Tensor, species: Tensor, classes: Tensor) -> Tensor:
        """Give the score of a batch (to be maximised).

        Parameters
        ----------
        x, y
            Features of both ends, shape (n_pairs, width).
        species
            Species code of each pair, shape (n_pairs,).
        classes
            Identity class of both ends, shape (n_pairs, 2).
        """
        if self.training:
            self._follow(x, y, classes)
        x, y = x - self.mean[classes[:, 0]], y - self.mean[classes[:, 1]]
        scores = []
        n_out = self.head.out_features
        for code in torch.unique(species).tolist():
            mine = species == code
            if int(mine.sum()) <= 2 * n_out:  # too few to estimate n_out variances
                continue
            scores.append(self.score(self.head(x[mine]), self.head(y[mine])))
        if not scores:
            return x.sum() * 0.0
        return torch.stack(scores).mean()
