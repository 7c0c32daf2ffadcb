"""Radial distribution functions around the atoms of each cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

from cgcnn_md.plotting.style import GREY, INK, LEGEND, dress, looks, names, nothing, panels

if TYPE_CHECKING:
    import pandas as pd

_MOST_CENTRES = 4
_MOST_NEIGHBOURS = 3
_BONDED = 2.0  # Å; peaks below it may be chemical bonds, tens of times higher than any shell


def plot_rdf(
    rdf: pd.DataFrame,
    clusters: pd.DataFrame,
    ax: Axes | FigureBase | None = None,
    *,
    species: str | None = None,
    neighbour: str | None = None,
) -> Axes:
    """Draw what surrounds each cluster, a panel per pair of species.

    Where there are many pairs, up to four centre species are drawn, each with the three neighbours that
    have the highest shells and differ most between clusters. A curve that is mostly counting noise is drawn
    thin, with its average over about 0.1 Å on top.

    Parameters
    ----------
    rdf
        What `ClusterRdf.to_frame` gives: cluster, species, neighbour, r (Å), and g or density_per_A3.
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
    column = "g" if "g" in rdf else "density_per_A3"
    rdf = rdf[rdf[column].notna() & (rdf["species"] != "")]
    if species is not None:
        rdf = rdf[rdf["species"] == species]
    if neighbour is not None:
        rdf = rdf[rdf["neighbour"] == neighbour]
    centres = list(dict.fromkeys(rdf["species"]))[:_MOST_CENTRES]
    chosen = {name: _telling(rdf[rdf["species"] == name], column) for name in centres}
    pairs = [(name, other) for name in centres for other in chosen[name]]
    axes = panels(ax, [f"{a}-{b}" for a, b in pairs] or [""], columns=max(map(len, chosen.values()), default=1))
    if not pairs:
        nothing(axes[0], "no pair distribution stored")
    for (name, other), panel in zip(pairs, axes):
        rows = rdf[(rdf["species"] == name) & (rdf["neighbour"] == other)]
        _draw(panel, rows, column, clusters, legend=other == chosen[name][0])
        what = f"$g(r)$ of {other}" if column == "g" else f"density of {other} (Å$^{{-3}}$)"
        dress(panel, title=f"{other} around {name}", x="$r$ (Å)", y=what)
    return axes[0]


def _telling(rdf: pd.DataFrame, column: str) -> list[str]:
    """Choose the neighbours with the highest shells and largest differences, in the order of the table."""
    score = {}
    for name, rows in rdf.groupby("neighbour"):
        table = rows.pivot_table(index="r", columns="cluster", values=column).dropna()  # as far as all clusters reach
        if table.empty:
            continue
        far = table[table.index > _BONDED] if table.index.max() > _BONDED else table
        smooth = _smoothed(far.to_numpy(dtype=float))
        score[str(name)] = float(smooth.max() + np.ptp(smooth, axis=1).max())
    best = sorted(score, key=lambda name: -score[name])[:_MOST_NEIGHBOURS]
    return [name for name in score if name in best]


def _smoothed(values: np.ndarray) -> np.ndarray:
    """Average along the first axis with a Gaussian of two bins."""
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(values, 2.0, axis=0, mode="nearest"))


def _is_rough(values: np.ndarray) -> bool:
    """Tell a curve that is mostly counting noise: what smoothing takes away is a good part of it."""
    return bool(np.abs(values - _smoothed(values)).mean() > 0.1 * values.mean())


def _draw(ax: Axes, rows: pd.DataFrame, column: str, clusters: pd.DataFrame, *, legend: bool) -> None:
    """Draw one pair of species."""
    style, label = looks(clusters), names(clusters)
    if column == "g":
        ax.axhline(1, color=GREY, linewidth=1, zorder=1)
    for cluster, curve in rows.groupby("cluster"):
        look = style.get(int(cluster))
        if look is None:
            continue
        height = curve[column].to_numpy(dtype=float)
        if _is_rough(height[curve["r"] > _BONDED]):
            ax.plot(curve["r"], height, color=look.colour, linewidth=0.6, alpha=0.35, zorder=2)
            height = _smoothed(height)
        ax.plot(
            curve["r"],
            height,
            color=look.colour,
            linestyle=look.line,
            linewidth=2,
            label=label[int(cluster)],
            zorder=3,
        )
    ax.set_xlim(0, float(rows["r"].max()))
    highest = float(rows[column].max())
    beyond = rows.loc[rows["r"] > _BONDED, column]
    top = highest
    if len(beyond) and 0 < 4 * float(beyond.max()) < highest:
        top = float(beyond.max()) * 1.4
        peak = float(rows.loc[rows[column].idxmax(), "r"])
        note = f"peak at {peak:.2f} Å reaches {highest:.3g}"
        ax.annotate(
            note,
            (peak, 0.985),
            (6, 0),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            va="top",
            fontsize=LEGEND,
            color=INK,
        )
    ax.set_ylim(0, (top * 1.08 if np.isfinite(top) else 1.0) or 1.0)
    if legend:
        ax.legend(
            fontsize=LEGEND,
            frameon=False,
            loc="upper right",
            labelcolor=INK,
            ncols=1 + len(ax.get_legend_handles_labels()[0]) // 9,
        )
