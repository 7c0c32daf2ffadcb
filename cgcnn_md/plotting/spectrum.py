"""The spectrum: how slow each coordinate is, and how many were kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import FixedLocator, MaxNLocator

from cgcnn_md.plotting.style import GREY, INK, LEGEND, OKABE_ITO, dress, nothing, panels
from cgcnn_md.words import duration

if TYPE_CHECKING:
    import pandas as pd

_MOST_TIMES = 8


def plot_spectrum(
    timescales: pd.DataFrame,
    kept: Mapping[str, int] | None = None,
    ax: Axes | FigureBase | None = None,
    *,
    lag: float | None = None,
    species: str | None = None,
    shuffled: pd.DataFrame | None = None,
    timed: bool = True,
) -> Axes:
    """Draw the autocorrelation of every slow coordinate, a panel per species.

    Parameters
    ----------
    timescales
        Columns species, feature, autocorrelation, timescale_ps; slowest first.
    kept
        Coordinates in which clusters were sought, by species; they are coloured. None colours all.
    ax
        Axes for one species, or figure to fill; a new figure by default.
    lag
        Lag in ps, for the label.
    species
        Draw this species alone.
    shuffled
        Columns species, group, feature, shuffled_time, shuffled_atoms, chance: what shuffled pairs keep, drawn as
        markers where the group is the species.
    timed
        Whether pairs were made by time; else no time follows from their correlation, and none is written.

    Returns
    -------
    Axes
        The first panel; its `figure` is the whole.
    """
    shown = list(dict.fromkeys(timescales["species"])) if species is None else [species]
    axes = panels(ax, shown or [""])
    if not shown:
        nothing(axes[0], "no spectrum stored")
    for name, panel in zip(shown, axes):
        rows = timescales[(timescales["species"] == name) & timescales["autocorrelation"].notna()]
        if len(rows):
            rows = rows if timed else rows.assign(timescale_ps=np.nan)
            _draw(panel, rows, len(rows) if kept is None else int(kept.get(name, 0)))
            if shuffled is not None:
                _draw_shuffled(panel, shuffled[(shuffled["species"] == name) & (shuffled["group"] == name)])
            dress(
                panel,
                title=_title(name, kept),
                x="slow coordinate",
                y=_what(lag) if timed else "correlation of a pair",
            )
        else:
            nothing(panel, f"no spectrum of {name}")
    return axes[0]


def _draw(ax: Axes, rows: pd.DataFrame, n_kept: int) -> None:
    """Draw one species."""
    height = rows["autocorrelation"].to_numpy(dtype=float)
    place = np.arange(len(height))
    colours = [OKABE_ITO[0] if n < n_kept else GREY for n in place]
    ax.bar(place, height, width=0.72, color=colours, zorder=2)
    ax.axhline(0, color=INK, linewidth=0.8, zorder=3)
    times = rows["timescale_ps"].to_numpy(dtype=float)
    crowded = len(height) > 6
    for n, top, time in zip(place[: min(n_kept, _MOST_TIMES)], height, times):
        if np.isfinite(time) and time > 0:
            ax.annotate(
                duration(time),
                (n, max(top, 0)),
                xytext=(0, 4),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=LEGEND,
                color=INK,
                rotation=90 if crowded else 0,
            )
    ax.set_ylim(min(0.0, float(height.min()) * 1.15), 1.3 if crowded and n_kept else 1.12)
    ax.set_yticks(np.arange(np.ceil(ax.get_ylim()[0] * 5) / 5, 1.01, 0.2))
    ax.set_xlim(-0.6, max(len(height), 3) - 0.4)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=9) if len(height) > 9 else FixedLocator(place.tolist()))


def _draw_shuffled(ax: Axes, rows: pd.DataFrame) -> None:
    """Mark what shuffled pairs of one species keep."""
    if len(rows) == 0:
        return
    place = rows["feature"].to_numpy(dtype=float)
    for side, marker, name in ((-0.14, "o", "shuffled time"), (0.14, "^", "shuffled atoms")):
        height = rows[name.replace(" ", "_")].to_numpy(dtype=float)
        ax.plot(
            place + side, height, linestyle="none", marker=marker, markersize=4.5, markerfacecolor="white",
            markeredgecolor=INK, markeredgewidth=0.9, zorder=4, clip_on=False, label=name,
        )  # fmt: skip
    chance = rows["chance"].to_numpy(dtype=float)
    ax.hlines(chance, place - 0.36, place + 0.36, color=INK, linewidth=0.9, linestyle=":", zorder=4, label="chance")
    ax.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=3, fontsize=LEGEND, frameon=False, labelcolor=INK,
        handletextpad=0.5, columnspacing=1.2,
    )  # fmt: skip


def _what(lag: float | None) -> str:
    """Name the height of the bars."""
    return f"autocorrelation after {'one lag' if lag is None else duration(lag)}"


def _title(name: str, kept: Mapping[str, int] | None) -> str:
    """Say how many coordinates are slow."""
    if kept is None:
        return name
    n = int(kept.get(name, 0))
    return f"{name}: {'no' if n == 0 else n} slow coordinate{'' if n == 1 else 's'}"
