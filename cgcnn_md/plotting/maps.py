"""The map: sampled atom-frames on a plane, coloured by cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib import patheffects
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.lines import Line2D

from cgcnn_md.plotting.style import GREY, INK, Look, dress, legend_beside, looks, names, nothing, panels

if TYPE_CHECKING:
    import pandas as pd

_FEWEST_NUMBERED = 0.01  # share of the points below which, among many clusters, a number would hide its cluster
_HIDDEN = 0.05  # of the map, within which two numbers would hide one another


def plot_map(
    points: pd.DataFrame,
    clusters: pd.DataFrame,
    ax: Axes | FigureBase | None = None,
    *,
    species: str | None = None,
) -> Axes:
    """Draw the map, a panel per species.

    Parameters
    ----------
    points
        The table of ``map.parquet``: x, y, cluster; species and method where known.
    clusters
        The table of ``clusters.csv``: cluster, species, population.
    ax
        Axes for one species, or figure to fill; a new figure by default.
    species
        Draw this species alone.

    Returns
    -------
    Axes
        The first panel; its `figure` is the whole.
    """
    if "species" not in points:
        known = dict(zip(clusters["cluster"], clusters["species"]))
        points = points.assign(species=points["cluster"].map(known).fillna(""))
    shown = sorted(set(points["species"])) if species is None else [species]
    axes = panels(ax, shown or [""], size=(6.0, 4.6))
    if not shown:
        nothing(axes[0], "no points to draw")
    for name, panel in zip(shown, axes):
        _draw(panel, name, points[points["species"] == name], clusters)
    return axes[0]


def _draw(ax: Axes, name: str, points: pd.DataFrame, clusters: pd.DataFrame) -> None:
    """Draw one species."""
    mine = clusters[clusters["species"] == name]
    style, label = looks(clusters), names(mine)
    xy = points[["x", "y"]].to_numpy(dtype=float)
    cluster = points["cluster"].to_numpy()
    if len(points) == 0:
        nothing(ax, f"no points of {name}")
        return
    size = float(np.clip(25_000 / len(points), 3, 40))
    unknown = ~np.isin(cluster, mine["cluster"])
    ax.scatter(xy[unknown, 0], xy[unknown, 1], s=size, c=GREY, linewidths=0, rasterized=True, zorder=1)
    # clusters in a mixed order of points, so that the last does not hide the rest; one call per marker
    order = np.random.default_rng(0).permutation(np.flatnonzero(~unknown))
    marker = np.asarray([style[int(c)].marker for c in cluster[order]])
    for symbol in dict.fromkeys(marker.tolist()):
        part = order[marker == symbol]
        colours = [style[int(c)].colour for c in cluster[part]]
        ax.scatter(
            xy[part, 0],
            xy[part, 1],
            s=size,
            c=colours,
            marker=symbol,
            linewidths=0,
            alpha=0.8,
            rasterized=True,
            zorder=2,
        )
    if len(mine) > 1:
        _number(ax, xy, cluster, mine)
    handles: list[Artist] = [_dot(style[int(c)]) for c in mine["cluster"]]
    texts = [label[int(c)] for c in mine["cluster"]]
    if unknown.any():
        handles.append(_dot(Look(GREY, "-", "o")))
        texts.append("between clusters")
    method = str(points["method"].iloc[0]) if "method" in points else "UMAP"
    title = f"{name}: one environment" if len(mine) == 1 else f"{name}: {len(mine)} environments"
    dress(ax, title=title if len(mine) else name, x=f"{method} 1", y=f"{method} 2")
    # distances along a UMAP have no unit
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_box_aspect(1)
    ax.margins(0.06)
    legend_beside(ax, handles, texts)


def _number(ax: Axes, xy: np.ndarray, cluster: np.ndarray, mine: pd.DataFrame) -> None:
    """Write the number of each cluster on its most central point, those that would hide one another together."""
    halo = [patheffects.withStroke(linewidth=3, foreground="white")]
    written: list[tuple[np.ndarray, list[str]]] = []
    for number in mine["cluster"]:
        here = xy[cluster == number]
        if len(here) and (len(mine) <= 8 or len(here) > _FEWEST_NUMBERED * len(xy)):
            centre = here[np.abs(here - np.median(here, axis=0)).sum(axis=1).argmin()]
            near = (t for at, t in written if (np.abs(centre - at) < _HIDDEN * np.ptp(xy, axis=0)).all())
            texts = next(near, None)
            if texts is None:
                written.append((centre, [str(int(number))]))
            else:
                texts.append(str(int(number)))
    for centre, texts in written:
        ax.text(
            centre[0], centre[1], ", ".join(texts), ha="center", va="center", fontsize=13, fontweight="bold",
            color=INK, path_effects=halo, zorder=3,
        )  # fmt: skip


def _dot(look: Look) -> Line2D:
    """Make a legend entry."""
    return Line2D([], [], linestyle="none", marker=look.marker, markersize=8, color=look.colour)
