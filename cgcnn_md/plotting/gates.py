"""Importance of a neighbour against its distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

from cgcnn_md.plotting.style import GREY, INK, LEGEND, OKABE_ITO, dress, nothing, panels

if TYPE_CHECKING:
    import pandas as pd

_MOST_NEIGHBOURS = len(OKABE_ITO)
_FEWEST_EDGES = 10  # in a bin that is drawn


def plot_gates(gates: pd.DataFrame, ax: Axes | FigureBase | None = None, *, species: str | None = None) -> Axes:
    """Draw the mean importance of neighbours, a panel per species of the centre, a line per species of the neighbour.

    Points grow with the number of edges. The grey line is the weight that the graph alone gives, scaled to the height
    of the panel: what differs from it is learned.

    Parameters
    ----------
    gates
        What `analysis.gates.importance_by_distance` gives: species, neighbour, r (Å), importance, weight, edges.
    ax
        Axes for one species, or figure to fill; a new figure by default.
    species
        Draw this species alone.

    Returns
    -------
    Axes
        The first panel; its `figure` is the whole.
    """
    drawn = gates[gates["edges"] >= _FEWEST_EDGES]
    shown = list(dict.fromkeys(drawn["species"])) if species is None else [species]
    axes = panels(ax, shown or [""])
    if not shown:
        nothing(axes[0], "no importance stored")
    colour = dict(zip(sorted(set(gates["neighbour"])), OKABE_ITO * (1 + len(gates) // _MOST_NEIGHBOURS)))
    for name, panel in zip(shown, axes):
        rows = drawn[drawn["species"] == name]
        if len(rows):
            _draw(panel, rows, colour)
            dress(panel, title=f"around {name}", x="$r$ (Å)", y="importance (kinetic distance)")
        else:
            nothing(panel, f"no importance around {name}")
    return axes[0]


def _draw(ax: Axes, rows: pd.DataFrame, colour: dict[str, str]) -> None:
    """Draw one species."""
    top = float(rows["importance"].max()) or 1.0
    given = (rows["weight"] * rows["edges"]).groupby(rows["r"]).sum() / rows["edges"].groupby(rows["r"]).sum()
    ax.plot(given.index, given * top, color=GREY, linewidth=2, linestyle="--", zorder=1, label="weight by distance")
    for neighbour, line in rows.groupby("neighbour"):
        ink = colour[str(neighbour)]
        ax.plot(line["r"], line["importance"], color=ink, linewidth=1.5, label=str(neighbour), zorder=3)
        ax.scatter(line["r"], line["importance"], s=4 + 60 * line["edges"] / rows["edges"].max(), color=ink, zorder=3)
    ax.set_ylim(0, top * 1.08)
    ax.legend(fontsize=LEGEND, frameon=False, loc="upper right", labelcolor=INK)
