"""Kinetics: timescales against the lag, the Chapman-Kolmogorov test, and how long atoms stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import FigureBase
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from cgcnn_md.frame import Floats
from cgcnn_md.plotting.style import GREY, INK, OKABE_ITO, dress, legend_beside, looks, nothing, panels
from cgcnn_md.words import rounded

if TYPE_CHECKING:
    import pandas as pd

_MOST_TIMES = len(OKABE_ITO)
_FEW_DECADES = 50.0
_SHOWN = ("predicted", "counted")


def group_panels(
    kinetics: dict[str, Any], ax: Axes | FigureBase | None, size: tuple[float, float] = (6.4, 4.2), *,
    of: str = "lag_frames", without: str = "no Markov model",
) -> tuple[Axes, list[tuple[str, dict[str, Any], Axes]]]:  # fmt: skip
    """Make a panel for each group of atoms that has a model, or what else is drawn.

    Parameters
    ----------
    kinetics
        What ``kinetics.json`` holds.
    ax
        Axes for one group, or figure to fill; None for a new figure.
    size
        Of a panel, in inches.
    of
        Which of the facts a group must have.
    without
        What the first panel says where no group has it.

    Returns
    -------
    first, drawn
        The first panel; and name, facts and panel of each group.
    """
    groups = {name: facts for name, facts in kinetics["groups"].items() if of in facts}
    axes = panels(ax, list(groups) or [""], columns=2, size=size)
    if not groups:
        nothing(axes[0], without)
    return axes[0], [(name, facts, panel) for (name, facts), panel in zip(groups.items(), axes)]


def unit_of(facts: dict[str, Any]) -> str:
    """Tell the unit of a group's times: "ps" or "frames"."""
    return "ps" if "lag_ps" in facts else "frames"


def numbers(values: Any) -> Floats:
    """Read nested lists in which None is what is not finite."""
    return np.asarray(values, dtype=np.float64)


def plot_timescales(kinetics: dict[str, Any], ax: Axes | FigureBase | None = None) -> Axes:
    """Draw the relaxation times of Markov models against their lag, a panel per group of atoms.

    Parameters
    ----------
    kinetics
        What ``kinetics.json`` holds.
    ax
        Axes for one group, or figure to fill; a new figure by default.

    Returns
    -------
    Axes
        The first panel; its `figure` is the whole.
    """
    first, drawn = group_panels(kinetics, ax)
    for name, facts, panel in drawn:
        _timescales(panel, name, facts)
    return first


def _timescales(ax: Axes, name: str, facts: dict[str, Any]) -> None:
    """Draw one group."""
    unit = unit_of(facts)
    lag = numbers(facts["by_lag"][f"lag_{unit}"])
    times = {end: numbers(v) for end, v in facts["by_lag"][f"relaxation_{unit}"].items()}
    shown = min(times["value"].shape[1], _MOST_TIMES)
    value = np.where(times["value"] > 0, times["value"], np.nan)
    top = float(np.nanmax(value[:, :shown], initial=float(lag[0])))
    told = value[:, :shown][value[:, :shown] > lag[:, None]]
    bottom = float(told.min(initial=top)) / 4
    ax.set_xscale("log")
    ax.set_yscale("log")
    edge = np.asarray([lag[0] / 1.3, lag[-1] * 1.3])
    ax.fill_between(edge, edge, bottom / 10, facecolor=GREY, alpha=0.5, linewidth=0)
    for k in range(shown):
        low, high = (np.where(np.isfinite(times[end][:, k]), times[end][:, k], value[:, k]) for end in ("low", "high"))
        ax.fill_between(lag, np.maximum(low, bottom / 10), high, facecolor=OKABE_ITO[k], alpha=0.22, linewidth=0)
        ax.plot(lag, value[:, k], color=OKABE_ITO[k], marker="o", markersize=4, linewidth=1.5)
    chosen = float(facts[f"lag_{unit}"])
    ax.axvline(chosen, color=INK, linewidth=1, linestyle="--")
    ax.set_xlim(float(edge[0]), float(edge[1]))
    ax.set_ylim(bottom, 3 * top)
    state = "level" if facts["timescales_level_off"] else "never level"
    plain_numbers(ax.xaxis)
    plain_numbers(ax.yaxis)
    dress(ax, title=f"{name}: lag {rounded(chosen)} {unit}, {state}", x=f"lag ({unit})", y=f"relaxation time ({unit})")


def plain_numbers(axis: Axis) -> None:
    """Write the numbers of a logarithmic axis in full."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < _FEW_DECADES else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def plot_chapman_kolmogorov(
    kinetics: dict[str, Any], clusters: pd.DataFrame, ax: Axes | FigureBase | None = None
) -> Axes:
    """Draw how probably an atom is in its cluster later, as predicted and counted, a panel per group that has a test.

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
    first, drawn = group_panels(kinetics, ax, of="chapman_kolmogorov", without="no longer lag could be counted")
    for name, facts, panel in drawn:
        _chapman_kolmogorov(panel, name, facts, clusters)
    return first


def _chapman_kolmogorov(ax: Axes, name: str, facts: dict[str, Any], clusters: pd.DataFrame) -> None:
    """Draw one group: probabilities to be in the same cluster."""
    unit, test, style = unit_of(facts), facts["chapman_kolmogorov"], looks(clusters)
    lag, step = numbers(test[f"lag_{unit}"]), float(facts[f"lag_{unit}"])
    first = {end: numbers(v) for end, v in facts["transition_matrix"].items()}
    handles: list[Artist] = []
    states = facts["active_clusters"]
    same = np.eye(len(states), dtype=bool)
    for k, cluster in enumerate(states):
        colour = style[cluster].colour
        line = {end: numbers(v)[:, k, k] for end, v in test["predicted"].items()}
        points = {end: numbers(v)[:, k, k] for end, v in test["counted"].items()}
        x = np.concatenate([[0.0, step], lag])
        value, low, high = (np.concatenate([[1.0, first[e][k, k]], line[e]]) for e in ("value", "low", "high"))
        ax.fill_between(x, low, high, facecolor=colour, alpha=0.22, linewidth=0)
        handles += ax.plot(x, value, color=colour, linewidth=1.5)
        shift = (k - (len(states) - 1) / 2) * 0.006 * lag[-1]
        off = np.abs(np.stack([points["value"] - points["low"], points["high"] - points["value"]]))
        ax.errorbar(
            lag + shift, points["value"], yerr=np.nan_to_num(off), color=colour, linestyle="none",
            marker=style[cluster].marker, markersize=5, capsize=2, linewidth=1,
        )  # fmt: skip
    verdict = "holds" if test["holds"] else f"off by up to {test['largest_deviation']:.2g}"
    least = float(np.nanmin([numbers(test[which]["value"]).min(where=same, initial=1) for which in _SHOWN]))
    ax.set_ylim(max(0.0, 2 * least - 1.05), 1.02)
    ax.set_xlim(0, float(lag[-1]) * 1.04)
    dress(ax, title=f"{name}: {verdict}", x=f"time ({unit})", y="probability in the same cluster")
    legend_beside(ax, handles, [f"cluster {cluster}" for cluster in states])


def plot_lifetimes(kinetics: dict[str, Any], clusters: pd.DataFrame, ax: Axes | FigureBase | None = None) -> Axes:
    """Draw the mean stay in every cluster, a panel per group of atoms.

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
    first, drawn = group_panels(kinetics, ax)
    for name, facts, panel in drawn:
        _lifetimes(panel, name, facts, clusters)
    return first


def _lifetimes(ax: Axes, name: str, facts: dict[str, Any], clusters: pd.DataFrame) -> None:
    """Draw one group: what was counted is filled, what the model says is open."""
    unit, style, every, active = unit_of(facts), looks(clusters), facts["clusters"], facts["active_clusters"]
    sets = ((f"stay_{unit}", every, -0.12, True), (f"lifetime_{unit}", active, 0.12, False))
    ax.set_yscale("log")
    for key, states, shift, filled in sets:
        value, low, high = (numbers(facts[key][end]) for end in ("value", "low", "high"))
        for k, cluster in enumerate(states):
            colour = style[cluster].colour
            off = np.nan_to_num(np.abs([[value[k] - low[k]], [high[k] - value[k]]]))
            ax.errorbar(
                [every.index(cluster) + shift], [value[k]], yerr=off, color=colour, linestyle="none", marker="o",
                markersize=8, capsize=3, linewidth=1.5, markerfacecolor=colour if filled else "white",
            )  # fmt: skip
    handles: list[Artist] = [
        ax.plot([], [], color=INK, marker="o", linestyle="none", markersize=8, markerfacecolor=face)[0]
        for face in (INK, "white")
    ]
    ax.set_xticks(range(len(every)), [str(cluster) for cluster in every])
    ax.set_xlim(-0.6, len(every) - 0.4)
    bottom, top = ax.get_ylim()
    ax.set_ylim(bottom / 1.2, top * 1.2)
    plain_numbers(ax.yaxis)
    dress(ax, title=name, x="cluster", y=f"mean stay ({unit})")
    legend_beside(ax, handles, ["counted frame by frame", f"model, lag {rounded(float(facts[f'lag_{unit}']))} {unit}"])
