"""Training: the score of every epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import MaxNLocator

from cgcnn_md.plotting.style import INK, LEGEND, OKABE_ITO, dress, nothing, panels

if TYPE_CHECKING:
    import pandas as pd


def plot_training(
    training: pd.DataFrame, ax: Axes | FigureBase | None = None, *, score: str = "score (higher is better)"
) -> Axes:
    """Draw the score of training and held-out frames, and mark the epoch that was kept.

    Parameters
    ----------
    training
        The table of ``training.csv``: epoch, train, validation; more columns are ignored.
    ax
        Axes to draw on, or figure to fill; a new figure by default.
    score
        What the numbers are.

    Returns
    -------
    Axes
        Where it was drawn.
    """
    panel = panels(ax, ["training"], size=(6.4, 4.2))[0]
    if len(training) == 0:
        nothing(panel, "no epoch finished")
        return panel
    lines = {
        "train": ("training frames", OKABE_ITO[0], "o"),
        "validation": ("held-out frames", OKABE_ITO[3], "s"),
    }
    for column, (label, colour, marker) in lines.items():
        rows = training[training[column].notna()] if column in training else training[:0]
        if len(rows):
            panel.plot(
                rows["epoch"],
                rows[column],
                color=colour,
                marker=marker,
                markersize=5,
                linewidth=2,
                label=label,
            )
    held = training["validation"] if "validation" in training else training["train"][:0]
    if held.notna().any():
        best = training.loc[held.idxmax()]
        panel.axvline(float(best["epoch"]), color=INK, linewidth=1, linestyle=":", zorder=0)
        panel.plot(
            best["epoch"],
            best["validation"],
            "s",
            markersize=11,
            markerfacecolor="none",
            markeredgecolor=INK,
            linestyle="none",
            label=f"kept: epoch {int(best['epoch'])}, {best['validation']:.3g}",
        )
    dress(panel, title="Training", x="epoch", y=score)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.legend(fontsize=LEGEND, frameon=False, labelcolor=INK)
    return panel
