"""Find the first coordination shell in a pair distribution, or say that there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cgcnn_md.frame import Floats

_SMOOTH = 0.1  # Å, Gaussian that takes the noise off before extrema are sought
_RISE = 0.1  # of the level far out: what a peak must rise by, and a minimum lie below what follows
_DIP = 0.8  # of the peak: what the minimum must stay below
_SIGMAS = 4.0
_FEWEST_PAIRS = 30


@dataclass(frozen=True)
class Shell:
    """A first shell.

    Parameters
    ----------
    n_bins
        Bins up to the first minimum.
    peak
        Distance of the first peak in Å.
    cutoff
        Distance of the first minimum in Å, a bin edge.
    """

    n_bins: int
    peak: float
    cutoff: float


def first_shell(values: Floats, pairs: Floats, edges: Floats) -> Shell | None:
    """Find the first peak and the first minimum after it.

    Parameters
    ----------
    values
        g(r) or density per bin; nan beyond the reach.
    pairs
        Pairs counted per bin, which tell the noise.
    edges
        Bin edges in Å.

    Returns
    -------
    Shell or None
        None where no peak stands out, where no minimum follows it, or where fewer than 30 pairs were seen.
    """
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import find_peaks

    known = np.isfinite(values)
    n = int(known.argmin()) if not known.all() else len(values)
    if n < 4 or pairs[:n].sum() < _FEWEST_PAIRS:
        return None
    spread = _SMOOTH / (edges[1] - edges[0])
    smooth = np.maximum(gaussian_filter1d(values[:n], spread, mode="nearest"), 0)
    level = float(np.median(smooth[2 * n // 3 :]))
    noise = _noise(values[:n], pairs[:n], spread)
    # a zero in front lets the first bin be part of a peak
    prominence = np.maximum(_RISE * level, _SIGMAS * noise)
    peaks, found = find_peaks(np.concatenate([[0.0], smooth]), prominence=max(float(prominence.min()), 1e-12))
    peaks = peaks - 1
    peaks = peaks[found["prominences"] >= prominence[peaks]]
    if len(peaks) == 0:
        return None
    first = int(peaks[0])
    end = int(peaks[1]) if len(peaks) > 1 else n
    low = _middle_of_lowest(smooth[first:end]) + first
    after = float(smooth[low:].max())
    if after - smooth[low] < prominence[low] or smooth[low] > _DIP * smooth[first]:
        return None
    if pairs[: low + 1].sum() < _FEWEST_PAIRS:
        return None
    return Shell(low + 1, _summit(smooth, first, edges), float(edges[low + 1]))


def _summit(smooth: Floats, first: int, edges: Floats) -> float:
    """Give the top of the parabola through a peak's bin and the two beside it."""
    middle = float(edges[first] + edges[first + 1]) / 2
    if first == 0 or smooth[first - 1] == smooth[first] == smooth[first + 1]:
        return middle
    left, top, right = smooth[first - 1 : first + 2]
    return middle + float((left - right) / (left - 2 * top + right) / 2 * (edges[1] - edges[0]))


def _noise(values: Floats, pairs: Floats, spread: float) -> Floats:
    """Give the standard error of each smoothed bin, from counting."""
    from scipy.ndimage import gaussian_filter1d

    with np.errstate(divide="ignore", invalid="ignore"):
        per_pair = np.where(pairs > 0, values / pairs, 0.0)
    variance = gaussian_filter1d(per_pair**2 * pairs, spread, mode="nearest")
    return np.asarray(np.sqrt(variance / max(1.0, 2 * np.sqrt(np.pi) * spread)))


def _middle_of_lowest(values: Floats) -> int:
    """Give the middle of the lowest stretch, which is flat where a gap holds no atom at all."""
    lowest = int(values.argmin())
    flat = values <= values[lowest] + 0.01 * (values[0] - values[lowest])
    start = lowest - int(np.append(~flat[lowest::-1], True).argmax()) + 1
    stop = lowest + int(np.append(~flat[lowest:], True).argmax())
    return (start + stop - 1) // 2
