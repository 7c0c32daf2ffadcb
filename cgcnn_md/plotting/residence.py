"""What a cluster means in time: how probably atoms are still in it, and how far they move while they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.lines import Line2D

from cgcnn_md.frame import Floats
from cgcnn_md.plotting.kinetics import plain_numbers
from cgcnn_md.plotting.style import INK, dress, legend_beside, looks, nothing, panels

if TYPE_CHECKING:
    import pandas as pd

_SIZE = (6.4, 4.2)


def plot_residence(table: pd.DataFrame, clusters: pd.DataFrame, ax: Axes | FigureBase | None = None) -> Axes:
    """Draw how probably an atom is still (broken lines), or again (full lines), in its cluster, a panel per group.

    Parameters
    ----------
    table
        The table of ``residence.csv``.
    clusters
        The table of ``clusters.csv``, for colours.
    ax
        Axes for one group, or figure to fill; a new figure by default.

    Returns
    -------
    Axes
        The first panel; its `figure` is the whole.
    """
    groups, style = list(dict.fromkeys(table["group"])), looks(clusters)
    axes = panels(ax, groups or [""], columns=2, size=_SIZE)
    if not groups:
        nothing(axes[0], "no residence")
    unit = "ps" if "time_ps" in table else "frames"
    for name, panel in zip(groups, axes):
        handles: list[Artist] = []
        labels = []
        for cluster, rows in table[table["group"] == name].groupby("cluster"):
            colour, time = style[int(cluster)].colour, _floats(rows, f"time_{unit}")
            for what, line in (("still", "--"), ("again", "-")):
                _, drawn = _curve(panel, time, rows, what, colour, line)
            handles += drawn
            labels.append(f"cluster {cluster}")
        for text, line in (("still there", "--"), ("there again", "-")):
            handles += panel.plot([], [], color=INK, linestyle=line, linewidth=1.5)
            labels.append(text)
        panel.set_xscale("log")
        plain_numbers(panel.xaxis)
        panel.set_ylim(0, 1.02)
        dress(panel, title=name, x=f"time ({unit})", y="probability")
        legend_beside(panel, handles, labels)
    return axes[0]


def plot_displacement(table: pd.DataFrame, clusters: pd.DataFrame, ax: Axes | FigureBase | None = None) -> Axes:
    """Draw the mean square displacement of atoms that stay in their cluster, a panel per species.

    Parameters
    ----------
    table
        The table of ``displacements.csv``.
    clusters
        The table of ``clusters.csv``, for colours.
    ax
        Axes for one species, or figure to fill; a new figure by default.

    Returns
    -------
    Axes
        The first panel; its `figure` is the whole.
    """
    found, style = list(dict.fromkeys(table["species"])), looks(clusters)
    axes = panels(ax, found or [""], columns=2, size=_SIZE)
    if not found:
        nothing(axes[0], "no displacements")
    timed = bool(table["time_ps"].notna().all())
    for name, panel in zip(found, axes):
        mine, labels = table[table["species"] == name], []
        handles: list[Artist] = []
        for cluster, rows in mine.groupby("cluster"):
            colour, time = style[int(cluster)].colour, _floats(rows, "time_ps" if timed else "lag_frames")
            value, drawn = _curve(panel, time, rows, "msd", colour, "-", least=0.1, size=4)
            handles += drawn
            labels.append(f"cluster {cluster}")
            if len(time) > 1:
                panel.plot(time, value[0] * time / time[0], color=colour, linewidth=1, linestyle=":")
        panel.set_xscale("log")
        plain_numbers(panel.xaxis)
        values = _floats(mine, "msd")
        values = values[values > 0]
        if len(values):  # not of atoms that rest
            panel.set_yscale("log")
            panel.set_ylim(values.min() / 2, values.max() * 2)
            plain_numbers(panel.yaxis)
        dress(panel, title=name, x="time (ps)" if timed else "frames", y="mean square displacement (Å²)")
        legend_beside(panel, handles, labels)
    return axes[0]


def _curve(
    ax: Axes, time: Floats, rows: pd.DataFrame, what: str, colour: str, line: str, *, least: float = 0.0,
    size: float = 3,
) -> tuple[Floats, list[Line2D]]:  # fmt: skip
    """Draw a column with its band, which goes no lower than a part of the value; give the values and the line."""
    value, low, high = (_floats(rows, what + end) for end in ("", "_low", "_high"))
    ax.fill_between(time, np.maximum(low, least * value), high, facecolor=colour, alpha=0.22, linewidth=0)
    return value, ax.plot(time, value, color=colour, linestyle=line, linewidth=1.5, marker="o", markersize=size)


def _floats(table: pd.DataFrame, column: str) -> Floats:
    """Take a column."""
    return np.asarray(table[column], dtype=np.float64)
