"""What was seen of each kind of atoms with several clusters: transitions, stays, and a Markov model on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cgcnn_md.analysis.census import step_time
from cgcnn_md.analysis.counts import SHARE, Counts, choose_lags, gather_counts
from cgcnn_md.analysis.kinds import find_kinds
from cgcnn_md.analysis.kinetics_model import Markov, in_all, model_of, own_share
from cgcnn_md.analysis.markov import Estimate
from cgcnn_md.analysis.residence import Residence
from cgcnn_md.analysis.soft import gather_soft_counts, soft_lags
from cgcnn_md.frame import Ints
from cgcnn_md.store import Store

_SAME = 1e-3  # times between frames that differ by so little are the same


@dataclass(frozen=True, eq=False)
class GroupKinetics:
    """What was seen of one group of atoms, and the model where there is one. Times are in frames.

    Parameters
    ----------
    name
        Species, or group within it, and which of its atoms these are where they are not all; and where several systems
        hold them, the one that this is of.
    clusters
        Numbers of its clusters, shape (n,).
    dt
        Time in ps from a frame to the next, nan where unknown.
    counts
        Transitions by system: of one, or of all that hold it where these keep to clusters of their own.
    stays
        Mean stay in every cluster as counted from frame to frame; inf where none ended.
    residence
        How probably an atom is still, or again, in its cluster later.
    model
        None where fewer than two clusters were each reached from the other, or systems keep to clusters of their own.
    apart
        Least share of its main cluster in a system, where systems keep to clusters of their own; 0 elsewhere.
    """

    name: str
    clusters: Ints
    dt: float
    counts: dict[str, Counts]
    stays: Estimate
    residence: Residence
    model: Markov | None
    apart: float

    @property
    def transitions(self) -> Ints:
        """Transitions counted from frame to frame, the diagonal 0, shape (n, n)."""
        total = in_all(list(self.counts.values()))[0]
        return np.asarray(np.where(np.eye(len(total), dtype=bool), 0, total))

    @property
    def active_fraction(self) -> float:
        """Share of the atom-frames that are in clusters of the model."""
        watched = in_all(list(self.counts.values()))[0].sum(axis=1)
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

    A group of atoms is of one kind, or of several that never turn into each other: see `find_kinds`. Each system has a
    model of its own: in another composition or at another temperature the same clusters are in another equilibrium, and
    counts of two together would relax as slowly as the two never mix.

    Stays, examples and which clusters are in the model follow from labels in any case.

    Parameters
    ----------
    stores
        Systems. Each has a time between frames; what is counted over several systems is of those with the same.
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
        One for each kind with two clusters or more, in each system that shows two or more.
    """
    several = {name: clusters for name, clusters in groups.items() if len(clusters) > 1}
    kinds = [kind for kind in find_kinds(stores, several, by=by) if len(kind.clusters) > 1]
    if not kinds:
        return []
    spacing = {s.name: step_time(s) for s in stores}
    alike = _alike(stores, spacing)
    most = max(len(kind.clusters) for kind in kinds)
    gathered: dict[str, dict[str, Counts]] = {}
    products: dict[str, dict[str, Counts]] = {}
    for lot in alike:
        lags = choose_lags(lot)
        gathered |= {s.name: gather_counts(s, kinds, lags=lags, seed=seed) for s in lot}
        if soft:
            short = soft_lags(lot, lags, most)
            products |= {s.name: gather_soft_counts(s, kinds, lags=short, seed=seed) for s in lot}
    found = []
    for kind in kinds:
        counts = {system: gathered[system][kind.name] for system in kind.atoms}
        apart = own_share(list(counts.values()))
        for name, held in _each(kind.name, counts, alike, together=bool(apart)).items():
            soft_ones = [products[system][kind.name].up_to(c.lags[-1]) for system, c in held.items() if soft]
            rng = replace(kind, name=name).rng(seed)
            stays, residence, model = model_of(list(held.values()), soft_ones, rng, apart=bool(apart))
            dt = spacing[next(iter(held))]
            found.append(GroupKinetics(name, kind.clusters, dt, held, stays, residence, model, apart))
    return found


def _alike(stores: Sequence[Store], spacing: Mapping[str, float]) -> list[list[Store]]:
    """Take systems together that have the same time between frames, or whose time is not known."""
    found: list[list[Store]] = []
    for store in stores:
        dt = spacing[store.name]
        keys = [spacing[lot[0].name] for lot in found]
        same = (lot for key, lot in zip(keys, found) if np.isclose(dt, key, rtol=_SAME, atol=0.0, equal_nan=True))
        if (lot := next(same, None)) is None:
            found.append(lot := [])
        lot.append(store)
    return found


def _each(
    name: str, counts: dict[str, Counts], alike: Sequence[Sequence[Store]], *, together: bool
) -> dict[str, dict[str, Counts]]:
    """Part the counts of a kind by system, and name them; only by the time between frames where that is asked.

    Lags are up to a quarter of the longest run of each part.
    """
    several = {system: c for system, c in counts.items() if (c.total[0].sum(axis=1) > 0).sum() > 1}
    if len(counts) > 1 and several and not together:
        own = {system: c.up_to(c.longest_run // SHARE) for system, c in several.items()}
        return {f"{name} in {system}": {system: c} for system, c in own.items()}
    parts = [{s.name: counts[s.name] for s in lot if s.name in counts} for lot in alike]
    held = [part for part in parts if part]
    return {name if len(held) == 1 else f"{name} in {', '.join(part)}": part for part in held}
