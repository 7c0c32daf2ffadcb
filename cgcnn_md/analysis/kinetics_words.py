"""Kinetics in sentences: what was found, whether to believe it, and which frames would be needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cgcnn_md.analysis.kinetics import GroupKinetics
from cgcnn_md.analysis.kinetics_model import Markov
from cgcnn_md.frame import Floats
from cgcnn_md.words import duration, listed, rounded

_FEW_FRAMES = 3.0  # a stay of so few frames cannot be told from an attempt
_FRAMES_WANTED = 5.0
_SHORT_RUN = 0.2  # of a run that a relaxation time may last
_TIMES_WANTED = 10.0
_MOST_PAIRS = 6


@dataclass(frozen=True)
class Clock:
    """The unit of times: ps, or frames where the time between frames is not known.

    Parameters
    ----------
    dt
        Time in ps from a frame to the next, nan where unknown.
    """

    dt: float

    @property
    def unit(self) -> str:
        """Name of the unit: "ps" or "frames"."""
        return "ps" if np.isfinite(self.dt) else "frames"

    @property
    def step(self) -> float:
        """A frame in that unit."""
        return self.dt if np.isfinite(self.dt) else 1.0

    def __call__(self, frames: float) -> str:
        """Write a time given in frames: '5.5 ps', '12 ns', '30 frames'."""
        time = float(frames) * self.step
        return duration(time) if self.unit == "ps" else f"{rounded(time)} frames"

    def between(self, low: float, high: float) -> str:
        """Write an interval given in frames: ' (95 % interval 5 to 6.1 ps)'; nothing where it is not known.

        A limit of 0 is none, as one that is infinite (`Bootstrap.interval`).
        """
        if np.isnan(low) or np.isnan(high):
            return ""
        if low <= 0:
            return " (known to no order of magnitude)" if np.isinf(high) else f" (95 % interval below {self(high)})"
        if np.isinf(high):
            return f" (95 % interval above {self(low)})"
        (first, unit), (last, common) = self(low).split(), self(high).split()
        return f" (95 % interval {first if unit == common else self(low)} to {last} {common})"


def sentences(group: GroupKinetics) -> list[str]:
    """Say what was found of one group of atoms.

    Parameters
    ----------
    group
        Its kinetics.

    Returns
    -------
    list of str
        Sentences, the group's name first in each.
    """
    model, clock = group.model, Clock(group.dt)
    if model is None:
        found = [_without(group, clock)]
    else:
        found = [_slowest(group, model, clock), *_passages(group, model, clock), *_stays(group, model, clock)]
        found += _doubts(group, model, clock)
    return [f"{group.name}: {text}." for text in [*found, *advice(group)]]


def advice(group: GroupKinetics) -> list[str]:
    """Say which frames would be needed where those that are there do not do.

    Parameters
    ----------
    group
        Its kinetics.

    Returns
    -------
    list of str
        Clauses; none where spacing and length are right.
    """
    clock = Clock(group.dt)
    made = []
    stays = np.where(np.isfinite(group.stays.value), group.stays.value, np.inf)
    short = int(stays.argmin())
    if stays[short] < _FEW_FRAMES:
        made.append(
            f"a stay in cluster {group.clusters[short]} lasts {stays[short]:.2g} stored frames on average, too few to "
            f"tell a transition from an attempt: frames at most {_spacing(stays[short], clock)} apart are needed"
        )
    if group.model is None:
        return made
    slowest = float(group.model.relaxation.value[0])
    if slowest > _SHORT_RUN * group.longest_run:
        made.append(
            f"the slowest exchange lasts {rounded(slowest / group.longest_run, 2)} times the longest run "
            f"({clock(group.longest_run)}): runs of at least {clock(_TIMES_WANTED * slowest)} are needed"
        )
    elif group.model.lag > stays[short] >= _FEW_FRAMES:
        made.append(
            f"the lag is longer than a stay in cluster {group.clusters[short]} ({clock(stays[short])}), which the "
            "model therefore does not resolve: clusters whose borders are tried less often, or more of them, are needed"
        )
    return made


def _spacing(stay: float, clock: Clock) -> str:
    """Say how far apart frames may be so that a stay lasts several."""
    if clock.unit == "ps":
        return clock(stay / _FRAMES_WANTED)
    return f"{rounded(stay / _FRAMES_WANTED)} of the present spacing"


def _without(group: GroupKinetics, clock: Clock) -> str:
    """Say why there is no model."""
    moved = group.transitions
    if group.apart:
        least = float(np.floor(1000 * group.apart)) / 10  # rounded down: it is a bound
        share = "all" if group.apart == 1 else f"{least:g} % and more"
        kept = f"every system keeps to one cluster ({share} of its atom-frames): no rates"
        return f"{kept}; transitions are of atoms that look like those of another for a while" if moved.any() else kept
    watched = clock(group.longest_run)
    if not moved.any():
        return (
            "no transition between clusters was seen: no rates; runs of more than the present "
            f"{watched}, or more atoms, are needed"
        )
    ways = [
        f"{int(moved[i, j])} from {group.clusters[i]} to {group.clusters[j]}" for i, j in np.argwhere(moved).tolist()
    ][:_MOST_PAIRS]
    return (
        f"transitions go one way only ({', '.join(ways)}): no equilibrium between clusters, so no rates of exchange; "
        f"if it is to be one, runs of more than the present {watched} are needed"
    )


def _slowest(group: GroupKinetics, model: Markov, clock: Clock) -> str:
    """Say how fast the slowest exchange is."""
    names = [str(group.clusters[s]) for s in model.states]
    between = f"clusters {listed(names)}"
    time = model.relaxation
    if model.over:
        return f"exchange between {between} relaxes in less than the lag, {clock(model.lag)}"
    text = f"exchange between {between} relaxes in {clock(time.value[0])}{clock.between(time.low[0], time.high[0])}"
    return f"{text}, lag {clock(model.lag)}"


def _passages(group: GroupKinetics, model: Markov, clock: Clock) -> list[str]:
    """Say how long it takes to reach one cluster from another, for the pairs that exchange most."""
    moved = group.transitions[model.states[:, None], model.states]
    order = np.argsort(-moved, axis=None, kind="stable")
    pairs = [divmod(int(k), len(moved)) for k in order if moved.ravel()[k] > 0][:_MOST_PAIRS]
    time = model.first_passage
    texts = []
    for i, j in sorted(pairs):
        source, target = group.clusters[model.states[[i, j]]]
        limits = clock.between(time.low[i, j], time.high[i, j])
        texts.append(f"from {source} to {target} in {clock(time.value[i, j])}{limits}")
    return ["an atom gets " + ", ".join(texts) + " on average"] if texts else []


def _stays(group: GroupKinetics, model: Markov, clock: Clock) -> list[str]:
    """Set how long atoms are seen to stay without a break beside the mean stays of the model."""
    still, kept = group.residence.still_time, model.states.tolist()
    known = [(k, state) for k, state in enumerate(kept) if np.isfinite(still[state])][:_MOST_PAIRS]
    seen = [f"cluster {group.clusters[s]} for {clock(still[s])} ({clock(model.lifetimes.value[k])})" for k, s in known]
    told = f"1/e of the atoms have never left {', '.join(seen)}; mean stays of the model in brackets"
    return [told] if seen else []


def _doubts(group: GroupKinetics, model: Markov, clock: Clock) -> list[str]:
    """Say what speaks against the model."""
    made = []
    if len(model.lags) == 1:
        made.append("only one lag could be counted, so whether timescales level off is not known")
    elif not model.level and not model.over:
        times: Floats = model.timescales.value[:, 0]
        bounds = "; the times given may be lower bounds" if times[-1] > times[0] else ""
        made.append(
            f"timescales are not seen to level off: {clock(times[0])} at a lag of {clock(model.lags[0])}, "
            f"{clock(times[-1])} at {clock(model.lags[-1])}{bounds}"
        )
    if model.check is None:
        made.append("no multiple of the lag could be counted, so there is no Chapman-Kolmogorov test")
    elif not model.check.holds:
        made.append(
            f"the Chapman-Kolmogorov test fails: probabilities predicted for longer lags are off by up to "
            f"{model.check.deviation:.2g}"
        )
    if len(model.states) < len(group.clusters):
        out = [str(c) for k, c in enumerate(group.clusters) if k not in set(model.states.tolist())]
        several = "s" if len(out) > 1 else ""
        made.append(
            f"cluster{several} {', '.join(out)} left out, since no atom was seen to go there from the others and back: "
            f"the model holds {100 * group.active_fraction:.3g} % of the atom-frames"
        )
    return made
