"""A Markov model of one group of atoms: fitted at all lags, one of which is chosen, with its intervals and its test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cgcnn_md.analysis.counts import Counts
from cgcnn_md.analysis.markov import Bootstrap, Chains, Estimate, connected, fit, largest_connected, over
from cgcnn_md.analysis.residence import Residence, reside
from cgcnn_md.analysis.soft import among, crisp_counts
from cgcnn_md.frame import Floats, Ints

_TOLERANCE = 0.1  # timescales that differ by less are level
_DOUBT = 1.2  # ratio from which they are not seen to be, however uncertain it is
_REACH = 2.0  # relaxation times that a lag may last: little is left to see after that
_SEEN = 3.0  # relaxation times up to which models are fitted
_FEWEST_LAGS = 8  # frames up to which they are fitted in any case
_OWN = 0.99  # of a system that is in one cluster, where it keeps to that


@dataclass(frozen=True, eq=False)
class ChapmanKolmogorov:
    """What the model says of longer lags, and what was counted there.

    Parameters
    ----------
    steps
        Multiples of the lag, shape (n_steps,).
    predicted
        Powers of the transition matrix, shape (n_steps, n, n).
    counted
        Transition matrices fitted to counts at the longer lags, shape (n_steps, n, n).
    """

    steps: Ints
    predicted: Estimate
    counted: Estimate

    @property
    def holds(self) -> bool:
        """Whether all intervals of prediction and count overlap."""
        apart = (self.predicted.low > self.counted.high) | (self.counted.low > self.predicted.high)
        return not bool(apart.any())

    @property
    def deviation(self) -> float:
        """Largest difference between a predicted and a counted probability."""
        return float(np.abs(self.predicted.value - self.counted.value).max(initial=0.0))


@dataclass(frozen=True, eq=False)
class Markov:
    """Model of one group of atoms. All times are in frames.

    Parameters
    ----------
    states
        Places, among the group's clusters, of those in the model: of the sets of two or more each of which was reached
        from every other, the one with most counts, shape (n,).
    lag
        Lag in frames.
    level
        Whether the slowest timescale is the same at all longer lags at which there is something to see.
    lags
        Lags at which models were fitted, shape (n_lags,).
    timescales
        Relaxation times at every lag, slowest first, shape (n_lags, n - 1).
    relaxation
        Relaxation times at the lag of the model, shape (n - 1,).
    transition, rates, first_passage
        At that lag, from row to column, shape (n, n).
    populations, lifetimes
        Stationary share, and mean stay, of every state in the model, shape (n,).
    check
        Chapman-Kolmogorov test; None where no longer lag could be counted.
    pieces
        Independent pieces from which intervals were drawn, by kind.
    soft
        Whether memberships were multiplied, in place of labels counted.
    """

    states: Ints
    lag: int
    level: bool
    lags: Ints
    timescales: Estimate
    relaxation: Estimate
    transition: Estimate
    rates: Estimate
    first_passage: Estimate
    populations: Estimate
    lifetimes: Estimate
    check: ChapmanKolmogorov | None
    pieces: dict[str, int]
    soft: bool

    @property
    def over(self) -> bool:
        """Whether so little is left of the slowest exchange after the lag that its time is not known."""
        time = self.relaxation
        return bool(_REACH * time.value[0] < self.lag and not time.low[0] > 0)  # no lower limit: 0 or nan


def model_of(
    systems: list[Counts], soft: list[Counts], rng: np.random.Generator, *, apart: bool
) -> tuple[Estimate, Residence, Markov | None]:
    """Fit models at all lags, to soft counts where there are any, and choose one; mean stays and residence besides."""
    total = in_all(systems)
    every = np.arange(total.shape[1])
    moved = bool((total[0] * (1 - np.eye(len(every), dtype=np.int64))).any())
    states = largest_connected(total[0]) if moved else every[:0]
    if len(states) < 2 or apart:
        bootstrap = Bootstrap(systems, np.inf, rng)
        return _stays(total[0], bootstrap, every), reside(systems, bootstrap), None
    if soft:
        counted, own, crisp = among(soft, states), np.arange(len(states)), crisp_counts
        part: Ints | Floats = np.clip(crisp(np.asarray(in_all(counted))), 0, None)
    else:
        counted, own, crisp = systems, states, None
        part = total[:, own[:, None], own]
    usable = [place for place in range(len(part)) if connected(part[place])]
    lags = counted[0].lags[usable]
    central = [fit(part[place].astype(np.float64), int(lag)) for place, lag in zip(usable, lags)]
    memory = _memory(central)
    central = [c for c in central if c.lag <= max(_SEEN * memory, _FEWEST_LAGS)]
    lags = np.asarray([c.lag for c in central])
    bootstrap = Bootstrap(counted, memory, rng, crisp=crisp)
    replicas = [
        {kind: fit(c, int(lag)) for kind, c in bootstrap.counts(place, own).items()} for place, lag in zip(usable, lags)
    ]
    slowest = np.asarray([c.timescales[0] for c in central])
    drawn = {kind: np.stack([r[kind].timescales[:, 0] for r in replicas], axis=1) for kind in bootstrap.pieces}
    chosen, level = _choose(lags, slowest, drawn, bootstrap)
    model = _describe(central, replicas, chosen, bootstrap, states=states, level=level, soft=bool(soft))
    of_labels = Bootstrap(systems, memory, rng) if soft else bootstrap
    return _stays(total[0], of_labels, every), reside(systems, of_labels), model


def _describe(
    central: list[Chains], replicas: list[dict[str, Chains]], chosen: int, bootstrap: Bootstrap, *,
    states: Ints, level: bool, soft: bool,
) -> Markov:  # fmt: skip
    """Take every number of the model at the chosen lag, with its interval."""
    here, drawn, kinds = central[chosen], replicas[chosen], list(bootstrap.pieces)
    log = here.has_logarithm
    values = np.stack([c.timescales for c in central])
    timescales = {kind: np.stack([r[kind].timescales for r in replicas], axis=1) for kind in kinds}
    by_lag = bootstrap.interval(values, timescales)

    def rates(chains: Chains) -> Floats:
        return chains.rates(logarithm=log)

    def lifetimes(chains: Chains) -> Floats:
        return np.asarray(-1 / np.diagonal(rates(chains), axis1=-2, axis2=-1))

    positive = {
        "transition": lambda c: c.transition, "rates": lambda c: np.clip(rates(c), 0, None),
        "first_passage": lambda c: c.first_passage, "lifetimes": lifetimes,
    }  # fmt: skip
    return Markov(
        states=states,
        lag=here.lag,
        level=level,
        lags=np.asarray([c.lag for c in central]),
        timescales=by_lag,
        relaxation=Estimate(by_lag.value[chosen], by_lag.low[chosen], by_lag.high[chosen]),
        populations=bootstrap.interval(here.populations, over(drawn, lambda c: c.populations), share=True),
        check=_check(central, replicas, chosen, bootstrap),
        pieces=bootstrap.pieces,
        soft=soft,
        **{name: bootstrap.interval(what(here), over(drawn, what)) for name, what in positive.items()},
    )


def _check(
    central: list[Chains], replicas: list[dict[str, Chains]], chosen: int, bootstrap: Bootstrap
) -> ChapmanKolmogorov | None:
    """Compare powers of the model with models at multiples of its lag."""
    here, drawn = central[chosen], replicas[chosen]
    places = [i for i, c in enumerate(central) if c.lag > here.lag and c.lag % here.lag == 0]
    if not places:
        return None
    steps = [central[i].lag // here.lag for i in places]
    predicted = np.stack([here.after(k) for k in steps])
    counted = np.stack([central[i].transition for i in places])
    kinds = bootstrap.pieces
    powers = {kind: np.stack([drawn[kind].after(k) for k in steps], axis=1) for kind in kinds}
    others = {kind: np.stack([replicas[i][kind].transition for i in places], axis=1) for kind in kinds}
    return ChapmanKolmogorov(
        np.asarray(steps),
        bootstrap.interval(predicted, powers, share=True),
        bootstrap.interval(counted, others, share=True),
    )


def _choose(lags: Ints, slowest: Floats, drawn: dict[str, Floats], bootstrap: Bootstrap) -> tuple[int, bool]:
    """Choose the shortest lag from which the slowest timescale is level.

    Level is what later timescales do not leave by more than a tenth, or by more than the interval of their
    ratio, up to twice the lag by a fifth at most: few data do not make a timescale level. Lags longer than two
    timescales have nothing left to see, and are not asked.
    """
    for place, (lag, time) in enumerate(zip(lags, slowest)):
        later = np.flatnonzero((lags > lag) & (lags <= max(_REACH * time, 2 * lag)))
        if time <= 0 or not len(later):
            continue
        ratio = slowest[later] / time
        clipped = {k: np.clip(d, 1e-9, None) for k, d in drawn.items()}
        spread = bootstrap.interval(ratio, {k: d[:, later] / d[:, [place]] for k, d in clipped.items()})
        close = (np.abs(np.log(np.clip(ratio, 1e-9, None))) <= np.log(_DOUBT)) | (lags[later] > 2 * lag)
        level = (np.abs(ratio - 1) <= _TOLERANCE) | (close & (spread.low <= 1) & (spread.high >= 1))
        if level.all():
            return place, True
    useful = np.flatnonzero((slowest > 0) & (lags <= slowest))
    return (int(useful[-1]) if len(useful) else 0), False


def _memory(central: list[Chains]) -> float:
    """Guess the slowest relaxation time, from lags at which something is left of it."""
    longest = float(central[0].timescales[0])
    for chains in central:
        if chains.lag > max(_REACH * longest, 2):
            break
        longest = max(longest, float(chains.timescales[0]))
    return longest


def _stays(total: Ints | Floats, bootstrap: Bootstrap, states: Ints) -> Estimate:
    """Mean stay in every cluster in frames: steps that began there for each that left."""
    value = _stay(total.astype(np.float64))
    drawn = {kind: _stay(counts) for kind, counts in bootstrap.counts(0, states).items()}
    found = bootstrap.interval(np.where(np.isfinite(value), value, 0.0), drawn)
    return Estimate(value, found.low, found.high)


def _stay(counts: Floats) -> Floats:
    """Divide all steps from each state by those that leave it; nan where none began, shape (..., n)."""
    every = counts.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(every / (every - np.diagonal(counts, axis1=-2, axis2=-1)))


def own_share(systems: list[Counts]) -> float:
    """Tell whether every system keeps to a cluster of its own: what is counted as exchange is then none.

    Returns
    -------
    float
        Least share of a system's main cluster; 0 where one has less than `_OWN`, or all have the same.
    """
    watched = np.array([c.total[0].sum(axis=1) for c in systems])
    watched = watched[watched.sum(axis=1) > 0]
    if len(set(watched.argmax(axis=1).tolist())) < 2:
        return 0.0
    least = float((watched.max(axis=1) / watched.sum(axis=1)).min())
    return least if least >= _OWN else 0.0


def in_all(systems: list[Counts]) -> Ints | Floats:
    """Add up the counts of all systems, shape (n_lags, n, n)."""
    return np.asarray(np.sum([c.total for c in systems], axis=0))
