"""From a stored embedding to clusters of every group of atoms, over all systems, and back into the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.analysis.alike import joined, shared_by_all
from cgcnn_md.analysis.cluster import SpeciesClusters, find_clusters
from cgcnn_md.analysis.discovery import Discovery, renumber
from cgcnn_md.analysis.draws import own_lags, sample_group, sample_pairs
from cgcnn_md.analysis.given import given_states
from cgcnn_md.analysis.kinds import find_kinds, identity_names
from cgcnn_md.analysis.membership import sure
from cgcnn_md.analysis.nulls import try_surrogates
from cgcnn_md.analysis.surrogates import Shuffles, shuffle_pairs
from cgcnn_md.frame import Floats, Ints
from cgcnn_md.kinetic_map import KineticMap
from cgcnn_md.states import SoftStates
from cgcnn_md.store import Store


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Reads slow coordinates from what is stored.

    Parameters
    ----------
    maps
        Kinetic map of each species.
    classes
        Names of the identity classes whose means the maps hold.
    hidden
        Whether raw features are stored, which are still to be mapped.
    """

    maps: Mapping[str, KineticMap]
    classes: Sequence[str] = ()
    hidden: bool = False

    def __call__(self, name: str, values: NDArray[np.float32], identity: NDArray[np.str_]) -> NDArray[np.float64]:
        """Give the slow coordinates of stored atoms of one species, shape (n, n_coordinates)."""
        mapping = self.maps[name]
        if not self.hidden:
            return np.asarray(values[:, : mapping.weights.shape[1]], dtype=np.float64)
        known, inverse = np.unique(identity, return_inverse=True)
        return mapping(values, np.array([self.classes.index(name) for name in known])[inverse])


def discover(
    stores: Sequence[Store], coordinates: Coordinates, *, lag: int | None = None, by: str = "species",
    n_clusters: int | None = None, states: Mapping[str, SoftStates] | None = None, seed: int = 0,
) -> Discovery:  # fmt: skip
    """Find the clusters of every group of atoms in what is stored, and store them.

    Where kinds of a species (`find_kinds`) live in different clusters, as carbon of CF3 and of CH3, or identity classes
    have no cluster in common, they are groups of their own: what was found of one says nothing of the other, and may
    hide what there is. Those whose clusters are the same environments are taken together again (`joined`). A number
    that is given is one of clusters across all atoms of a group, and those found without it where they are as many.

    Parameters
    ----------
    stores
        The systems; clusters are common to all.
    coordinates
        Reads the slow coordinates.
    lag
        Lag over which an atom should stay in its cluster, in frames as `own_lags` takes it; None where pairs were not
        made by time.
    by
        What groups are made by, as in `Store.groups`.
    n_clusters
        Clusters per group; None lets the data decide.
    states
        States of each species that are taken for its clusters; they keep their numbers.
    seed
        Seed of sample and clustering.
    """
    called = identity_names(stores) if by == "identity" else {}
    for store in stores:
        store.write_groups([called.get(name, name) for name in store.groups(by).tolist()])
    search = _Search(stores, coordinates, lag, n_clusters, states or {}, seed)
    if by != "species":
        return search.all()
    if n_clusters is None:
        return joined(search.apart(), stores)
    if all(np.array_equal(store.identity, store.species) for store in stores):
        return search.all()
    found = replace(search, n_clusters=None).apart()
    whole = shared_by_all(found, stores, n_clusters)
    for store in stores:
        store.write_groups(np.where(np.isin(store.species, whole), store.groups("found"), store.species).tolist())
    kept = {name: group for name, group in found.by_group.items() if found.species[name] in whole}
    return joined(search.all(replace(found, by_group=kept)), stores)


@dataclass(frozen=True, eq=False)
class _Search:
    """The search among the groups that are written in the stores; parameters are those of `discover`."""

    stores: Sequence[Store]
    coordinates: Coordinates
    lag: int | None
    n_clusters: int | None
    given: Mapping[str, SoftStates]
    seed: int

    def apart(self) -> Discovery:
        """Search in every group, and again in kinds of its atoms that live in different clusters."""
        discovery = self.all()
        for fine in (False, True):
            free = {name: numbers for name, numbers in discovery.numbers.items() if name not in self.given}
            kinds = [kind for kind in find_kinds(self.stores, free, by="found", fine=fine) if kind.name not in free]
            if kinds:
                for store in self.stores:
                    groups = store.groups("found").astype(object)
                    for kind in kinds:
                        groups[kind.atoms.get(store.name, [])] = kind.name
                    store.write_groups(groups)
                discovery = self.all(discovery)
        return discovery

    def all(self, before: Discovery | None = None) -> Discovery:
        """Search in every group that was not searched before, and store the clusters of all."""
        known = {} if before is None else before.by_group
        shuffles = {} if before is None else dict(before.shuffles)
        pairs = [zip(s.groups("found").tolist(), s.species.tolist(), strict=True) for s in self.stores]
        species = {group: of for of_store in pairs for group, of in of_store}
        found: dict[str, SpeciesClusters] = {}
        first, at = {}, 0
        for name in sorted(species):
            group = known.get(name) or self.one(name, species[name], shuffles)
            if group is not None:
                found[name], first[name] = group, at
                at += group.n_clusters
        of_species = species | {of: of for of in species.values()}
        shuffles = {name: shuffled for name, shuffled in shuffles.items() if name in of_species}
        discovery = Discovery(found, first, of_species, shuffles)
        fixed = {name for name in found if species[name] in self.given}
        _order_by_population(discovery, self.stores, self.coordinates, fixed=fixed)
        return discovery

    def one(self, name: str, of: str, shuffles: dict[str, Shuffles]) -> SpeciesClusters | None:
        """Search in one group, of one species; None where nothing of it is stored."""
        values, identity, when, where = sample_group(self.stores, name, by="found", seed=self.seed)
        if len(values) == 0:
            return None
        read, autocorrelation = partial(self.coordinates, of), self.coordinates.maps[of].autocorrelation
        points, pairs, keeps = read(values, identity), None, autocorrelation
        if self.lag is not None:
            pairs = self._pairs(name, read, self.lag)
            if pairs is not None:
                shuffled = shuffle_pairs(
                    self.stores, name, self.lag, read, autocorrelation, by="found", seed=self.seed
                )  # fmt: skip
                if shuffled is not None:
                    shuffles[name] = shuffled
                    keeps = shuffled.kept
        if of in self.given:
            return given_states(self.given[of], points, pairs)
        found = find_clusters(
            points, keeps, when, where=where, pairs=pairs, lag=self.lag or 1,
            at_lag=None if pairs is None else partial(self._pairs_within, name, read),
            chance=shuffles[name].chance if name in shuffles else None, n_clusters=self.n_clusters, seed=self.seed,
        )  # fmt: skip
        return found if self.n_clusters is not None else try_surrogates(found, points, when, where, seed=self.seed)

    def _pairs_within(
        self, name: str, read: Callable[[NDArray[np.float32], NDArray[np.str_]], Floats], lag: int
    ) -> tuple[Floats, Floats] | None:
        """Draw pairs at a lag of half of the longest run at most: beyond, they would tell of its ends only."""
        longest = [int(np.unique(store.runs, return_counts=True)[1].max()) for store in self.stores]
        within = any(2 * own <= run for own, run in zip(own_lags(self.stores, lag), longest, strict=True))
        return self._pairs(name, read, lag) if within else None

    def _pairs(
        self, name: str, read: Callable[[NDArray[np.float32], NDArray[np.str_]], Floats], lag: int
    ) -> tuple[Floats, Floats] | None:
        """Draw pairs of one group at a lag, as slow coordinates."""
        ends = sample_pairs(self.stores, name, lag, by="found", seed=self.seed)
        return None if ends is None else (read(ends[0], ends[2]), read(ends[1], ends[2]))


def _order_by_population(
    discovery: Discovery, stores: Sequence[Store], coordinates: Coordinates, *, fixed: Set[str] = frozenset()
) -> None:
    """Store labels and memberships, the clusters of each group that is not fixed numbered by falling population."""
    counts = np.zeros(discovery.n_clusters, dtype=np.int64)
    for store in stores:
        groups = store.groups("found")
        store.lay_out_membership(discovery.widest)
        for frames in store.done_units():
            labels, membership = _label_block(discovery, store, groups, store.embedding(frames), coordinates)
            counts += np.bincount(labels[labels >= 0], minlength=len(counts))
            store.write_clusters(frames.start, labels)
            if discovery.widest > 1:
                store.write_membership(frames.start, membership)
    rank = np.arange(len(counts))
    order: dict[str, Ints] = {}
    for name, found in discovery.by_group.items():
        if name in fixed:
            continue
        mine = slice(discovery.first[name], discovery.first[name] + found.n_clusters)
        order[name] = np.argsort(-counts[mine], kind="stable")
        rank[mine][order[name]] = np.arange(found.n_clusters) + mine.start
    if not np.array_equal(rank, np.arange(len(counts))):
        renumber(stores, rank, order)


def _label_block(
    discovery: Discovery, store: Store, groups: NDArray[np.str_], values: NDArray[np.float32],
    coordinates: Coordinates,
) -> tuple[NDArray[np.int16], NDArray[np.float32]]:  # fmt: skip
    """Label a block of stored vectors, shape (frames, n_atoms, n_features).

    Parameters
    ----------
    discovery, store, groups, values, coordinates
        What was found, whose atoms, the group of each, their vectors, and what reads these.

    Returns
    -------
    labels, membership
        Cluster of every atom, shape (frames, n_atoms), and membership in each cluster of its group, shape (frames,
        n_atoms, `discovery.widest`), nan where its group has no such cluster.
    """
    labels = np.full(values.shape[:2], -1, dtype=np.int16)
    membership = np.full((*values.shape[:2], discovery.widest), np.nan, dtype=np.float32)
    for name, found in discovery.by_group.items():
        mine = np.flatnonzero(groups == name)
        if len(mine) == 0:
            continue
        flat = values[:, mine].reshape(-1, values.shape[2])
        chi = found.membership(coordinates(discovery.species[name], flat, np.tile(store.identity[mine], len(values))))
        own = sure(np.nan_to_num(chi))
        labels[:, mine] = np.where(own >= 0, own + discovery.first[name], -1).reshape(len(values), len(mine))
        membership[:, mine, : found.n_clusters] = chi.reshape(len(values), len(mine), -1)
    return labels, membership
