"""How probably an atom is still, or again, in its cluster after a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cgcnn_md.analysis.counts import Counts
from cgcnn_md.analysis.markov import Bootstrap, Estimate
from cgcnn_md.frame import Floats, Ints


@dataclass(frozen=True, eq=False)
class Residence:
    """Residence correlations of the clusters of one group of atoms. Times are in frames.

    Parameters
    ----------
    lags
        Lags in frames, shape (n_lags,).
    still
        Probability never to have left the cluster after the lag (the continuous one), shape (n_lags, n).
    again
        Probability to be in the cluster after the lag, left between or not (the intermittent one), shape (n_lags, n).
    share
        What `again` goes to: the share of atom-frames in each cluster, of several systems the mean of theirs by those
        who were there, shape (n,).
    """

    lags: Ints
    still: Estimate
    again: Estimate
    share: Floats

    @property
    def still_time(self) -> Floats:
        """Time until 1/e have never left, shape (n,); inf where it is longer than the longest lag."""
        return _time(self.lags, self.still.value)

    @property
    def again_time(self) -> Floats:
        """Time until `again` has come to 1/e of its way to the share, shape (n,); inf where it is longer."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return _time(self.lags, (self.again.value - self.share) / (1 - self.share))


def reside(systems: Sequence[Counts], bootstrap: Bootstrap) -> Residence:
    """Divide how many are in their cluster still, or again, after every lag by how many were in it.

    Parameters
    ----------
    systems
        Counts of each system.
    bootstrap
        Their pieces.

    Returns
    -------
    Residence
        With 95 % intervals; nan for a cluster that nobody was in.
    """
    total = np.sum([c.total for c in systems], axis=0)
    every = np.arange(total.shape[-1])
    stayed = np.sum([c.stayed_by_blocks.sum(axis=1) for c in systems], axis=0)
    still: list[Estimate] = []
    again: list[Estimate] = []
    for place in range(len(total)):
        drawn, never = bootstrap.counts(place, every), bootstrap.stayed(place)
        same = {kind: np.diagonal(c, axis1=-2, axis2=-1) for kind, c in drawn.items()}
        began = {kind: c.sum(axis=-1) for kind, c in drawn.items()}
        here = total[place].sum(axis=-1)
        for made, value, replicas in ((still, stayed[place], never), (again, np.diagonal(total[place]), same)):
            shares = {kind: _divided(replicas[kind], began[kind]) for kind in replicas}
            made.append(bootstrap.interval(_divided(value, here), shares, share=True))
    there = np.stack([c.total[0].sum(axis=0) for c in systems]).astype(np.float64)
    shares = there / np.maximum(there.sum(axis=1, keepdims=True), 1)
    share = (there * shares).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    return Residence(systems[0].lags, _stacked(still), _stacked(again), share)


def _divided(top: Floats | Ints, bottom: Floats | Ints) -> Floats:
    """Divide, nan where there is nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(top / bottom, dtype=np.float64)


def _stacked(estimates: Sequence[Estimate]) -> Estimate:
    """Put lags together."""
    return Estimate(*(np.stack([getattr(e, end) for e in estimates]) for end in ("value", "low", "high")))


def _time(lags: Ints, left: Floats) -> Floats:
    """Find where what is left first falls below 1/e, shape (n,).

    Between lags it falls as an exponential does, or evenly where nothing is left at the later one.
    """
    times = np.full(left.shape[1], np.inf)
    lags, left = np.concatenate([[0], lags]), np.concatenate([np.ones((1, left.shape[1])), left])
    for k, column in enumerate(left.T):
        below = np.flatnonzero(column < 1 / np.e)
        if len(below):
            (a, b), (x, y) = column[below[0] - 1 : below[0] + 1], lags[below[0] - 1 : below[0] + 1]
            gone = (np.log(a) + 1) / (np.log(a) - np.log(b)) if b > 0 else (a - 1 / np.e) / (a - b)
            times[k] = x + (y - x) * gone
        elif np.isnan(column).any():
            times[k] = np.nan
    return times
