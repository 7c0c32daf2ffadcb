"""One look for all figures: colours and names of clusters, panels, labels, saving."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import rcParams
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure, FigureBase, SubFigure

from cgcnn_md.errors import StorageError, UsageError

if TYPE_CHECKING:
    import pandas as pd

# Okabe and Ito, https://jfly.uni-koeln.de/color/, without yellow, which is too light on white
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#000000")
GREY = "#C8C8C8"
INK = "#303030"

_SHADES = (0.0, -0.45, 0.5)  # mixed with black or white once the palette is used up
_LINES = ("-", "--", ":")
_MARKERS = ("o", "s", "^")
_TITLE, _LABEL, _TICK, LEGEND = 13.0, 12.0, 10.5, 10.0
_MARGIN = 0.08  # inches of white around a figure that is written


@dataclass(frozen=True)
class Look:
    """How a cluster is drawn everywhere."""

    colour: str
    line: str
    marker: str


def looks(clusters: pd.DataFrame) -> dict[int, Look]:
    """Give every cluster a look of its own, the same in every figure.

    Colours run over all clusters as long as the palette lasts, else start again with each species, whose
    clusters never share a panel; past that, shades, lines and markers change.
    """
    together = len(clusters) <= len(OKABE_ITO)
    rank = np.arange(len(clusters)) if together else clusters.groupby("species").cumcount().to_numpy()
    return {int(c): _look(int(r)) for c, r in zip(clusters["cluster"], rank)}


def colours(clusters: pd.DataFrame) -> dict[int, tuple[float, float, float]]:
    """Give every cluster's colour in figures as red, green and blue, each from 0 to 1."""
    return {cluster: to_rgb(look.colour) for cluster, look in looks(clusters).items()}


def names(clusters: pd.DataFrame) -> dict[int, str]:
    """Name clusters with the share of their species' atoms, as panels are of species: 'O 0: 42 %'.

    Where clusters were sought in groups of atoms, tables give the share of the group, so this one says whose it is:
    'O 0: 42 % of O'.
    """
    share = clusters["population"].to_numpy(dtype=float)
    if "group" in clusters:
        largest = clusters.loc[clusters.groupby("group")["population"].idxmax()]
        atoms = (largest["n_atom_frames"] / largest["population"]).groupby(largest["species"]).sum()
        share = (clusters["n_atom_frames"] / clusters["species"].map(atoms)).to_numpy(dtype=float)
    rows = zip(clusters["cluster"], clusters["species"], share)
    whose = " of {}" if "group" in clusters else ""
    return {int(c): f"{of} {int(c)}: {percent(float(p))}{whose.format(of)}" for c, of, p in rows}


def percent(share: float) -> str:
    """Write a share: '42 %', '3.1 %', '< 0.1 %'."""
    if not np.isfinite(share):
        return "?"
    if 0 < share < 0.001:
        return "< 0.1 %"
    return f"{100 * share:.0f} %" if share >= 0.0995 or share == 0 else f"{100 * share:.1f} %"


def panels(
    ax: Axes | FigureBase | None,
    titles: list[str],
    *,
    columns: int = 3,
    size: tuple[float, float] = (5.4, 4.2),
) -> list[Axes]:
    """Give one Axes per title: the one given, or a grid in the figure given or in a new one.

    A figure that was given without a size of its own grows with its panels.

    Raises
    ------
    UsageError
        If one Axes is to hold several panels.
    """
    if isinstance(ax, Axes):
        if len(titles) > 1:
            raise UsageError(f"one Axes for {len(titles)} panels ({', '.join(titles)}): choose one or pass a Figure")
        return [ax]
    columns = max(1, min(columns, len(titles)))
    rows = max(1, -(-len(titles) // columns))
    if ax is None:
        ax = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained", facecolor="white")
    elif isinstance(ax, Figure) and tuple(ax.get_size_inches()) == tuple(rcParams["figure.figsize"]):
        ax.set_size_inches(size[0] * columns, size[1] * rows)
    grid = ax.subplots(rows, columns, squeeze=False)
    flat: list[Axes] = list(grid.ravel())
    for spare in flat[len(titles) :]:
        spare.set_axis_off()
    return flat[: len(titles)]


def dress(ax: Axes, *, title: str = "", x: str = "", y: str = "") -> None:
    """Label an Axes and take away what distracts."""
    ax.set_title(title, fontsize=_TITLE, color=INK, loc="left", fontweight="bold")
    ax.set_xlabel(x, fontsize=_LABEL, color=INK)
    ax.set_ylabel(y, fontsize=_LABEL, color=INK)
    ax.tick_params(labelsize=_TICK, colors=INK, length=4)
    ax.spines[["top", "right"]].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(INK)


def legend_beside(ax: Axes, handles: list[Artist], labels: list[str], *, most: int = 17) -> None:
    """Put a legend to the right of an Axes; past `most` entries it says how many more there are."""
    if not handles:
        return
    if len(handles) > most:
        from matplotlib.lines import Line2D

        rest = len(handles) - most + 1
        handles = [*handles[: most - 1], Line2D([], [], linestyle="none")]
        labels = [*labels[: most - 1], f"and {rest} more"]
    ax.legend(
        handles,
        labels,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        fontsize=LEGEND,
        frameon=False,
        borderaxespad=0,
        handletextpad=0.6,
        labelcolor=INK,
    )


def nothing(ax: Axes, why: str) -> None:
    """Say why an Axes is empty."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center", fontsize=_LABEL, color=INK)


def save_figure(figure: Axes | FigureBase, path: str | os.PathLike[str], *, dpi: int = 200) -> Path:
    """Write a figure, or the figure of an Axes; folders are made, the format follows the suffix.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    root = figure.figure if isinstance(figure, Axes) else figure
    if isinstance(root, SubFigure):
        root = root.figure
    place = Path(path)
    if not isinstance(root, Figure):
        raise UsageError(f"{place}: this Axes belongs to no figure")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        # a legend beside a square panel, or a long title, may reach beyond what the layout gives it
        root.savefig(place, dpi=dpi, facecolor="white", bbox_inches="tight", pad_inches=_MARGIN)
    except OSError as error:
        raise StorageError(f"{place}: cannot write the figure: {error}; make room or check permissions") from error
    return place


def _look(rank: int) -> Look:
    """Give the look of the n-th cluster."""
    lap, place = divmod(rank, len(OKABE_ITO))
    shade = _SHADES[lap % len(_SHADES)]
    rgb = np.asarray(to_rgb(OKABE_ITO[place]))
    mixed = rgb * (1 + shade) if shade < 0 else rgb + (1 - rgb) * shade
    if shade < 0 and place == len(OKABE_ITO) - 1:  # black has no darker shade
        mixed = np.full(3, 0.45)
    return Look(
        to_hex((float(mixed[0]), float(mixed[1]), float(mixed[2]))),
        _LINES[lap % len(_LINES)],
        _MARKERS[lap % len(_MARKERS)],
    )
