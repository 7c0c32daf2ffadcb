"""Intervals of means over independent units: molecules (atoms where they are alone), blocks of time, runs."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cgcnn_md.frame import Floats, Ints

_RESAMPLES = 1000
_MOST_UNITS = 400
FEWEST = 3  # pieces of a kind, unless no kind has so many: Student's t makes nothing of two

# numerators, shape (n_units, n), and denominators, shape (n_units,) or (n_units, n), of means per independent unit of
# one system
Units = tuple[Floats, Floats]


def grouped(units: Units, rng: np.random.Generator) -> Units:
    """Put units together at random until they are few; the spread of their mean stays what it was.

    Parameters
    ----------
    units
        Of one system.
    rng
        Draws.
    """
    numerator, denominator = units
    if len(denominator) <= _MOST_UNITS:
        return units
    parts = np.array_split(rng.permutation(len(denominator)), _MOST_UNITS)
    return np.stack([numerator[p].sum(axis=0) for p in parts]), np.stack([denominator[p].sum(axis=0) for p in parts])


def joined(units: Units, codes: Ints) -> Units:
    """Make one unit of those that share a code.

    Parameters
    ----------
    units
        Of one system.
    codes
        Whole numbers, shape (n_units,).
    """
    numerator, denominator = units
    _, place = np.unique(codes, return_inverse=True)
    top = np.zeros((int(place.max(initial=-1)) + 1, numerator.shape[1]))
    np.add.at(top, place, numerator)
    bottom = np.zeros((len(top), *denominator.shape[1:]))
    np.add.at(bottom, place, denominator)
    return top, bottom


def bodies(molecule: Ints) -> Ints:
    """Give what is independent of some atoms: their molecules, or the atoms where fewer than three molecules hold them.

    Parameters
    ----------
    molecule
        Molecule of every atom, an atom alone being one, shape (n_atoms,).

    Returns
    -------
    ndarray
        Whole numbers from 0, shape (n_atoms,).
    """
    found, place = np.unique(molecule, return_inverse=True)
    return np.arange(len(molecule)) if len(found) < FEWEST else np.asarray(place, dtype=np.int64)


def dealt(molecule: Ints, most: int, rng: np.random.Generator) -> Ints:
    """Deal the bodies of some atoms to at most so many groups at random; the group of every atom, shape (n_atoms,)."""
    body = bodies(molecule)
    return np.asarray((rng.permutation(int(body.max()) + 1) % most)[body], dtype=np.int64)


def enough(freedom: Iterable[int]) -> int:
    """Give the degrees of freedom that a way of cutting needs, of those that the ways have."""
    return min(FEWEST - 1, max(1, *freedom))


def interval(ways: list[list[Units]], mean: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Give the 95 % interval of means from the way of cutting into units that makes it wider.

    Parameters
    ----------
    ways
        Ways to cut the data into independent units: for each, the units of every system. A way with fewer than three
        units counts only where none has more.
    mean
        Sum of all numerators over sum of all denominators, shape (n,).
    rng
        Draws.

    Returns
    -------
    low, high
        Ends of the interval, widened by Student's t for the number of units; nan where there is one unit, shape (n,).
    """
    if len(mean) == 0:
        return mean, mean
    freedom = [sum(len(d) - 1 for _, d in units) for units in ways]
    least = enough(freedom)
    found = [_limits(units, mean, rng) for units, n in zip(ways, freedom) if n >= least]
    if not found:
        return np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    low, high = (np.asarray(side) for side in zip(*found))
    widest = (high - low).argmax(axis=0)
    columns = np.arange(len(mean))
    return low[widest, columns], high[widest, columns]


def _limits(systems: list[Units], mean: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Bootstrap within each system."""
    from scipy.stats import norm, t

    freedom = sum(len(d) - 1 for _, d in systems)
    top = np.zeros((_RESAMPLES, len(mean)))
    bottom = np.zeros((_RESAMPLES, len(mean)))
    for numerator, denominator in systems:
        n = len(denominator)
        weights = rng.multinomial(n, np.full(n, 1 / n), size=_RESAMPLES).astype(np.float64)
        top += weights @ numerator
        bottom += (weights @ denominator).reshape(_RESAMPLES, -1)
    # few units: percentiles are too narrow by sqrt((n - 1) / n) and by normal against Student tails
    parted = sum(len(d) > 1 for _, d in systems)
    wider = float(t.ppf(0.975, freedom) / norm.ppf(0.975)) * np.sqrt((freedom + parted) / freedom)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = top / bottom
    low, high = np.nanpercentile(np.where(bottom > 0, means, mean), [2.5, 97.5], axis=0)
    return mean + wider * np.minimum(low - mean, 0), mean + wider * np.maximum(high - mean, 0)
