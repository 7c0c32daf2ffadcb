"""What a cluster is, in words that a chemist can read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from cgcnn_md.analysis.surroundings import Quantity
from cgcnn_md.words import duration, listed

if TYPE_CHECKING:
    import pandas as pd

_NONE = 0.05  # fewer than this is "no"
_SOME = 0.5  # so many in another cluster make their lack worth saying
_STEPS = {"density": 0.0005, "order": 0.005}  # smallest difference that is printed; of counts 0.05
_FEW, _MOST = 2, 4  # numbers named that tell clusters apart, and while they do not, at most


def describe(
    group: str, clusters: pd.DataFrame, means: pd.DataFrame | None, distance: Mapping[tuple[str, str], float],
    moves: Mapping[int, str] | None = None, bonded: Mapping[int, str] | None = None,
) -> list[str]:  # fmt: skip
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
    moves
        How far atoms move, in words, by cluster.
    bonded
        What atoms are bonded to, in words, by cluster, where not all are bonded alike.

    Returns
    -------
    list of str
        A sentence for each cluster, and one on what tells them apart; of one cluster what its atoms are bound by.
    """
    mine = None if means is None else means[means["cluster"].isin(clusters["cluster"])]
    if len(clusters) == 1:
        row = clusters.to_dict("records")[0]
        bound = _bound_by(row, mine, distance, {}) + _moves(row, moves)
        return [f"{group}: {bound.removeprefix('; ')}."] if bound else []
    sentences = [
        f"{group} cluster {row['cluster']}: {_share(row, group)}{_bound_by(row, mine, distance, bonded or {})}"
        f"{_moves(row, moves)}{_stay(row)}."
        for row in clusters.to_dict("records")
    ]
    if mine is not None and len(mine) and len(clusters) > 1:
        sentences.append(f"{group} clusters are {_apart(mine)}.")
    return sentences


def _share(row: Mapping[Any, Any], group: str) -> str:
    """Say how many atoms a cluster holds."""
    text = f"{100 * row['population']:.3g} % of {'these' if ' ' in group else f'the {group}'} atoms"
    low, high = 100 * row["population_low"], 100 * row["population_high"]
    return text + (f" (95 % interval {low:.3g} to {high:.3g} %)" if np.isfinite(low + high) else "")


def _moves(row: Mapping[Any, Any], moves: Mapping[int, str] | None) -> str:
    """Say how far atoms move while they stay."""
    text = (moves or {}).get(row["cluster"], "")
    return f"; {text}" if text else ""


def _stay(row: Mapping[Any, Any]) -> str:
    """Say how long atoms stay."""
    if np.isfinite(row["lifetime_ps"]):
        beyond = f", longer than any stay seen ({_longest(row)})" if row["lifetime_ps"] > row["longest_stay_ps"] else ""
        return f"; left after {duration(row['lifetime_ps'])} on average{beyond}"
    if np.isposinf(row["lifetime_ps"]):
        return f"; not seen to be left: the trajectory is too short to say more than at least {_longest(row)}"
    return ""


def _longest(row: Mapping[Any, Any]) -> str:
    return duration(row["longest_stay_ps"])


def _bound_by(
    row: Mapping[Any, Any], means: pd.DataFrame | None, distance: Mapping[tuple[str, str], float],
    told: Mapping[int, str],
) -> str:  # fmt: skip
    """Say what is in contact with the atoms of a cluster, nearest first, and of how many molecules it is."""
    if means is None:
        return ""
    text, ids = "", sorted({row["cluster"], *means["cluster"]})
    bonded = _of_role(means, "bonded", ids)
    varied = [name for name in bonded.columns if bonded[name].max() - bonded[name].min() >= _SOME]
    held_by = [f"{x:.1f} {name}" for name, x in bonded.loc[row["cluster"], varied].items() if x >= _NONE]
    if row["cluster"] in told:
        text += f"; {told[row['cluster']]}"
    elif held_by:
        text += "; bonded to " + listed(held_by)
    near = _of_role(means, "neighbour", ids)
    far = {name: distance[row["species"], name] for name in near.columns}
    own = near.loc[row["cluster"]]
    shown = [name for name in sorted(far, key=lambda name: far[name]) if near[name].max() >= _NONE]
    some = [f"{own[name]:.1f} {name} at {far[name]:.2f} Å" for name in shown if own[name] >= _NONE]
    none = [f"no {name}" for name in shown if own[name] < _NONE and near[name].max() >= _SOME]
    if some or none:
        text += "; surrounded by " + listed([*some, *none])
    held = _of_role(means, "molecule", ids)
    # not where every neighbour is of a molecule of its own, as in water
    together = (held.sum(axis=1) < near.max(axis=1) - _NONE).any()
    inside = [f"{mean:.1f} {name}" for name, mean in held.loc[row["cluster"]].items() if mean >= _NONE]
    inside = [some.removesuffix(" molecule") for some in inside]  # of any kind, where these are too many
    return text + (f", of {listed(inside)} molecules" if inside and together else "")


def _of_role(means: pd.DataFrame, role: str, ids: Iterable[int]) -> pd.DataFrame:
    """Give the means of one role, a row a cluster and a column a name; nan for a cluster that no sampled frame held."""
    table = means[means["role"] == role].pivot_table(index="cluster", columns="name", values="mean")
    return table.reindex(ids)


@dataclass(frozen=True)
class _Number:
    """What may tell clusters apart: in words, in each, how clearly, in which pairs, and if something better says it."""

    text: str
    shown: tuple[str, ...]
    clear: float
    parts: frozenset[tuple[int, int]]
    late: bool


def _apart(means: pd.DataFrame) -> str:
    """Say which numbers tell the clusters apart: the clearest, then those that part what none named before does."""
    numbers = sorted(_numbers(means), key=lambda number: (number.late, -number.clear))
    if not numbers:
        return "told apart by no number of neighbours beyond its interval: look at the pair distributions"
    named: list[_Number] = []
    alike = {pair for number in numbers for pair in number.parts}
    while numbers and len(named) < _MOST:
        # the sort is stable: of those that part as many, the clearest
        best = min(numbers, key=lambda number: -len(number.parts & alike)) if named else numbers[0]
        if not best.parts & alike and (len(named) >= _FEW or (named and best.late)):
            break
        named.append(best)
        alike -= best.parts
        numbers.remove(best)
    ids = sorted(means["cluster"].unique())
    same: dict[tuple[str, ...], list[str]] = {}
    for cluster, shown in zip(ids, zip(*(number.shown for number in named))):
        same.setdefault(shown, []).append(str(cluster))
    equal = [f"clusters {listed(some)}" for some in same.values() if len(some) > 1]
    text = "told apart by " + listed(number.text for number in named)
    return text + (f"; {'; '.join(equal)} are alike in these" if equal else "")


def _numbers(means: pd.DataFrame) -> list[_Number]:
    """Give the numbers by which clusters differ beyond their intervals."""
    found: list[tuple[Quantity, _Number]] = []
    counted = tuple(means.loc[means["role"] == "neighbour", "name"].unique())
    for (role, name), rows in means.groupby(["role", "name"], sort=False):
        quantity, step = Quantity(role, name), _STEPS.get(role, _NONE)
        noise = max(float(np.sqrt((rows["spread"] ** 2).mean())), step)
        gaps = {
            (a.cluster, b.cluster): abs(a.mean - b.mean)
            for a, b in combinations(rows.itertuples(index=False), 2)
            if (a.high < b.low or b.high < a.low) and abs(a.mean - b.mean) >= step
        }
        if gaps:
            parts = frozenset(pair for pair, gap in gaps.items() if gap >= noise)
            # a first shell says the same as a count of its kind, and each cluster's own sentence what it is bonded to
            late = role == "bonded" or (role == "within" and name.startswith(counted))
            shown, unit = _shown(quantity, rows), " per Å³" if role == "density" else ""
            text = f"{quantity.text} ({(' against ' if len(shown) == 2 else ', ').join(shown)}{unit})"
            number = _Number(text, shown, max(gaps.values()) / noise, parts, late)
            found.append((quantity, number))
    orders = sorted((n for quantity, n in found if quantity.role == "order"), key=lambda n: -n.clear)
    again = orders[1:]  # q4 and q6 say the same
    return [number for _, number in found if number not in again]


def _shown(quantity: Quantity, rows: pd.DataFrame) -> tuple[str, ...]:
    """Write the means of all clusters in their order."""
    digits = {"density": 3, "order": 2}.get(quantity.role, 1)
    return tuple(f"{mean:.{digits}f}" for mean in rows.sort_values("cluster")["mean"])
