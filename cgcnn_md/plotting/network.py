"""The state network: clusters by their share in the model, and arrows by rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.patches import Circle, FancyArrowPatch

from cgcnn_md.frame import Floats
from cgcnn_md.plotting.kinetics import group_panels, numbers, unit_of
from cgcnn_md.plotting.style import INK, LEGEND, Look, dress, looks, percent
from cgcnn_md.words import duration, rounded

if TYPE_CHECKING:
    import pandas as pd

_SLOWEST = 1e-3  # of the fastest rate, below which no arrow is drawn
_MOST_LABELS = 10
_LARGEST, _SMALLEST = 0.34, 0.12  # radii of clusters, in that of the ring
_BEND = 0.18
_ASIDE = 0.3  # from the middle, beyond which a name begins or ends at its cluster
_NAME = 11.5


def plot_network(kinetics: dict[str, Any], clusters: pd.DataFrame, ax: Axes | FigureBase | None = None) -> Axes:
    """Draw clusters on a ring, their area by stationary share, with arrows by rate, a panel per group of atoms.

    An arrow is labelled with the time that is one over its rate.

    Parameters
    ----------
    kinetics
        What ``kinetics.json`` holds.
    clusters
        The table of ``clusters.csv``, for colours.
    ax
        Axes for one group, or figure to fill; a new figure by default.

    Returns
    -------
    Axes
        The first panel; its `figure` is the whole.
    """
    most = max((len(facts.get("active_clusters", [])) for facts in kinetics["groups"].values()), default=0)
    first, drawn = group_panels(kinetics, ax, size=(6.4, 2.4 if most == 2 else 4.8))  # two lie in a row
    for name, facts, panel in drawn:
        _network(panel, name, facts, looks(clusters))
    return first


def _network(ax: Axes, name: str, facts: dict[str, Any], style: dict[int, Look]) -> None:
    """Draw one group."""
    unit, states = unit_of(facts), facts["active_clusters"]
    share = numbers(facts["population"]["value"])
    rate = numbers(facts["rate_per_ps" if unit == "ps" else "rate_per_frame"]["value"])
    angle = np.pi - 2 * np.pi * np.arange(len(states)) / len(states)
    place = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    room = min(1.0, 2.6 * np.sin(np.pi / len(states)))
    radius = room * np.maximum(_LARGEST * np.sqrt(share / share.max()), _SMALLEST)
    fastest = float((rate * (1 - np.eye(len(states)))).max())
    drawn = [(i, j) for i, j in np.argwhere(rate > _SLOWEST * fastest).tolist() if i != j]
    labelled = sorted(drawn, key=lambda pair: -rate[pair])[:_MOST_LABELS]
    for i, j in drawn:
        width = 0.6 + 4.4 * np.sqrt(rate[i, j] / fastest)
        _arrow(ax, place[i], place[j], radius[[i, j]], width=float(width), colour=style[states[i]].colour)
        if (i, j) in labelled:
            after = duration(1 / rate[i, j]) if unit == "ps" else f"{rounded(1 / rate[i, j])} {unit}"
            _label(ax, place[i], place[j], after, near=0.5 if len(states) == 2 else 0.36)
    for k, cluster in enumerate(states):
        ax.add_patch(Circle((place[k, 0], place[k, 1]), radius[k], facecolor=style[cluster].colour, zorder=3))
        spot, side = place[k] * (1 + radius[k] + 0.06), int(np.sign(place[k, 0]) * (abs(place[k, 0]) > _ASIDE))
        name_of = f"{cluster}: {percent(float(share[k]))}"
        anchor = ("center", "left", "right")[side]
        ax.text(spot[0], spot[1], name_of, ha=anchor, va="center", fontsize=_NAME, color=INK, zorder=4)
    ax.set_aspect("equal")
    tall = float((np.abs(place[:, 1]) + radius).max()) + 0.2
    ax.set_xlim(-1.85, 1.85)
    ax.set_ylim(-tall, tall)
    dress(ax, title=name)
    ax.set_axis_off()


def _arrow(ax: Axes, start: Floats, end: Floats, radii: Floats, *, width: float, colour: str) -> None:
    """Draw a bent arrow from rim to rim."""
    across = (end - start) / np.linalg.norm(end - start)
    normal = np.asarray([-across[1], across[0]])
    begin, stop = (start + radii[0] * _turned(across, normal)), (end - radii[1] * _turned(across, -normal))
    arrow = FancyArrowPatch(
        (begin[0], begin[1]), (stop[0], stop[1]), connectionstyle=f"arc3,rad={-_BEND}", arrowstyle="-|>",
        mutation_scale=9 + 2 * width, linewidth=width, color=colour, shrinkA=2, shrinkB=3, zorder=2, alpha=0.85,
    )  # fmt: skip
    ax.add_patch(arrow)


def _turned(across: Floats, normal: Floats) -> Floats:
    """Turn a direction towards the side on which the arrow bends."""
    turned = across + 0.4 * normal
    return np.asarray(turned / np.linalg.norm(turned))


def _label(ax: Axes, start: Floats, end: Floats, text: str, *, near: float) -> None:
    """Write on an arrow, so near its start."""
    across = end - start
    bend = (start + end) / 2 + _BEND * np.asarray([-across[1], across[0]])
    spot = (1 - near) ** 2 * start + 2 * near * (1 - near) * bend + near**2 * end
    ax.text(
        spot[0], spot[1], text, ha="center", va="center", fontsize=LEGEND, color=INK, zorder=5,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8},
    )  # fmt: skip
