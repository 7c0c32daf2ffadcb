"""From a stored embedding to clusters of every species, over all systems, and back into the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.analysis.cluster import SpeciesClusters, find_clusters
from cgcnn_md.analysis.membership import sure
from cgcnn_md.analysis.project import gather
from cgcnn_md.frame import Ints
from cgcnn_md.kinetic_map import KineticMap
from cgcnn_md.store import Store

_SAMPLE = 20_000  # points per species that clusters are sought in


@dataclass(frozen=True, eq=False)
class Discovery:
    """Clusters of every species.

    Parameters
    ----------
    by_species
        What was found for each species, in the order of the cluster numbers.
    first
        Number of each species' first cluster; numbers are global.
    """

    by_species: dict[str, SpeciesClusters]
    first: dict[str, int]

    @property
    def n_clusters(self) -> int:
        """Clusters of all species together."""
        return sum(found.n_clusters for found in self.by_species.values())

    @property
    def widest(self) -> int:
        """Clusters of the species that has most."""
        return max((found.n_clusters for found in self.by_species.values()), default=0)


def slow_coordinates(values: NDArray[np.float32], mapping: KineticMap, *, hidden: bool) -> NDArray[np.float64]:
    """Give the slow coordinates of stored atoms of one species, mapping raw features where those are stored."""
    if hidden:
        return mapping(values)
    return np.asarray(values[:, : mapping.weights.shape[1]], dtype=np.float64)


def sample_species(
    stores: Sequence[Store], name: str, *, size: int = _SAMPLE, seed: int = 0
) -> tuple[NDArray[np.float32], Ints]:
    """Draw atom-frames of one species evenly from all systems.

    Parameters
    ----------
    stores
        The systems.
    name
        Species.
    size
        Atom-frames wanted.
    seed
        Seed of the draw.

    Returns
    -------
    values, when
        Stored vectors, shape (n, n_features), and place in time of each in units of its run, shape (n,):
        frames of different systems and runs are comparable.
    """
    rng = np.random.default_rng(seed)
    atoms = [np.flatnonzero(s.species == name) for s in stores]
    total = sum(len(a) * s.n_frames for a, s in zip(atoms, stores, strict=True))
    share = min(1.0, size / max(total, 1))
    values, when = [], []
    for store, mine in zip(stores, atoms, strict=True):
        if len(mine) == 0:
            continue
        for frames in store.done_units():
            n_frames = frames.stop - frames.start
            picked = np.flatnonzero(rng.random(n_frames * len(mine)) < share)
            if len(picked) == 0:
                continue
            block = store.embedding(frames)
            frame, atom = np.divmod(picked, len(mine))
            drawn = block[frame, mine[atom]]
            good = np.isfinite(drawn).all(axis=1)
            values.append(drawn[good])
            relative = (frame[good] + frames.start) * 1_000_000 // store.n_frames
            when.append(relative.astype(np.int64))
    if not values:
        return np.zeros((0, stores[0].features), dtype=np.float32), np.zeros(0, dtype=np.int64)
    return np.concatenate(values), np.concatenate(when)


def sample_pairs(
    stores: Sequence[Store], name: str, lag: int, *, size: int = _SAMPLE, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Draw atoms of one species at two times, one lag apart, evenly from all systems; never across runs.

    Parameters
    ----------
    stores
        The systems.
    name
        Species.
    lag
        Stored frames between both ends.
    size
        Pairs wanted.
    seed
        Seed of the draw.

    Returns
    -------
    now, later
        Stored vectors, each of shape (n, n_features); None where there is no pair.
    """
    rng = np.random.default_rng(seed)
    ends: tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]] = ([], [])
    for store in stores:
        atoms = np.flatnonzero(store.species == name)
        done = np.zeros(store.n_frames + lag, dtype=np.bool_)
        for unit in store.done_units():
            done[unit] = True
        first = np.arange(max(store.n_frames - lag, 0))
        first = first[done[first] & done[first + lag] & (store.runs[first] == store.runs[first + lag])]
        if len(first) == 0 or len(atoms) == 0:
            continue
        n = min(size // len(stores), len(first) * len(atoms))
        frame, atom = np.sort(rng.choice(first, n)), rng.choice(atoms, n)
        now, later = gather(store, frame, atom), gather(store, frame + lag, atom)
        good = np.isfinite(now).all(axis=1) & np.isfinite(later).all(axis=1)
        ends[0].append(now[good])
        ends[1].append(later[good])
    return (np.concatenate(ends[0]), np.concatenate(ends[1])) if ends[0] else None


def discover(
    stores: Sequence[Store], maps: Mapping[str, KineticMap], *, lag: int | None = None, hidden: bool = False,
    n_clusters: int | None = None, seed: int = 0,
) -> Discovery:  # fmt: skip
    """Find the clusters of every species in what is stored.

    Parameters
    ----------
    stores
        The systems; clusters are common to all.
    maps
        Kinetic map of each species.
    lag
        Lag in frames over which an atom should stay in its cluster; None where pairs were not made by time.
    hidden
        Whether raw features are stored in place of slow coordinates.
    n_clusters
        Clusters per species; None lets the data decide.
    seed
        Seed of sample and clustering.
    """
    by_species, first, at = {}, {}, 0
    names = sorted(set().union(*(set(s.species.tolist()) for s in stores)))
    for name in names:
        values, when = sample_species(stores, name, seed=seed)
        if len(values) == 0:
            continue
        points = slow_coordinates(values, maps[name], hidden=hidden)
        pairs = None
        if lag is not None and (ends := sample_pairs(stores, name, lag, seed=seed)) is not None:
            pairs = (
                slow_coordinates(ends[0], maps[name], hidden=hidden),
                slow_coordinates(ends[1], maps[name], hidden=hidden),
            )
        found = find_clusters(
            points, maps[name].autocorrelation, when, pairs=pairs, n_clusters=n_clusters, seed=seed
        )  # fmt: skip
        by_species[name], first[name] = found, at
        at += found.n_clusters
    discovery = Discovery(by_species, first)
    _order_by_population(discovery, stores, maps, hidden)
    return discovery


def _order_by_population(
    discovery: Discovery, stores: Sequence[Store], maps: Mapping[str, KineticMap], hidden: bool
) -> None:
    """Store labels and memberships, the clusters of each species numbered by falling population."""
    counts = np.zeros(discovery.n_clusters, dtype=np.int64)
    for store in stores:
        for frames in store.done_units():
            labels, _ = label_block(discovery, store, store.embedding(frames), maps, hidden)
            counts += np.bincount(labels[labels >= 0], minlength=len(counts))
    ranked: dict[str, Ints] = {}
    for name, found in discovery.by_species.items():
        mine = slice(discovery.first[name], discovery.first[name] + found.n_clusters)
        ranked[name] = np.argsort(-counts[mine], kind="stable")
    for store in stores:
        store.lay_out_membership(discovery.widest)
        for frames in store.done_units():
            labels, chi = label_block(discovery, store, store.embedding(frames), maps, hidden, ranked)
            store.write_clusters(frames.start, labels)
            if discovery.widest > 1:
                store.write_membership(frames.start, chi)


def label_block(
    discovery: Discovery, store: Store, values: NDArray[np.float32], maps: Mapping[str, KineticMap], hidden: bool,
    ranked: Mapping[str, Ints] | None = None,
) -> tuple[NDArray[np.int16], NDArray[np.float32]]:  # fmt: skip
    """Label a block of stored vectors.

    Parameters
    ----------
    discovery
        What was found.
    store
        Whose atoms.
    values
        Stored vectors, shape (frames, n_atoms, n_features).
    maps, hidden
        As for `discover`.
    ranked
        Order in which the clusters of each species are numbered; None for the order in which they were found.

    Returns
    -------
    labels, membership
        Cluster of every atom, shape (frames, n_atoms), and membership in each cluster of its species, shape (frames,
        n_atoms, `discovery.widest`), nan where its species has no such cluster.
    """
    labels = np.full(values.shape[:2], -1, dtype=np.int16)
    membership = np.full((*values.shape[:2], discovery.widest), np.nan, dtype=np.float32)
    for name, found in discovery.by_species.items():
        mine = np.flatnonzero(store.species == name)
        if len(mine) == 0:
            continue
        flat = values[:, mine].reshape(-1, values.shape[2])
        points = slow_coordinates(flat, maps[name], hidden=hidden)
        chi = found.membership(points)
        if ranked is not None:
            chi = chi[:, ranked[name]]
        own = sure(np.nan_to_num(chi))
        labels[:, mine] = np.where(own >= 0, own + discovery.first[name], -1).reshape(len(values), len(mine))
        membership[:, mine, : found.n_clusters] = chi.reshape(len(values), len(mine), -1)
    return labels, membership
