"""Intervals of means over independent units: blocks of time, or atoms."""

from __future__ import annotations

import numpy as np

from cgcnn_md.frame import Floats

_RESAMPLES = 1000
_MOST_UNITS = 400

# numerators, shape (n_units, n), and denominators, shape (n_units,), of means per independent unit of one system
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
    return np.stack([numerator[p].sum(axis=0) for p in parts]), np.stack([denominator[p].sum() for p in parts])


def interval(ways: list[list[Units]], mean: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Give the 95 % interval of means from the way of cutting into units that makes it wider.

    Parameters
    ----------
    ways
        Ways to cut the data into independent units: for each, the units of every system.
    mean
        Sum of all numerators over sum of all denominators, shape (n,).
    rng
        Draws.

    Returns
    -------
    low, high
        Ends of the interval, widened by Student's t for the number of units; nan where there is one unit, shape (n,).
    """
    found = [pair for pair in (_limits(units, mean, rng) for units in ways) if pair is not None]
    if not found:
        return np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    low, high = (np.asarray(side) for side in zip(*found))
    widest = (high - low).argmax(axis=0)
    columns = np.arange(len(mean))
    return low[widest, columns], high[widest, columns]


def _limits(systems: list[Units], mean: Floats, rng: np.random.Generator) -> tuple[Floats, Floats] | None:
    """Bootstrap within each system; None where nothing can be drawn differently."""
    from scipy.stats import norm, t

    freedom = sum(len(d) - 1 for _, d in systems)
    if freedom < 1:
        return None
    top = np.zeros((_RESAMPLES, len(mean)))
    bottom = np.zeros(_RESAMPLES)
    for numerator, denominator in systems:
        n = len(denominator)
        weights = rng.multinomial(n, np.full(n, 1 / n), size=_RESAMPLES).astype(np.float64)
        top += weights @ numerator
        bottom += weights @ denominator
    # few units: percentiles are too narrow by sqrt((n - 1) / n) and by normal against Student tails
    wider = float(t.ppf(0.975, freedom) / norm.ppf(0.975)) * np.sqrt((freedom + 1) / freedom)
    low, high = np.percentile(top / bottom[:, None], [2.5, 97.5], axis=0)
    return mean + wider * np.minimum(low - mean, 0), mean + wider * np.maximum(high - mean, 0)
