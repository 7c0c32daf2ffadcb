"""From pairs of views to lagged moments, kinetic maps, and the lag that resolves the slowest coordinate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from cgcnn_md.kernels.threads import side_by_side
from cgcnn_md.kinetic_map import KineticMap, LaggedMoments, fit_kinetic_map
from cgcnn_md.nn import Model
from cgcnn_md.readers import Reader
from cgcnn_md.readers.runs import Runs
from cgcnn_md.training.pairs import PairBatch, PairSampler

_MAP_NODES = 200_000
_LAG_NODES = 40_000
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


def fit_maps(model: Model, sampler: PairSampler, n: int, *, max_nodes: int = _MAP_NODES) -> dict[str, KineticMap]:
    """Fit a kinetic map per species on the training pairs and measure it on the held-out ones.

    A species of which no pair is found gets the map to zero.
    """
    train = gather_moments(model, sampler.spread(sampler.train, max_nodes))
    held = gather_moments(model, sampler.spread(sampler.held_out, max_nodes, seed=1))
    none = LaggedMoments(model.config.n_hidden, len(model.identities))
    return {name: fit_kinetic_map(train.get(name, none), held.get(name, none), n) for name in model.kinds}


def choose_lag(
    readers: Sequence[Reader], model: Model, *, batch_atoms: int, validation: float, held_runs: Runs | None = None
) -> int:
    """Find the shortest lag at which the slowest coordinate of the untrained encoder is resolved.

    Its implied timescale grows with the lag while fast motion is mixed in, and levels off when it is not. Where it
    does so late or never, as in glasses and polymers, a lag in the middle of those that the trajectory resolves is
    taken: at the longest, only drift would be left, and environments must outlive the lag.
    """
    shortest = min(int(np.bincount(r.runs - r.runs.min()).max()) for r in readers)
    longest = max(round((1 - validation) * shortest / _MOST_LAGS), 1)
    lags = [lag for lag in (1, 2, 4, 8, 16, 32, 64, 128) if lag <= longest]
    lags = lags[: len(lags) // 2 + 1]
    previous = None
    for lag in lags:
        sampler = PairSampler(
            readers, model, view="time", lag=lag, batch_atoms=batch_atoms, validation=validation, held_runs=held_runs
        )
        maps = fit_maps(model, sampler, 1, max_nodes=_LAG_NODES)
        slowest = max(float(np.nan_to_num(m.timescale(lag)[0])) for m in maps.values())
        if previous is not None and slowest < _LEVEL * previous:
            return lag // 2
        previous = slowest
    return lags[-1]
