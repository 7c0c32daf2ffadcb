"""What parts two groups of points: the direction they differ in, and where few points lie along it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cgcnn_md.frame import Floats

_GRID = 200
_BANDWIDTH = 0.3  # of the narrower group's standard deviation
_FLAT = 1.25  # the floor of a valley: density up to so many times its least


@dataclass(frozen=True, eq=False)
class Valley:
    """What parts two groups: their linear discriminant and where the density along it is least.

    Parameters
    ----------
    axis
        Discriminant, shape (n,); it points from the first group to the second.
    threshold
        Middle of the valley along it.
    ratio
        Density in the valley over that of the lower peak: 0 for well parted groups, 1 where no valley is.
    """

    axis: Floats
    threshold: float
    ratio: float

    @classmethod
    def between(cls, a: Floats, b: Floats) -> Valley:
        """Find the valley between two groups of points, of shapes (n_a, n) and (n_b, n)."""
        pooled = np.atleast_2d((np.cov(a.T) * len(a) + np.cov(b.T) * len(b)) / (len(a) + len(b)))
        pooled = pooled + 1e-6 * np.trace(pooled) / len(pooled) * np.eye(len(pooled))
        axis = np.linalg.solve(pooled, b.mean(axis=0) - a.mean(axis=0))
        pa, pb = a @ axis, b @ axis
        low, high = float(np.median(pa)), float(np.median(pb))
        if not high > low:
            return cls(axis, low, 1.0)
        width = _BANDWIDTH * max(min(pa.std(), pb.std()), 1e-12)
        margin = (high - low) * 0.5
        edges = np.linspace(low - margin, high + margin, _GRID + 1)
        counts = np.histogram(np.concatenate([pa, pb]), edges)[0].astype(float)
        centres = (edges[1:] + edges[:-1]) / 2
        kernel = np.exp(-0.5 * ((centres[:, None] - centres) / width) ** 2)
        density = (kernel / kernel.sum(axis=0)) @ counts
        left = int(np.argmax(np.where(centres < (low + high) / 2, density, -1.0)))
        right = int(np.argmax(np.where(centres >= (low + high) / 2, density, -1.0)))
        between = density[left : right + 1]
        # a valley may be flat: its middle moves less than its lowest point
        floor = np.flatnonzero(between <= _FLAT * between.min())
        threshold = float(centres[left + floor].mean())
        return cls(axis, threshold, float(between.min() / max(min(density[left], density[right]), 1e-300)))
