"""Compiled search of the valley in a smoothed density of points on a line."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from cgcnn_md.kernels import CACHE

EMPTY = 0.05
"""Density left in a valley, up to which it holds nothing that tells how near two groups are."""

_GRID = 200
_BANDWIDTH = 0.3  # of the narrower group's standard deviation
_FLAT = 2.0  # the floor of a valley: density up to so many times its least, or up to `EMPTY` of the lower peak


@numba.njit(cache=CACHE)
def density(a: Any, b: Any, low: float, high: float, width: float) -> Any:
    """Give the density of two groups of points on a line, in `_GRID` bins between two places.

    Points beyond the places are left out, and each keeps all of its weight between them.

    Parameters
    ----------
    a, b
        Places of the points, shapes (n_a,) and (n_b,).
    low, high
        First and last edge of the bins.
    width
        Standard deviation of the Gaussian that smooths.

    Returns
    -------
    array
        Density in arbitrary units, shape (_GRID,).
    """
    step = (high - low) / _GRID
    counts, smooth = np.zeros(_GRID), np.zeros(_GRID)
    for group in (a, b):
        for place in group:
            if low <= place <= high:
                counts[min(int((place - low) / step), _GRID - 1)] += 1.0
    kernel = np.exp(-0.5 * (np.arange(1 - _GRID, _GRID) * (step / width)) ** 2)
    summed = np.cumsum(kernel)
    for i in range(_GRID):
        if counts[i] > 0.0:
            first = _GRID - 1 - i
            weight = counts[i] / (summed[first + _GRID - 1] - summed[first] + kernel[first])
            for j in range(_GRID):
                smooth[j] += weight * kernel[first + j]
    return smooth


@numba.njit(cache=CACHE)
def lowest_between(a: Any, b: Any) -> Any:
    """Find the valley between two groups of points on a line, the second of which lies farther up.

    Parameters
    ----------
    a, b
        Places of the points, shapes (n_a,) and (n_b,).

    Returns
    -------
    (float, float)
        Middle of the valley, and the density there over that of the lower peak: 1 where the medians are not in order.
    """
    low, high = np.median(a), np.median(b)
    if not high > low:
        return low, 1.0
    width = _BANDWIDTH * max(min(a.std(), b.std()), 1e-12)
    margin = (high - low) * 0.5
    first, step = low - margin, 2.0 * (high - low) / _GRID
    smooth = density(a, b, first, high + margin, width)
    half = _GRID // 2
    left, right = np.argmax(smooth[:half]), half + np.argmax(smooth[half:])
    between = smooth[left : right + 1]
    lower = max(min(smooth[left], smooth[right]), 1e-300)
    # a valley may be flat: its middle moves less than its lowest point
    highest, places, n = max(_FLAT * between.min(), EMPTY * lower), 0, 0
    for place in range(len(between)):
        if between[place] <= highest:
            places += place
            n += 1
    return first + (left + places / n + 0.5) * step, between.min() / lower
