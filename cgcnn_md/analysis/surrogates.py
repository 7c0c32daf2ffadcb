"""Pairs that are shuffled in time or among atoms: what keeps a coordinate's value, and what chance would give."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.analysis.census import lagged_frames
from cgcnn_md.analysis.draws import own_lags
from cgcnn_md.frame import Floats, Ints
from cgcnn_md.store import Store

if TYPE_CHECKING:
    import pandas as pd

_POINTS = 40_000  # atom-frames of one group over all systems
_ATOMS = 500  # of one system at most
_SIGMAS = 3.0  # of what shuffled pairs reach, beyond which a coordinate is significant
_DRAWS = 30  # of doubly shuffled pairs
_STRETCHES = 10  # of a run: independent units beside the atoms
_KEPT = 0.9  # of the autocorrelation that is left where shuffling changes nothing

Reads = Callable[[NDArray[np.float32], NDArray[np.str_]], Floats]


@dataclass(frozen=True, eq=False)
class Shuffles:
    """Autocorrelation of each slow coordinate of one group, and what is left of it when pairs are shuffled.

    Errors are standard errors, the larger of those over atoms and over stretches of time.

    Parameters
    ----------
    held_out
        Autocorrelation over one lag on held-out time, shape (n,).
    lagged, lagged_error
        The same over the whole of the runs, from the store, shape (n,).
    time, time_error
        With the same atom at any other time of the run in place of the lag, shape (n,): a coordinate that this keeps
        is frozen, a label that hardly changes. Nan where runs are too short.
    atoms, atoms_error
        With another atom of the same box one lag later, shape (n,): a coordinate that this keeps belongs to the box or
        the frame and not to the atom. Nan where there is one atom.
    chance
        Three standard deviations of what pairs of other atoms at other times of any box give, shape (n,).
    """

    held_out: Floats
    lagged: Floats
    lagged_error: Floats
    time: Floats
    time_error: Floats
    atoms: Floats
    atoms_error: Floats
    chance: Floats

    @property
    def significant(self) -> NDArray[np.bool_]:
        """Whether each coordinate keeps more than chance gives, on held-out time and in all, shape (n,)."""
        return np.minimum(self.held_out, self.lagged) > self.chance

    @property
    def gone(self) -> NDArray[np.bool_]:
        """Whether of what a coordinate keeps on held-out time neither half nor more than chance is left in all."""
        return (self.held_out > self.chance) & ~(self.lagged > np.fmin(self.chance, self.held_out / 2))

    @property
    def kept(self) -> Floats:
        """Autocorrelation on held-out time, and where it is gone from the files at hand what is left there, (n,)."""
        return np.where(self.gone, np.fmin(self.held_out, self.lagged), self.held_out)

    @property
    def frozen(self) -> NDArray[np.bool_]:
        """Whether a coordinate keeps its value as well over the whole run as over one lag, shape (n,)."""
        return self.significant & (self.time > _KEPT * self.lagged)

    @property
    def of_box(self) -> NDArray[np.bool_]:
        """Whether any atom of the box tells a coordinate as well as the atom itself, shape (n,)."""
        return self.significant & (self.atoms > _KEPT * self.lagged)

    def rows(self) -> list[dict[str, float | int | bool]]:
        """Give a row for each coordinate."""
        table = {
            "held_out": self.held_out, "lagged": self.lagged, "lagged_error": self.lagged_error,
            "shuffled_time": self.time, "shuffled_time_error": self.time_error, "shuffled_atoms": self.atoms,
            "shuffled_atoms_error": self.atoms_error, "chance": self.chance,
        }  # fmt: skip
        return [
            {"feature": i, **{name: float(values[i]) for name, values in table.items()}, "significant": bool(real)}
            for i, real in enumerate(self.significant)
        ]


def shuffle_pairs(
    stores: Sequence[Store], name: str, lag: int, read: Reads, held_out: Floats, *, by: str = "species",
    points: int = _POINTS, seed: int = 0,
) -> Shuffles | None:  # fmt: skip
    """Shuffle the pairs of one group of atoms.

    Parameters
    ----------
    stores
        The systems.
    name
        Group.
    lag
        Stored frames between both ends of a pair, as `own_lags` takes it.
    read
        Reads slow coordinates, shape (n, n_coordinates), from stored vectors and identity classes.
    held_out
        Autocorrelation of each coordinate on held-out time, shape (n_coordinates,).
    by
        What groups are made by, as in `Store.groups`.
    points
        Atom-frames read.
    seed
        Seed of sample and shuffles.

    Returns
    -------
    Shuffles or None
        None where there is no pair.
    """
    rng = np.random.default_rng(seed)
    lags = own_lags(stores, lag)
    share = points // len(stores)
    blocks = [b for s, own in zip(stores, lags, strict=True) for b in _blocks(s, name, own, read, by, share, rng)]
    if not blocks:
        return None
    pairs = _Pairs.of(blocks)
    lagged, time, atoms = (
        pairs.correlation(partner) for partner in (pairs.later, pairs.other_times(rng), pairs.other_atoms(rng))
    )
    draws = np.stack([pairs.correlation(pairs.elsewhere(rng))[0] for _ in range(_DRAWS)])
    return Shuffles(held_out, *lagged, *time, *atoms, _SIGMAS * np.sqrt((draws**2).mean(axis=0)))


def timeless(table: pd.DataFrame) -> pd.Series:
    """Tell of each row of `shuffle_table` whether no timescale follows: the coordinate is frozen, or of the box."""
    shuffled = table[["shuffled_time", "shuffled_atoms"]].max(axis=1)
    return table["significant"] & (shuffled > _KEPT * table["lagged"])


def shuffle_table(shuffles: Mapping[str, Shuffles], species: Mapping[str, str]) -> pd.DataFrame:
    """Give a row for each coordinate of each group, whose species are given."""
    import pandas as pd

    head = {"species": "", "group": "", "feature": 0}
    rows = [head | {"species": species[g], "group": g} | row for g, s in shuffles.items() for row in s.rows()]
    return pd.DataFrame(rows, columns=None if rows else list(head))


_Block = tuple[Floats, Floats, int]  # now and later, each of shape (n_atoms, n_times, n), and the lag in times


def _blocks(
    store: Store, name: str, lag: int, read: Reads, by: str, points: int, rng: np.random.Generator
) -> list[_Block]:
    """Read some atoms of one group at times evenly spread over each run, and one lag later."""
    atoms = np.flatnonzero(store.groups(by) == name)
    atoms = np.sort(rng.choice(atoms, min(_ATOMS, len(atoms)), replace=False))
    first = lagged_frames(store, lag)
    if len(first) == 0 or len(atoms) == 0:
        return []
    apart = -(-len(first) * len(atoms) // max(points, 1))
    chosen = [first[store.runs[first] == run][::apart] for run in np.unique(store.runs[first])]
    wanted = np.unique(np.concatenate([f + shift for f in chosen for shift in (0, lag)]))
    values = np.empty((len(wanted), len(atoms), store.features), dtype=np.float32)
    for unit in store.done_units():
        here = (wanted >= unit.start) & (wanted < unit.stop)
        if here.any():
            low, high = int(wanted[here][0]), int(wanted[here][-1]) + 1
            values[here] = store.embedding(slice(low, high))[wanted[here] - low][:, atoms]
    flat = read(values.reshape(-1, store.features), np.tile(store.identity[atoms], len(wanted)))
    mapped = flat.reshape(len(wanted), len(atoms), -1).swapaxes(0, 1)
    good: NDArray[np.bool_] = np.asarray(np.isfinite(mapped).all(axis=(0, 2)))
    blocks = []
    for frames in chosen:
        ends = np.searchsorted(wanted, frames), np.searchsorted(wanted, frames + lag)
        kept = good[ends[0]] & good[ends[1]]
        if kept.any():
            blocks.append((mapped[:, ends[0][kept]], mapped[:, ends[1][kept]], -(-lag // apart)))
    return blocks


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Pairs of all series; a series is one atom in one run, its points one after another.

    Parameters
    ----------
    now, later
        Coordinates at both ends, of mean 0 and variance 1 over all, each of shape (n_points, n).
    series, step
        Series of every point and its place in it, shape (n_points,).
    start, length
        First point and number of points of every series, shape (n_series,).
    lag
        Lag in steps, shape (n_series,).
    first, count
        First series of its box and run, and how many these hold, shape (n_series,).
    """

    now: Floats
    later: Floats
    series: Ints
    step: Ints
    start: Ints
    length: Ints
    lag: Ints
    first: Ints
    count: Ints

    @classmethod
    def of(cls, blocks: Sequence[_Block]) -> _Pairs:
        """Join blocks."""
        sizes = [(b[0].shape[0], b[0].shape[1], b[2]) for b in blocks]
        length = np.concatenate([np.full(a, t) for a, t, _ in sizes])
        n = blocks[0][0].shape[2]
        now, later = (np.concatenate([end.reshape(-1, n) for end in ends]) for ends in zip(*(b[:2] for b in blocks)))
        both = np.concatenate([now, later])
        mean, scale = both.mean(axis=0), np.maximum(both.std(axis=0), 1e-12)
        count = np.concatenate([np.full(a, a) for a, _, _ in sizes])
        ends = np.cumsum([a for a, _, _ in sizes])
        return cls(
            now=(now - mean) / scale,
            later=(later - mean) / scale,
            series=np.repeat(np.arange(len(length)), length),
            step=np.concatenate([np.tile(np.arange(t), a) for a, t, _ in sizes]),
            start=np.cumsum(length) - length,
            length=length,
            lag=np.concatenate([np.full(a, k) for a, _, k in sizes]),
            first=np.concatenate([np.full(a, end - a) for (a, _, _), end in zip(sizes, ends)]),
            count=count,
        )

    def correlation(self, partner: Floats) -> tuple[Floats, Floats]:
        """Give the correlation of every point with its partner, if that is not nan, and its standard error."""
        known = np.isfinite(partner[:, 0])
        if not known.any():
            return np.full(partner.shape[1], np.nan), np.full(partner.shape[1], np.nan)
        product = self.now[known] * partner[known]
        weight = (self.now[known] ** 2 + partner[known] ** 2) / 2
        value = product.sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-12)
        stretch = self.first[self.series] * _STRETCHES + self.step * _STRETCHES // self.length[self.series]
        errors = [_error(product - value * weight, weight, unit[known]) for unit in (self.series, stretch)]
        return value, np.fmax(*errors)

    def other_times(self, rng: np.random.Generator) -> Floats:
        """Give for every point the same atom more than the lag away, nan where its run is too short."""
        length, lag = self.length[self.series], self.lag[self.series]
        long = length >= 2 * lag + 2
        turn = rng.integers(np.where(long, lag + 1, 0), np.where(long, length - lag, 1))
        return np.where(long[:, None], self.now[self.start[self.series] + (self.step + turn) % length], np.nan)

    def other_atoms(self, rng: np.random.Generator) -> Floats:
        """Give for every point another atom of its box one lag later, nan where it is alone."""
        first, count = self.first[self.series], self.count[self.series]
        several = count > 1
        turn = rng.integers(np.minimum(1, count - 1), np.maximum(count, 1))
        other = first + (self.series - first + turn) % count
        return np.where(several[:, None], self.later[self.start[other] + self.step], np.nan)

    def elsewhere(self, rng: np.random.Generator) -> Floats:
        """Give for every point another atom of any box at another time.

        A series meets another one as a whole, turned round in time by some steps, so that what chance gives has the
        memory of the data: few slow atoms agree by chance more than many fast ones.
        """
        order = rng.permutation(len(self.start))
        other = np.empty_like(order)
        other[order] = np.roll(order, 1)
        low = np.minimum(self.lag + 1, self.length - 1)
        turn = rng.integers(low, np.maximum(self.length - self.lag, low + 1))
        at = (self.step + turn[self.series]) % self.length[other[self.series]]
        return self.now[self.start[other[self.series]] + at]


def _error(deviation: Floats, weight: Floats, unit: Ints) -> Floats:
    """Give the standard error of a ratio of sums over independent units; nan for a single unit."""
    n_units = len(np.unique(unit))
    if n_units < 2:
        return np.full(deviation.shape[1], np.nan)
    sums = np.stack([np.bincount(unit, d) for d in deviation.T], axis=1)
    total = np.maximum(weight.sum(axis=0), 1e-12)  # a coordinate may be zero throughout
    error: Floats = np.sqrt((sums**2).sum(axis=0) * n_units / (n_units - 1)) / total
    return error
