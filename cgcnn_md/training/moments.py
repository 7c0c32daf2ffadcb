"""From pairs of views to lagged moments, kinetic maps, and the lag that resolves the slowest coordinate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from cgcnn_md.kernels.threads import side_by_side
from cgcnn_md.kinetic_map import KineticMap, LaggedMoments, fit_kinetic_map
from cgcnn_md.nn import Model
from cgcnn_md.readers import Reader
from cgcnn_md.training.held_out import FINER, Cut
from cgcnn_md.training.pairs import PairBatch, PairSampler

_MAP_NODES = 200_000
UNTRAINED_NODES = 40_000  # enough to compare lags, cuts, and the encoder before and after training by
_RIDGE = (1e-2,)
_SLOW = 0.5  # autocorrelation from which a coordinate is slow; little data may have 0.3 by chance
_MANY = 100  # atoms of a species, below which what its parts of the time share may be chance
_SAME, _ALIKE = 0.5, 0.8  # of an autocorrelation, from which parts of the time share a motion, or fully do
_LEVEL = 1.2  # a timescale that grows less than this when the lag doubles has levelled off
_MOST_LAGS = 8  # the longest lag leaves so many in the trajectory


def encode_ends(model: Model, batch: PairBatch) -> list[torch.Tensor]:
    """Encode the graphs of both ends, or the one that holds both: features of the targets of each."""
    graphs = [batch.first] if batch.second is batch.first else [batch.first, batch.second]
    return side_by_side(model.encoder, graphs, model.encoder.species.weight.device)


def at_pairs(ends: Sequence[torch.Tensor], batch: PairBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """Give both ends of every pair, each of shape (n_pairs, n_hidden), from the features of their graphs."""
    rows = [torch.from_numpy(r).to(ends[0].device) for r in (batch.rows_first, batch.rows_second)]
    return ends[0].index_select(0, rows[0]), ends[-1].index_select(0, rows[1])


def pair_features(model: Model, batch: PairBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """Encode both ends of every pair, each of shape (n_pairs, n_hidden)."""
    return at_pairs(encode_ends(model, batch), batch)


@torch.no_grad()
def gather_moments(model: Model, batches: Iterable[PairBatch]) -> dict[str, LaggedMoments]:
    """Sum the lagged moments of the features about the means of identity classes, per species."""
    moments: dict[str, LaggedMoments] = {}
    for batch in batches:
        x, y = (f.cpu().numpy() for f in pair_features(model, batch))
        for code in np.unique(batch.species):
            mine = batch.species == code
            gathered = moments.setdefault(model.kinds[code], LaggedMoments(x.shape[1], len(model.identities)))
            gathered.add(x[mine], y[mine], batch.classes[mine])
    return moments


@dataclass(frozen=True, eq=False)
class Moments:
    """Lagged moments of the features that a model has now, per species, of pairs to train on and of held-out ones."""

    model: Model
    train: dict[str, LaggedMoments]
    held: dict[str, LaggedMoments]

    @classmethod
    def of(cls, model: Model, sampler: PairSampler, max_nodes: int = _MAP_NODES) -> Self:
        """Gather them from about so many graph nodes of either."""
        train = gather_moments(model, sampler.spread(sampler.train, max_nodes))
        held = gather_moments(model, sampler.spread(sampler.held_out, max_nodes, seed=1))
        none = LaggedMoments(model.config.n_hidden, len(model.identities))
        return cls(model, *({name: of.get(name, none) for name in model.kinds} for of in (train, held)))

    def maps(self, n: int) -> dict[str, KineticMap]:
        """Fit a kinetic map per species on the training pairs and measure it on the held-out ones.

        A species of which no pair is found gets the map to zero.
        """
        return {name: fit_kinetic_map(self.train[name], self.held[name], n) for name in self.model.kinds}

    def slowest(self) -> dict[str, list[tuple[float, float]]]:
        """Tell of every species whether its two parts of the time know the same slowest motion.

        Returns
        -------
        dict
            Autocorrelation of the slowest coordinate of the time to train on, there and on held-out time, and of the
            slowest of held-out time, there and on time to train on. Empty where one of them has no pairs.
        """
        told: dict[str, list[tuple[float, float]]] = {name: [] for name in self.model.kinds}
        for name, slowest in told.items():
            train, held = self.train[name], self.held[name]
            for here, there in ((train, held), (held, train)) if train.n and held.n else ():
                one = fit_kinetic_map(here, there, 1, ridges=_RIDGE)
                slowest.append((float(one.fitted[0]), float(one.autocorrelation[0])))
        return told


def choose_cut(model: Model, draw: Callable[..., PairSampler]) -> tuple[Cut, Moments]:
    """Choose where time is held out: as usual, unless what is slow in one part of the time is not in the other.

    So it is where a run changes once, and so early or late or fast that one part of its time has none of it: the
    other could then not tell whether it is real. Species of few atoms are not asked, for which that may be chance.

    Parameters
    ----------
    model
        The untrained model.
    draw
        Makes the sampler of a cut.

    Returns
    -------
    Cut, Moments
        The cut, and the moments of its pairs.
    """
    sampler = draw(cut=Cut())
    usual = Moments.of(model, sampler, UNTRAINED_NODES)
    best, most, moments = Cut(), _shared(usual.slowest(), sampler.atoms_of), usual
    tried = [[], sampler.held_out]
    for cut in FINER if most < _SAME else ():
        sampler = draw(cut=cut)
        if sampler.held_out in tried:  # a run may be too short for so many stretches
            continue
        tried.append(sampler.held_out)
        found = Moments.of(model, sampler, UNTRAINED_NODES)
        shared = _shared(found.slowest(), sampler.atoms_of)
        if shared > most:
            best, most, moments = cut, shared, found
        if most >= _ALIKE:
            break
    return (best, moments) if most >= _SAME else (Cut(), usual)


def _shared(slowest: dict[str, list[tuple[float, float]]], atoms: Mapping[str, int]) -> float:
    """Give the least share of a slowest motion's autocorrelation that the other part of the time has."""
    told = [pair for name, pairs in slowest.items() if atoms[name] >= _MANY for pair in pairs]
    return min((max(there, 0.0) / here for here, there in told if here > _SLOW), default=1.0)


def choose_lag(readers: Sequence[Reader], model: Model, draw: Callable[..., PairSampler], *, validation: float) -> int:
    """Find the shortest lag at which the slowest coordinate of the untrained encoder is resolved.

    Its implied timescale grows with the lag while fast motion is mixed in, and levels off when it is not. Where it
    does so late or never, as in glasses and polymers, a lag in the middle of those that the trajectory resolves is
    taken: at the longest, only drift would be left, and environments must outlive the lag.

    Parameters
    ----------
    readers, model
        The systems, and the untrained model.
    draw
        Makes the sampler of a view and a lag.
    validation
        Share of the time that is held out.
    """
    shortest = min(int(np.bincount(r.runs - r.runs.min()).max()) for r in readers)
    longest = max(round((1 - validation) * shortest / _MOST_LAGS), 1)
    lags = [lag for lag in (1, 2, 4, 8, 16, 32, 64, 128) if lag <= longest]
    lags = lags[: len(lags) // 2 + 1]
    previous = None
    for lag in lags:
        maps = Moments.of(model, draw(view="time", lag=lag), UNTRAINED_NODES).maps(1)
        slowest = max(float(np.nan_to_num(m.timescale(lag)[0])) for m in maps.values())
        if previous is not None and slowest < _LEVEL * previous:
            return lag // 2
        previous = slowest
    return lags[-1]
