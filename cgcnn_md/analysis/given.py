"""States that were trained with the model, in the place of clusters that are sought."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.analysis.cluster import Evidence, SpeciesClusters
from cgcnn_md.analysis.membership import sure
from cgcnn_md.frame import Floats
from cgcnn_md.states import SoftStates


def given_states(
    states: SoftStates, points: NDArray[np.floating], pairs: tuple[Floats, Floats] | None
) -> SpeciesClusters:
    """Take the soft states of a species for its clusters.

    Parameters
    ----------
    states
        The states, in the order of their numbers.
    points
        Sampled slow coordinates, shape (n_points, n).
    pairs
        Slow coordinates of atoms now and one lag later, each of shape (n_pairs, n); None where there are none.
    """
    n, least, best = states.n_states, float(states.starts.min()), states.score
    why = (
        f"{n} states, as asked with --states; their VAMP-2 score on unseen time is {best:.3g} of {n - 1} "
        f"({len(states.starts)} starts: {least:.3g} to {best:.3g})"
    )
    stays = None
    if pairs is not None:
        now, later = sure(states(pairs[0])), states(pairs[1])
        stays = float(min((later[now == k, k].mean() for k in range(n) if (now == k).any()), default=0.0))
    evidence = Evidence(
        n, points.shape[1], 0.0, None, 0.0, why, stays, exchanges=tuple(states.exchanges.tolist()),
        starts=tuple(states.starts.tolist()),
    )  # fmt: skip
    return SpeciesClusters(np.arange(points.shape[1]), None, evidence, states)
