"""What a cluster is, in words that a chemist can read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from cgcnn_md.analysis.surroundings import Quantity

if TYPE_CHECKING:
    import pandas as pd

_NONE = 0.05  # fewer than this is "no"
_SOME = 0.5  # so many in another cluster make their lack worth saying
_STEPS = {"density": 0.0005, "order": 0.005}  # smallest difference that is printed; of counts 0.05
_MOST = 2  # numbers named that tell clusters apart


def describe(
    group: str, clusters: pd.DataFrame, means: pd.DataFrame | None, distance: Mapping[tuple[str, str], float]
) -> list[str]:
    """Say of every cluster of a group how many atoms it holds, what they are bound by and how long they stay.

    Parameters
    ----------
    group
        Name of the atoms among which these clusters were sought.
    clusters
        Their rows of the table of ``clusters.csv``.
    means
        What `Surroundings.means` gives; None where coordinates could not be read.
    distance
        First peak in Å of every (species, kind of neighbour).

    Returns
    -------
    list of str
        A sentence for each cluster, and one on what tells them apart; of one cluster what its atoms are bound by.
    """
    mine = None if means is None else means[means["cluster"].isin(clusters["cluster"])]
    if len(clusters) == 1:
        bound = _bound_by(clusters.to_dict("records")[0], mine, distance)
        return [f"{group}: {bound.removeprefix('; ')}."] if bound else []
    sentences = [
        f"{group} cluster {row['cluster']}: {_share(row, group)}{_bound_by(row, mine, distance)}{_stay(row)}."
        for row in clusters.to_dict("records")
    ]
    if mine is not None and len(mine) and len(clusters) > 1:
        sentences.append(f"{group} clusters are {_apart(mine)}.")
    return sentences


def _share(row: Mapping[Any, Any], group: str) -> str:
    """Say how many atoms a cluster holds."""
    text = f"{100 * row['population']:.3g} % of the {group} atoms"
    low, high = 100 * row["population_low"], 100 * row["population_high"]
    return text + (f" (95 % interval {low:.3g} to {high:.3g} %)" if np.isfinite(low + high) else "")


def _stay(row: Mapping[Any, Any]) -> str:
    """Say how long atoms stay."""
    if np.isfinite(row["lifetime_ps"]):
        return f"; left after {row['lifetime_ps']:.3g} ps on average"
    if np.isposinf(row["lifetime_ps"]):
        return f"; not seen to be left: the trajectory is too short to say more than at least {_longest(row)}"
    return ""


def _longest(row: Mapping[Any, Any]) -> str:
    return f"{row['longest_stay_ps']:.3g} ps"


def _bound_by(row: Mapping[Any, Any], means: pd.DataFrame | None, distance: Mapping[tuple[str, str], float]) -> str:
    """Say what is in contact with the atoms of a cluster, nearest first, and of how many molecules it is."""
    if means is None:
        return ""
    text, ids = "", sorted({row["cluster"], *means["cluster"]})
    bonded = _of_role(means, "bonded", ids)
    varied = [name for name in bonded.columns if bonded[name].max() - bonded[name].min() >= _SOME]
    if held_by := [f"{x:.1f} {name}" for name, x in bonded.loc[row["cluster"], varied].items() if x >= _NONE]:
        text += "; bonded to " + _listed(held_by)
    near = _of_role(means, "neighbour", ids)
    far = {name: distance[row["species"], name] for name in near.columns}
    own = near.loc[row["cluster"]]
    shown = [name for name in sorted(far, key=lambda name: far[name]) if near[name].max() >= _NONE]
    some = [f"{own[name]:.1f} {name} at {far[name]:.2f} Å" for name in shown if own[name] >= _NONE]
    none = [f"no {name}" for name in shown if own[name] < _NONE and near[name].max() >= _SOME]
    if some or none:
        text += "; surrounded by " + _listed([*some, *none])
    held = _of_role(means, "molecule", ids)
    # not where every neighbour is of a molecule of its own, as in water
    together = (held.sum(axis=1) < near.max(axis=1) - _NONE).any()
    inside = [f"{mean:.1f} {name}" for name, mean in held.loc[row["cluster"]].items() if mean >= _NONE]
    return text + (f", of {_listed(inside)} molecules" if inside and together else "")


def _of_role(means: pd.DataFrame, role: str, ids: Iterable[int]) -> pd.DataFrame:
    """Give the means of one role, a row a cluster and a column a name; nan for a cluster that no sampled frame held."""
    table = means[means["role"] == role].pivot_table(index="cluster", columns="name", values="mean")
    return table.reindex(ids)


def _apart(means: pd.DataFrame) -> str:
    """Say which numbers tell the clusters apart: those whose intervals do not all overlap, clearest first."""
    found: list[tuple[float, str]] = []
    counted = tuple(means.loc[means["role"] == "neighbour", "name"].unique())
    for (role, name), rows in means.groupby(["role", "name"], sort=False):
        quantity = Quantity(role, name)
        if role == "within" and name.startswith(counted):
            continue  # its first shell says the same
        step = _STEPS.get(role, _NONE)
        gaps = [
            abs(a.mean - b.mean)
            for a, b in combinations(rows.itertuples(index=False), 2)
            if (a.high < b.low or b.high < a.low) and abs(a.mean - b.mean) >= step
        ]
        if gaps:
            clear = max(gaps) / max(float(np.sqrt((rows["spread"] ** 2).mean())), step)
            found.append((clear, f"{quantity.text} ({_against(quantity, rows)})"))
    if not found:
        return "told apart by no number of neighbours beyond its interval: look at the pair distributions"
    found.sort(key=lambda one: -one[0])
    again = [text for _, text in found if text.startswith("Steinhardt")][1:]  # q4 and q6 say the same
    identity = [text for _, text in found if text.startswith("bonded")]  # each cluster's own sentence says it
    again += identity if len(identity) < len(found) else []
    best = [text for _, text in found if text not in again]
    return "told apart by " + _listed(best[:_MOST])


def _against(quantity: Quantity, rows: pd.DataFrame) -> str:
    """Write the means of all clusters in their order."""
    digits = {"density": 3, "order": 2}.get(quantity.role, 1)
    numbers = [f"{mean:.{digits}f}" for mean in rows.sort_values("cluster")["mean"]]
    unit = " per Å³" if quantity.role == "density" else ""
    return (" against ".join(numbers) if len(numbers) == 2 else ", ".join(numbers)) + unit


def _listed(items: Iterable[str]) -> str:
    """Join with commas and an "and"."""
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last
