"""Soft states of one species: a softmax of its slow coordinates, trained with the encoder, evaluated without torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.frame import Floats

STATE_ARRAYS = ("centre", "scale", "inner", "inner_bias", "outer", "outer_bias", "exchanges", "starts")


@dataclass(frozen=True, eq=False)
class SoftStates:
    r"""Memberships of an atom in n states.

    :math:`\chi(x) = \mathrm{softmax}(W_2 \tanh(W_1 (x - m) / s + b_1) + b_2)` with x the slow coordinates.

    Parameters
    ----------
    centre, scale
        Of the coordinates, shapes (n_coordinates,) and (1,).
    inner, inner_bias
        First layer, shapes (n_coordinates, width) and (width,).
    outer, outer_bias
        Second layer, shapes (width, n_states) and (n_states,).
    exchanges
        Autocorrelation over one lag, on held-out time, of each exchange between states, slowest first, shape
        (n_states - 1,).
    starts
        Held-out VAMP-2 score of every start of training, without the constant's 1, shape (n_starts,).
    """

    centre: Floats
    scale: Floats
    inner: Floats
    inner_bias: Floats
    outer: Floats
    outer_bias: Floats
    exchanges: Floats
    starts: Floats

    @property
    def n_states(self) -> int:
        """How many states there are."""
        return int(self.outer.shape[1])

    @property
    def score(self) -> float:
        """Held-out VAMP-2 score without the constant's 1, at most `n_states` - 1."""
        return float(self.starts.max())

    def __call__(self, points: NDArray[np.floating]) -> Floats:
        """Give the membership of points, shape (n, n_coordinates), in each state, shape (n, n_states)."""
        hidden = np.tanh(
            (np.asarray(points, dtype=np.float64) - self.centre) / self.scale @ self.inner + self.inner_bias
        )
        raised = hidden @ self.outer + self.outer_bias
        share = np.exp(raised - raised.max(axis=1, keepdims=True))
        normalised: Floats = share / share.sum(axis=1, keepdims=True)
        return normalised


def read_states(path: Path) -> dict[str, SoftStates]:
    """Read the soft states of each species from a ``model.safetensors``, without torch; empty where it has none."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as opened:
        names = json.loads(opened.metadata()["cgcnn_md"]).get("states", [])
        return {
            name: SoftStates(*(opened.get_tensor(f"states.{name}.{key}") for key in STATE_ARRAYS)) for name in names
        }
