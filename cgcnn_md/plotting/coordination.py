"""Histograms of coordination: how many neighbours of each kind the atoms of each cluster have."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import FuncFormatter

from cgcnn_md.plotting.style import dress, legend_beside, looks, names, nothing, panels

if TYPE_CHECKING:
    import pandas as pd

_PANELS = 12  # about
_MOST_EACH = 4  # panels of a species
_MOST_BARS = 6  # at each number
_SEEN = 0.005  # share
_DIFFER = 0.02  # sum over numbers of the largest difference in share
_WIDTH = 0.84  # of a number, shared by the bars of all clusters


def plot_coordination(
    coordination: pd.DataFrame,
    clusters: pd.DataFrame,
    ax: Axes | FigureBase | None = None,
    *,
    species: str | None = None,
    neighbour: str | None = None,
) -> Axes:
    """Draw how many neighbours atoms have, a panel per species and kind of neighbour that differs between clusters.

    Of each species, the up to four kinds are drawn whose histograms differ most, the same histogram once, and bonds
    only where nothing else differs; of a species of one cluster the first kinds.

    Parameters
    ----------
    coordination
        What `Surroundings.histograms` gives: cluster, species, neighbour, n, share.
    clusters
        The table of ``clusters.csv``: cluster, species, population.
    ax
        Axes for one pair, or figure to fill; a new figure by default.
    species, neighbour
        Draw these alone.

    Returns
    -------
    Axes
        The first panel; its `figure` is the whole.
    """
    if species is not None:
        coordination = coordination[coordination["species"] == species]
    if neighbour is not None:
        coordination = coordination[coordination["neighbour"] == neighbour]
    shown: list[tuple[str, str, pd.DataFrame]] = []
    by_species = coordination.groupby("species")
    each = int(np.clip(np.ceil(_PANELS / max(len(by_species), 1)), 1, _MOST_EACH))
    for name, rows in by_species:
        alike = neighbour is not None or len(set(rows["cluster"])) == 1
        shown += [(str(name), other, table) for other, table in _telling(rows, each, all_alike=alike)]
    axes = panels(ax, [f"{a}-{b}" for a, b, _ in shown] or [""], columns=_MOST_EACH, size=(5.4, 3.4))
    if not shown:
        nothing(axes[0], "no number of neighbours differs between clusters")
    last = {name: panel for (name, _, _), panel in zip(shown, axes)}
    for (name, other, table), panel in zip(shown, axes):
        _draw(panel, table, clusters)
        torsion = other.startswith("gauche")
        number = "number" if torsion or "within" in other else "number in contact"
        title = f"{name}: {other}" if torsion else f"{other} around {name}"
        dress(panel, title=title, x=number, y="share of cluster")
        if panel is last[name]:
            legend_beside(panel, *panel.get_legend_handles_labels())
    return axes[0]


def _telling(rows: pd.DataFrame, most: int, *, all_alike: bool) -> list[tuple[str, pd.DataFrame]]:
    """Choose the neighbours whose histograms differ most, in the order of the table; bonds if nothing else differs."""
    tables = {
        str(name): part.pivot_table(index="n", columns="cluster", values="share").fillna(0.0)
        for name, part in rows.groupby("neighbour", sort=False)
    }
    tables = {name: _filled(table) for name, table in tables.items()}
    same = {b for a, b in combinations(tables, 2) if _alike(tables[a], tables[b])}  # as molecules of water and their O
    tables = {name: table for name, table in tables.items() if name not in same}
    score = {name: float(np.ptp(table.to_numpy(), axis=1).sum()) for name, table in tables.items()}
    differ = [name for name in tables if score[name] > _DIFFER or all_alike]
    differ = [name for name in differ if not name.startswith("bonded")] or differ
    best = sorted(differ, key=lambda name: -score[name])[:most]
    return [(name, tables[name]) for name in differ if name in best]


def _alike(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Tell two histograms that show the same."""
    difference = one.sub(other, fill_value=0.0).to_numpy(dtype=float)
    return bool(np.abs(np.nan_to_num(difference, nan=1.0)).max() < _SEEN)


def _filled(table: pd.DataFrame) -> pd.DataFrame:
    """Give every number from the lowest to the highest that can be seen a row."""
    found = table.index[(table > _SEEN).any(axis=1)]
    return table.reindex(np.arange(found.min(), found.max() + 1), fill_value=0.0)


def _draw(ax: Axes, table: pd.DataFrame, clusters: pd.DataFrame) -> None:
    """Draw one pair: bars of all clusters side by side, or lines where they are many."""
    style, label = looks(clusters), names(clusters)
    shown = [int(c) for c in table.columns if int(c) in style]
    width = _WIDTH / max(len(shown), 1)
    n = table.index.to_numpy(dtype=float)
    for place, cluster in enumerate(shown):
        look, height = style[cluster], table[cluster].to_numpy(dtype=float)
        if len(shown) > _MOST_BARS:
            ax.plot(n, height, color=look.colour, linestyle=look.line, marker=look.marker, label=label[cluster])
        else:
            left = n + width * (place - len(shown) / 2)
            ax.bar(left, height, width, align="edge", color=look.colour, label=label[cluster])
    ax.set_xlim(n.min() - 0.6, n.max() + 0.6)
    step = 1 + int(n.max() - n.min()) // 12
    ax.set_xticks(np.arange(n.min(), n.max() + 1, step))
    ax.set_ylim(0, 1.08 * float(table.to_numpy().max()))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g} %"))
