"""What parts two groups of points: the direction they differ in, and where few points lie along it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.frame import Floats
from cgcnn_md.kernels.valley import lowest_between

PASS = 0.22
"""Density left in a valley over a barrier of 1.5 kT, exp(-1.5), above which it parts no two clusters."""
CLEAR = 0.18
"""The same among three and more, over 1.7 kT: of the many valleys there some are deep by chance, as training varies."""
NEAR = 0.3
"""Density left in a valley that parts no clusters but nearly does: another start of training may well find them."""


def most_left(n_clusters: int) -> float:
    """Give the density that may be left in the shallowest valley between so many clusters."""
    return PASS if n_clusters <= 2 else CLEAR


@dataclass(frozen=True, eq=False)
class Valley:
    """What parts two groups: a direction, and where the density along it is least.

    Parameters
    ----------
    axis
        Direction, shape (n,); it points from the first group to the second.
    threshold
        Middle of the valley along it.
    ratio
        Density in the valley over that of the lower peak: 0 for well parted groups, 1 where no valley is.
    """

    axis: Floats
    threshold: float
    ratio: float

    def beyond(self, points: Floats) -> NDArray[np.bool_]:
        """Tell which points of shape (n_points, n) are on the side of the second group."""
        side: NDArray[np.bool_] = points @ self.axis > self.threshold
        return side

    def on(self, axis: Floats) -> Valley:
        """Give a valley of one coordinate as one of the n coordinates of which it is a combination, shape (n,)."""
        return Valley(self.axis[0] * axis, self.threshold, self.ratio)

    def turned(self) -> Valley:
        """Give the same valley, seen from the second group."""
        return Valley(-self.axis, -self.threshold, self.ratio)

    @classmethod
    def between(cls, a: Floats, b: Floats) -> Valley:
        """Find the valley between two groups of points, of shapes (n_a, n) and (n_b, n).

        It is sought along the line between their middles: distance in the map is kinetic, and between two long-lived
        states the slow coordinate is the committor, stretched and shifted, so that line leads through the transition. A
        linear discriminant is turned from it by whatever else varies within the groups.
        """
        return cls.along(a, b, np.median(b, axis=0) - np.median(a, axis=0))

    @classmethod
    def along(cls, a: Floats, b: Floats, axis: Floats) -> Valley:
        """Find the valley between two groups of points along a direction of shape (n,), which is from a to b."""
        return cls(axis, *lowest_between(a @ axis, b @ axis))
