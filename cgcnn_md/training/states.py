"""Soft states: a small head on the slow coordinates, trained with VAMP-2 as in GDyNet."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from cgcnn_md.frame import Floats
from cgcnn_md.kernels.threads import one_torch_thread
from cgcnn_md.nn import Model
from cgcnn_md.objectives.vamp2 import vamp2_score
from cgcnn_md.states import SoftStates
from cgcnn_md.training.moments import pair_features
from cgcnn_md.training.pairs import PairBatch, PairSampler

_NODES = 200_000  # that pairs are encoded from
_PAIRS = 20_000  # of a species that states are trained on
_WIDTH = 32
_STARTS = 5
_STEPS, _LOOK = 300, 10  # of an optimiser, and between looks at held-out time
_PATIENCE = 8  # looks without a better score
_RATE = 1e-2
_CRISP = 0.3  # weight of crispness against the score
_FEWEST = 50  # held-out pairs, below which the training pairs decide

Pairs = tuple[Tensor, Tensor]


def fit_states(model: Model, sampler: PairSampler, n: int, *, seed: int = 0) -> dict[str, SoftStates]:
    """Train soft states of every species that has pairs; the encoder and its maps stay as they are.

    Parameters
    ----------
    model
        A trained model with its kinetic maps.
    sampler
        Pairs in time.
    n
        States of each species.
    seed
        Seed of the starts.
    """
    train = _coordinates(model, sampler.spread(sampler.train, _NODES))
    held = _coordinates(model, sampler.spread(sampler.held_out, _NODES, seed=1))
    return {name: train_states(pairs, held.get(name, pairs), n, seed=seed) for name, pairs in train.items()}


@torch.no_grad()
def _coordinates(model: Model, batches: Iterable[PairBatch]) -> dict[str, Pairs]:
    """Slow coordinates of both ends of the pairs of every species that has any, thinned out evenly where many."""
    ends: dict[str, list[tuple[Floats, Floats]]] = {}
    for batch in batches:
        x, y = (f.cpu().numpy() for f in pair_features(model, batch))
        for code in np.unique(batch.species):
            mine, name = batch.species == code, model.kinds[code]
            mapping = model.maps[name]
            if mapping.weights.any():
                both = mapping(x[mine], batch.classes[mine, 0]), mapping(y[mine], batch.classes[mine, 1])
                ends.setdefault(name, []).append(both)
    made = {}
    for name, parts in ends.items():
        now, later = (np.concatenate(end) for end in zip(*parts))
        keep = np.unique(np.linspace(0, len(now) - 1, min(_PAIRS, len(now))).round().astype(int))
        made[name] = torch.from_numpy(now[keep]), torch.from_numpy(later[keep])
    return made


@one_torch_thread()
def train_states(train: Pairs, held_out: Pairs, n: int, *, seed: int = 0, starts: int = _STARTS) -> SoftStates:
    r"""Train the memberships of one species from several starts and keep those of the best held-out score.

    The score of the memberships is VAMP-2, with pairs taken in both directions. It is the same for any linear
    combination of the memberships, so crisp ones are asked for: 0.3 :math:`\sum_i \langle \chi_i^2 \rangle
    / \langle \chi_i \rangle` is added, which PCCA+ makes large (S. Röblitz, M. Weber, Adv. Data Anal. Classif. 7, 147
    (2013), doi:10.1007/s11634-013-0134-6).

    Parameters
    ----------
    train, held_out
        Slow coordinates of both ends of pairs, each of shape (n_pairs, n_coordinates), float64.
    n
        States.
    seed
        Seed of the starts.
    starts
        How many are tried, for one may end on a poor optimum.

    Returns
    -------
    SoftStates
        States in the order of falling population.
    """
    points = torch.cat(train)
    centre, scale = points.mean(dim=0), points.std(dim=0).max().clamp(min=1e-9)
    seen, unseen = _scaled(train, centre, scale), _scaled(held_out, centre, scale)
    if len(held_out[0]) < _FEWEST:
        unseen = seen
    tried = [_one_start(seen, unseen, n, [seed, start]) for start in range(starts)]
    scores = [float(score) for score, _ in tried]
    head = tried[int(np.argmax(scores))][1]
    with torch.no_grad():
        order = head(torch.cat(seen)).mean(dim=0).argsort(descending=True)
        exchanges = _exchanges(head(unseen[0]), head(unseen[1]))
    return SoftStates(
        centre=centre.numpy(), scale=scale.numpy()[None],
        inner=_plain(head.inner.weight.T), inner_bias=_plain(head.inner.bias),
        outer=_plain(head.outer.weight[order].T), outer_bias=_plain(head.outer.bias[order]),
        exchanges=exchanges.numpy(), starts=np.asarray(scores),
    )  # fmt: skip


class _Head(nn.Module):
    """The memberships that `SoftStates` gives, of coordinates that are centred and scaled."""

    def __init__(self, n_coordinates: int, n: int) -> None:
        super().__init__()
        self.inner = nn.Linear(n_coordinates, _WIDTH, dtype=torch.float64)
        self.outer = nn.Linear(_WIDTH, n, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        """Give memberships, shape (n_points, n)."""
        return torch.softmax(self.outer(torch.tanh(self.inner(x))), dim=1)


def _scaled(pairs: Pairs, centre: Tensor, scale: Tensor) -> Pairs:
    return (pairs[0] - centre) / scale, (pairs[1] - centre) / scale


def _plain(tensor: Tensor) -> Floats:
    return np.array(tensor.detach().numpy())


def _one_start(seen: Pairs, unseen: Pairs, n: int, seed: list[int]) -> tuple[float, _Head]:
    """Train once; give the best held-out score and the head that has it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.default_rng(seed).integers(2**31)))
        head = _Head(seen[0].shape[1], n)
    optimiser = torch.optim.Adam(head.parameters(), lr=_RATE)
    best, kept, stale = -np.inf, {k: v.clone() for k, v in head.state_dict().items()}, 0
    for step in range(1, _STEPS + 1):
        x, y = head(seen[0]), head(seen[1])
        gain = _score(x, y) + _CRISP * _crispness(x, y)
        optimiser.zero_grad()
        torch.autograd.backward(-gain)
        optimiser.step()
        if step % _LOOK:
            continue
        with torch.no_grad():
            x, y = head(unseen[0]), head(unseen[1])
            found = float(_score(x, y) + _CRISP * _crispness(x, y))
        if found > best:
            best, stale, kept = found, 0, {k: v.clone() for k, v in head.state_dict().items()}
        elif (stale := stale + 1) >= _PATIENCE:
            break
    head.load_state_dict(kept)
    with torch.no_grad():
        return float((_exchanges(head(unseen[0]), head(unseen[1])) ** 2).sum()), head


def _score(x: Tensor, y: Tensor) -> Tensor:
    """VAMP-2 of memberships about their mean, pairs in both directions; the last follows from the others."""
    now, later = torch.cat([x, y])[:, :-1], torch.cat([y, x])[:, :-1]
    mean = now.mean(dim=0)
    return vamp2_score(now - mean, later - mean)


def _crispness(x: Tensor, y: Tensor) -> Tensor:
    """Trace of the overlap of states less 1: 0 where all are alike, n - 1 for memberships of 0 and 1."""
    both = torch.cat([x, y])
    return (both.square().sum(dim=0) / both.sum(dim=0).clamp(min=1e-9)).sum() - 1


def _exchanges(x: Tensor, y: Tensor) -> Tensor:
    """Autocorrelations of the exchanges between states, slowest first, shape (n - 1,)."""
    now, later = torch.cat([x, y])[:, :-1], torch.cat([y, x])[:, :-1]
    mean = now.mean(dim=0)
    a, b = now - mean, later - mean
    same, cross = a.T @ a / len(a), a.T @ b / len(a)
    root = torch.linalg.cholesky(same + 1e-9 * torch.eye(len(same), dtype=same.dtype))
    half = torch.linalg.solve_triangular(root, cross, upper=False)
    values: Tensor = torch.linalg.eigvalsh(torch.linalg.solve_triangular(root, half.T, upper=False))
    return values.flip(0)
