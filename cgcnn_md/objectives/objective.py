"""What every objective shares: features centred by what an atom is, projected, and scored species by species."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

_WINDOW = 10.0  # atoms before those at hand that the mean of a class is taken over too


class Objective(nn.Module, ABC):
    """Mean score over species, of a linear projection of the features.

    Features are centred per identity class, so that being of a species, or at a chain's end, is not a slow mode. The
    means follow the weights at once, for one step may move all atoms by more than what tells them apart.

    Parameters
    ----------
    width
        Features per atom.
    n_classes
        Identity classes of all species.
    n_out
        Numbers that the projection leaves.
    """

    mean: Tensor
    seen: Tensor
    species: Tensor

    def __init__(self, width: int, n_classes: int, *, n_out: int = 8) -> None:
        super().__init__()
        self.head = nn.Linear(width, n_out, bias=False)
        self.register_buffer("mean", torch.zeros(n_classes, width))
        self.register_buffer("seen", torch.zeros(n_classes))
        self.register_buffer("species", torch.full((n_classes,), -1))

    @abstractmethod
    def score(self, x: Tensor, y: Tensor) -> Tensor:
        """Score centred projections of pairs of one species, each of shape (n_pairs, n_out); larger is better."""

    def _means(self, features: Tensor, species: Tensor, classes: Tensor) -> Tensor:
        """Give the mean of every class: of atoms at hand and a few before, so that each species' atoms have mean 0.

        With its gradient: to move all atoms alike must not pay, or noise in that drowns what tells them apart.
        """
        self.species[classes] = species
        of = _one_hot(classes, self.mean)
        count, before = of.sum(dim=0)[:, None], self.seen.clamp(max=_WINDOW)[:, None]
        old = self._moved(self.mean, features, of, species, self.seen[classes] > 0)
        mean = (before * old + of.T @ features) / (before + count).clamp(min=1)
        mean = self._moved(mean, features, of, species, self.species[classes] >= 0)
        if self.training:
            self.mean.copy_(mean.detach())
            self.seen += count[:, 0]
        return mean

    def _moved(self, mean: Tensor, features: Tensor, of: Tensor, species: Tensor, known: Tensor) -> Tensor:
        """Move the means of each species' classes by what is left of its atoms in known ones."""
        left, shift = features - of @ mean, torch.zeros_like(mean)
        for code in torch.unique(species).tolist():
            mine = (species == code) & known
            if bool(mine.any()):
                shift[self.species == code] = _those(left, mine).mean(dim=0)
        return mean + shift

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
        mean = self._means(torch.cat([x, y]), torch.cat([species, species]), classes.T.reshape(-1))
        x, y = x - _one_hot(classes[:, 0], mean) @ mean, y - _one_hot(classes[:, 1], mean) @ mean
        scores = []
        n_out = self.head.out_features
        for code in torch.unique(species).tolist():
            mine = species == code
            if int(mine.sum()) <= 2 * n_out:  # too few to estimate n_out variances
                continue
            scores.append(self.score(self.head(_those(x, mine)), self.head(_those(y, mine))))
        if not scores:
            return x.sum() * 0.0
        return torch.stack(scores).mean()


def _one_hot(classes: Tensor, like: Tensor) -> Tensor:
    """Give 1 where an atom is of a class, shape (n_atoms, n_classes): the gradient of a product takes no sorting."""
    return functional.one_hot(classes, len(like)).to(like.dtype)


def _those(features: Tensor, mine: Tensor) -> Tensor:
    """Give the rows that a mask names: as by the mask, but for a gradient that is found without sorting."""
    return features.index_select(0, mine.nonzero()[:, 0])
