"""Populations in time: which share of each species is in which cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.patches import Patch

from cgcnn_md.plotting.style import GREY, dress, legend_beside, looks, names, nothing, panels, percent

if TYPE_CHECKING:
    import pandas as pd

_MOST_PANELS = 12
_MOST_NAMES = 12


def plot_populations(
    series: pd.DataFrame,
    clusters: pd.DataFrame,
    ax: Axes | FigureBase | None = None,
    *,
    species: str | None = None,
    system: str | None = None,
) -> Axes:
    """Draw the share of every cluster in time as stacked bands, a panel per species and system.

    Species of one cluster are left out where others have several.

    Parameters
    ----------
    series
        What `analysis.populations.populations_in_time` gives: system, run, frame, time_ps, species, cluster,
        fraction. Runs of one system follow each other, parted by a line.
    clusters
        The table of ``clusters.csv``: cluster, species, population.
    ax
        Axes for one panel, or figure to fill; a new figure by default.
    species, system
        Draw these alone.

    Returns
    -------
    Axes
        The first panel; its `figure` is the whole.
    """
    if species is not None:
        series = series[series["species"] == species]
    if system is not None:
        series = series[series["system"] == system]
    shown = list(dict.fromkeys(zip(series["system"], series["species"])))
    several = [(place, name) for place, name in shown if (clusters["species"] == name).sum() > 1]
    shown = (several or shown)[:_MOST_PANELS]
    titles = [f"{name}, {place}" if place else name for place, name in shown]
    axes = panels(ax, titles or [""], columns=2, size=(7.0, 3.6))
    if not shown:
        nothing(axes[0], "no populations to draw")
    for (place, name), title, panel in zip(shown, titles, axes):
        mine = series[(series["system"] == place) & (series["species"] == name)]
        _draw(panel, title, mine, clusters[clusters["species"] == name], clusters)
    return axes[0]


def _draw(ax: Axes, title: str, series: pd.DataFrame, mine: pd.DataFrame, clusters: pd.DataFrame) -> None:
    """Draw one species of one system."""
    frames = series.drop_duplicates(["run", "frame"]).sort_values(["run", "frame"])
    grows = frames.groupby("run")["time_ps"].diff().fillna(1.0) > 0  # those of pieces put together may not
    timed = bool(np.isfinite(series["time_ps"].to_numpy(dtype=float)).all() and grows.all())
    style, label = looks(clusters), names(mine)
    if series["system"].iloc[0]:  # of several, each with its own shares
        shares = series.groupby("cluster")["fraction"].mean()
        label = {c: f"{text.split(': ')[0]}: {percent(float(shares.get(c, 0.0)))}" for c, text in label.items()}
    first: float | None = None
    start, several, rest = 0.0, len(set(series["run"])) > 1, False
    for _, run in series.groupby("run", sort=True):
        table = run.pivot_table(index="time_ps" if timed else "frame", columns="cluster", values="fraction")
        table = table.reindex(columns=mine["cluster"]).fillna(0.0)
        x = table.index.to_numpy(dtype=float)
        step = float(np.median(np.diff(x))) if len(x) > 1 else 1.0
        x, y = x - (x[0] if several else 0.0) + start, table.to_numpy(dtype=float)
        if len(x) == 1:  # a band needs a width
            x, y = np.asarray([x[0] - step / 2, x[0] + step / 2]), np.repeat(y, 2, axis=0)
        top = np.concatenate([np.zeros((len(x), 1)), np.cumsum(y, axis=1)], axis=1)
        for column, cluster in enumerate(table.columns):
            ax.fill_between(
                x,
                top[:, column],
                top[:, column + 1],
                facecolor=style[int(cluster)].colour,
                edgecolor="white",
                linewidth=0.4,
            )
        rest |= bool((top[:, -1] < 0.999).any())
        ax.fill_between(x, top[:, -1], 1.0, facecolor=GREY, linewidth=0)
        if start > 0:
            ax.axvline(x[0] - step / 2, color="white", linewidth=3)
        start = float(x[-1]) + step
        first = float(x[0]) if first is None else first
        ax.set_xlim(first, float(x[-1]))
        if len(table) == 1 and not several:
            ax.set_xticks([float(table.index[0])])
    order = [int(c) for c in mine["cluster"]]
    if len(order) < _MOST_NAMES:  # as the bands lie, unless the most populated would be left out
        order = order[::-1]
    handles: list[Artist] = [Patch(facecolor=style[c].colour) for c in order]
    texts = [label[c] for c in order]
    if rest:
        handles.insert(0, Patch(facecolor=GREY))
        texts.insert(0, "between clusters")
    unit = ("time (ps)" if timed else "frame") + (", runs end to end" if several else "")
    dress(ax, title=title, x=unit, y="population")
    ax.set_ylim(0, 1)
    ax.set_yticks(np.linspace(0, 1, 6), [f"{n} %" for n in range(0, 101, 20)])
    legend_beside(ax, handles, texts, most=_MOST_NAMES)
