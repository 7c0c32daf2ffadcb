"""Kinetics as plain numbers and tables, in ps, or in frames where the time between frames is not known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.analysis.kinetics import GroupKinetics
from cgcnn_md.analysis.kinetics_model import Markov
from cgcnn_md.analysis.kinetics_words import Clock, advice, sentences
from cgcnn_md.analysis.markov import Estimate
from cgcnn_md.store import Store

if TYPE_CHECKING:
    import pandas as pd

_LABELS = "reversible Markov model of labels counted as core sets"
_SOFT = "reversible Koopman model of memberships"


def plain_numbers(group: GroupKinetics) -> dict[str, Any]:
    """Give everything known of one group as lists and numbers.

    Parameters
    ----------
    group
        Its kinetics.

    Returns
    -------
    dict
        What ``kinetics.json`` holds of the group; names of times end in their unit, ps or frames. An estimate is a
        dict of value, low and high; what is unknown or infinite is None.
    """
    model, clock = group.model, Clock(group.dt)
    unit = clock.unit
    facts: dict[str, Any] = {
        **({"frame_spacing_ps": clock.dt} if unit == "ps" else {}),
        "clusters": group.clusters.tolist(),
        "sentences": sentences(group),
        "advice": advice(group),
        "transitions_counted": group.transitions.tolist(),
        "active_clusters": [] if model is None else group.clusters[model.states].tolist(),
        "active_fraction": group.active_fraction,
        f"longest_run_{unit}": group.longest_run * clock.step,
        f"stay_{unit}": _estimate(group.stays, clock.step),
        "residence": {
            f"lag_{unit}": _listed(group.residence.lags * clock.step),
            "still": _estimate(group.residence.still),
            "again": _estimate(group.residence.again),
            f"still_time_{unit}": _listed(group.residence.still_time * clock.step),
            f"again_time_{unit}": _listed(group.residence.again_time * clock.step),
        },
    }
    return facts if model is None else facts | _model(model, clock)


def _model(model: Markov, clock: Clock) -> dict[str, Any]:
    """Give the numbers of a model."""
    unit, step = clock.unit, clock.step
    facts: dict[str, Any] = {
        "lag_frames": model.lag,
        **({"lag_ps": round(model.lag * step, 9)} if unit == "ps" else {}),
        "timescales_level_off": model.level,
        "estimator": _SOFT if model.soft else _LABELS,
        "independent_pieces": model.pieces,
        f"relaxation_{unit}": _estimate(model.relaxation, step),
        "population": _estimate(model.populations),
        f"lifetime_{unit}": _estimate(model.lifetimes, step),
        "transition_matrix": _estimate(model.transition),
        "rate_per_ps" if unit == "ps" else "rate_per_frame": _estimate(model.rates, 1 / step),
        f"mean_first_passage_{unit}": _estimate(model.first_passage, step),
        "by_lag": {
            f"lag_{unit}": _listed(model.lags * step),
            f"relaxation_{unit}": _estimate(model.timescales, step),
        },
    }
    if model.check is not None:
        check = model.check
        facts["chapman_kolmogorov"] = {
            "holds": check.holds,
            "largest_deviation": check.deviation,
            f"lag_{unit}": _listed(check.steps * model.lag * step),
            "predicted": _estimate(check.predicted),
            "counted": _estimate(check.counted),
        }
    return facts


def rates_table(groups: Sequence[GroupKinetics]) -> pd.DataFrame:
    """Make the table of rates and first-passage times, a row for every ordered pair of clusters in a model.

    Parameters
    ----------
    groups
        What `find_kinetics` found.

    Returns
    -------
    pandas.DataFrame
        Columns group, from, to, probability, rate and mean first-passage time with their limits, transitions.
    """
    import pandas as pd

    rows = []
    for group in groups:
        if group.model is None:
            continue
        model, moved, clock = group.model, group.transitions, Clock(group.dt)
        rate, passage = ("rate_per_ps", "mfpt_ps") if clock.unit == "ps" else ("rate_per_frame", "mfpt_frames")
        for i, j in np.argwhere(~np.eye(len(model.states), dtype=bool)).tolist():
            source, target = model.states[[i, j]]
            row = {"group": group.name, "from": int(group.clusters[source]), "to": int(group.clusters[target])}
            row["probability"] = float(model.transition.value[i, j])
            for name, estimate, scale in (
                (rate, model.rates, 1 / clock.step),
                (passage, model.first_passage, clock.step),
            ):
                row |= _limited(name, estimate, (i, j), scale)
            rows.append({**row, "transitions": int(moved[source, target])})
    return pd.DataFrame(rows)


def residence_table(groups: Sequence[GroupKinetics]) -> pd.DataFrame:
    """Make the table of residence correlations, a row for every cluster and lag.

    Parameters
    ----------
    groups
        What `find_kinetics` found.

    Returns
    -------
    pandas.DataFrame
        Columns group, cluster, time_ps (or time_frames), still and again, each with its limits.
    """
    import pandas as pd

    rows = []
    for group in groups:
        found, clock = group.residence, Clock(group.dt)
        for k, cluster in enumerate(group.clusters.tolist()):
            for i, lag in enumerate(found.lags.tolist()):
                row = {"group": group.name, "cluster": cluster, f"time_{clock.unit}": lag * clock.step}
                for name, estimate in (("still", found.still), ("again", found.again)):
                    row |= _limited(name, estimate, (i, k))
                rows.append(row)
    return pd.DataFrame(rows)


def _limited(name: str, estimate: Estimate, place: tuple[int, int], scale: float = 1.0) -> dict[str, float]:
    """Write one number of an estimate and the ends of its interval as columns."""
    ends = {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return {column: float(numbers[place]) * scale for column, numbers in ends.items()}


def transitions_table(groups: Sequence[GroupKinetics], stores: Sequence[Store]) -> pd.DataFrame:
    """Make the table of transitions to look at, at most twenty of each pair of clusters and system.

    Parameters
    ----------
    groups
        What `find_kinetics` found.
    stores
        The systems.

    Returns
    -------
    pandas.DataFrame
        Columns system, run, frame (number in its file, the first in the new cluster), time_ps, atom (in the
        topology), species, from, to.
    """
    import pandas as pd

    columns = ["system", "run", "frame", "time_ps", "atom", "species", "from", "to"]
    parts = []
    for store in stores:
        time = store.time
        for group in groups:
            if store.name not in group.counts:
                continue
            seen = group.counts[store.name].examples
            frame, atom = seen["frame"], seen["atom"]
            arrays: list[Any] = [store.runs[frame], store.frame_numbers[frame], time[frame], store.atom_index[atom]]
            arrays += [store.species[atom], group.clusters[seen["source"]], group.clusters[seen["target"]]]
            parts.append(pd.DataFrame(dict(zip(columns, [store.name, *arrays])), columns=columns))
    parts = [part for part in parts if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _estimate(estimate: Estimate, scale: float = 1.0) -> dict[str, Any]:
    """Give an estimate as nested lists, None where it is not finite."""
    return {name: _listed(np.asarray(getattr(estimate, name)) * scale) for name in ("value", "low", "high")}


def _listed(values: NDArray[Any]) -> list[Any]:
    """Give nested lists, None where a number is not finite."""
    found = np.empty(np.shape(values), dtype=object)
    for place, value in np.ndenumerate(values):
        found[place] = float(f"{value:.12g}") if np.isfinite(value) else None  # 1.2, not 1.2000000000000002
    listed: list[Any] = found.tolist()
    return listed
