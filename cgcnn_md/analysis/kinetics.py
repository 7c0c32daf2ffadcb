"""A Markov model on the clusters or soft states of each kind of atoms: is it one, how fast, and how sure is that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cgcnn_md.analysis.counts import Counts, choose_lags, gather_counts
from cgcnn_md.analysis.kinds import find_kinds
from cgcnn_md.analysis.markov import (
    Bootstrap,
    Chains,
    Estimate,
    connected,
    fit,
    largest_connected,
    over,
)
from cgcnn_md.analysis.residence import Residence, reside
from cgcnn_md.analysis.soft import among, crisp_counts, gather_soft_counts, soft_lags
from cgcnn_md.frame import Floats, Ints
from cgcnn_md.store import Store

_TOLERANCE = 0.1  # timescales that differ by less are level
_REACH = 2.0  # relaxation times that a lag may last: little is left to see after that
_SEEN = 3.0  # relaxation times up to which models are fitted
_FEWEST_LAGS = 8  # frames up to which they are fitted in any case


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
        Places, among the group's clusters, of those in the model: the largest set of clusters each of
        which was reached from every other, shape (n,).
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


@dataclass(frozen=True, eq=False)
class GroupKinetics:
    """What was seen of one group of atoms, and the model where there is one. Times are in frames.

    Parameters
    ----------
    name
        Species, or group within it, and which of its atoms these are where they are not all.
    clusters
        Numbers of its clusters, shape (n,).
    counts
        Transitions of each system that holds it, by system.
    stays
        Mean stay in every cluster as counted from frame to frame; inf where none ended.
    residence
        How probably an atom is still, or again, in its cluster later.
    model
        None where fewer than two clusters were each reached from the other.
    """

    name: str
    clusters: Ints
    counts: dict[str, Counts]
    stays: Estimate
    residence: Residence
    model: Markov | None

    @property
    def transitions(self) -> Ints:
        """Transitions counted from frame to frame, the diagonal 0, shape (n, n)."""
        total = _total(list(self.counts.values()))[0]
        return np.asarray(np.where(np.eye(len(total), dtype=bool), 0, total))

    @property
    def active_fraction(self) -> float:
        """Share of the atom-frames that are in clusters of the model."""
        watched = _total(list(self.counts.values()))[0].sum(axis=1)
        active = 0 if self.model is None else watched[self.model.states].sum()
        return float(active / max(watched.sum(), 1))

    @property
    def longest_run(self) -> int:
        """Frames in the longest run."""
        return max(c.longest_run for c in self.counts.values())


def find_kinetics(
    stores: Sequence[Store], groups: Mapping[str, Ints], *, by: str = "species", soft: bool = False, seed: int = 0
) -> list[GroupKinetics]:
    """Count transitions and fit a reversible Markov model to each kind of atoms with several clusters.

    A group of atoms is of one kind, or of several that never turn into each other: see `find_kinds`.

    Stays, examples and which clusters are in the model follow from labels in any case.

    Parameters
    ----------
    stores
        Systems with one time between frames.
    groups
        Numbers of the clusters of each group.
    by
        What `Store.groups` groups the atoms by.
    soft
        Fit to products of memberships, in place of counts of labels.
    seed
        Seed of groups of atoms, bootstrap and examples.

    Returns
    -------
    list of GroupKinetics
        One for each kind with two clusters or more.
    """
    several = {name: clusters for name, clusters in groups.items() if len(clusters) > 1}
    kinds = [kind for kind in find_kinds(stores, several, by=by) if len(kind.clusters) > 1]
    if not kinds:
        return []
    lags = choose_lags(list(stores))
    gathered = {s.name: gather_counts(s, kinds, lags=lags, seed=seed) for s in stores}
    products: dict[str, dict[str, Counts]] = {}
    if soft:
        short = soft_lags(stores, lags, max(len(kind.clusters) for kind in kinds))
        products = {s.name: gather_soft_counts(s, kinds, lags=short, seed=seed) for s in stores}
    found = []
    for kind in kinds:
        counts = {system: gathered[system][kind.name] for system in kind.atoms}
        soft_ones = [products[system][kind.name] for system in counts if soft]
        model = _model(list(counts.values()), soft_ones, kind.rng(seed))
        found.append(GroupKinetics(kind.name, kind.clusters, counts, *model))
    return found


def _model(
    systems: list[Counts], soft: list[Counts], rng: np.random.Generator
) -> tuple[Estimate, Residence, Markov | None]:
    """Fit models at all lags, to soft counts where there are any, and choose one; mean stays and residence besides."""
    total = _total(systems)
    every = np.arange(total.shape[1])
    moved = bool((total[0] * (1 - np.eye(len(every), dtype=np.int64))).any())
    states = largest_connected(total[0]) if moved else every[:0]
    if len(states) < 2:
        bootstrap = Bootstrap(systems, np.inf, rng)
        return _stays(total[0], bootstrap, every), reside(systems, bootstrap), None
    if soft:
        counted, own, crisp = among(soft, states), np.arange(len(states)), crisp_counts
        part: Ints | Floats = np.clip(crisp(np.asarray(_total(counted))), 0, None)
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
    ratio. Lags longer than two timescales have nothing left to see, and are not asked.
    """
    for place, (lag, time) in enumerate(zip(lags, slowest)):
        later = np.flatnonzero((lags > lag) & (lags <= max(_REACH * time, 2 * lag)))
        if time <= 0 or not len(later):
            continue
        ratio = slowest[later] / time
        clipped = {k: np.clip(d, 1e-9, None) for k, d in drawn.items()}
        spread = bootstrap.interval(ratio, {k: d[:, later] / d[:, [place]] for k, d in clipped.items()})
        level = (np.abs(ratio - 1) <= _TOLERANCE) | ((spread.low <= 1) & (spread.high >= 1))
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


def _total(systems: list[Counts]) -> Ints | Floats:
    """Add up the counts of all systems, shape (n_lags, n, n)."""
    return np.asarray(np.sum([c.total for c in systems], axis=0))
