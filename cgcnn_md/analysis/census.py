"""Counts of cluster labels, gathered unit by unit: the sums that populations and lifetimes follow from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.frame import Floats, Ints
from cgcnn_md.store import Store


@dataclass(frozen=True, eq=False)
class Census:
    """Label counts of one system.

    Parameters
    ----------
    name
        System; "" where there is only one.
    species
        Species of every atom, or a group within it, shape (n_atoms,).
    molecule
        Molecule of every atom, as in `Store.molecule`, shape (n_atoms,).
    frames
        Indices of the frames counted, those of done units that could be read, shape (n_done,).
    time
        Their times in ps, nan where unknown, shape (n_done,).
    number, run
        Their frame numbers and runs, shape (n_done,).
    dt
        Time in ps from a frame to the next, nan if unknown.
    by_frame
        Atoms of each species in each cluster, shape (n_done, n_species, n_clusters).
    by_atom
        Frames that each atom spends in each cluster, shape (n_atoms, n_clusters).
    at_risk
        Steps that began in each cluster and whose end is known, shape (n_clusters,).
    transitions
        How many of them ended in each other cluster, from rows to columns, shape (n_clusters, n_clusters).
    longest
        Longest unbroken stay of one atom in each cluster, in steps, shape (n_clusters,).
    """

    name: str
    species: NDArray[np.str_]
    molecule: Ints
    frames: Ints
    time: Floats
    number: Ints
    run: Ints
    dt: float
    by_frame: Ints
    by_atom: Ints
    at_risk: Ints
    transitions: Ints
    longest: Ints

    @property
    def exits(self) -> Ints:
        """Steps that began in each cluster and ended in another, shape (n_clusters,)."""
        left: Ints = self.transitions.sum(axis=1)
        return left

    @property
    def species_names(self) -> list[str]:
        """Species present, sorted, in the order of `by_frame`."""
        return [str(name) for name in np.unique(self.species)]

    @property
    def n_clusters(self) -> int:
        """Clusters counted, whether or not this system holds them."""
        return int(self.by_frame.shape[2])


def take_census(
    stores: Store | Iterable[Store], *, n_clusters: int | None = None, dt: float | None = None, by: str = "species"
) -> list[Census]:
    """Count the labels of every done frame that could be read, once through each store.

    A step from one frame to the next counts only within one run and between neighbouring frame numbers; atoms and
    runs are never joined. An atom between clusters takes part in steps with the cluster that it was in last.

    Parameters
    ----------
    stores
        One system or several.
    n_clusters
        Clusters over all systems; None to take the highest label found.
    dt
        Time in ps from a frame to the next; None to take what each store says.
    by
        Groups of atoms in which clusters were sought, as in `Store.groups`; they stand for species in the counts.

    Returns
    -------
    list of Census
        One per store.
    """
    systems = [stores] if isinstance(stores, Store) else list(stores)
    if n_clusters is None:
        tops = [int(s.clusters(frames).max(initial=-1)) for s in systems for frames in s.done_units()]
        n_clusters = max(tops, default=-1) + 1
    return [_count(store, n_clusters, dt, store.groups(by)) for store in systems]


def step_time(store: Store) -> float:
    """Time in ps from a frame to the next: the store's attribute `dt`, else the median step of its times."""
    if "dt" in store.attrs:
        return float("nan") if store.attrs["dt"] is None else float(store.attrs["dt"])
    steps = np.diff(store.time)[np.diff(store.runs) == 0]
    steps = steps[np.isfinite(steps) & (steps > 0)]
    return float(np.median(steps)) if len(steps) else float("nan")


def _count(store: Store, n_clusters: int, dt: float | None, groups: NDArray[np.str_]) -> Census:
    """Count one store."""
    _, codes = np.unique(groups, return_inverse=True)
    n_species = int(codes.max(initial=-1)) + 1
    joined = frames_joined(store)
    steps = _Steps(store.n_atoms, n_clusters)
    by_atom = np.zeros((store.n_atoms, n_clusters + 1), dtype=np.int64)  # the last column takes the unlabelled
    by_frame: list[NDArray[np.int64]] = []
    kept: list[int] = []
    rows = np.arange(store.n_atoms)
    for unit in store.done_units():
        for frame, labels in enumerate(store.clusters(unit).astype(np.int64), start=unit.start):
            if labels.max(initial=-1) < 0 and store.is_hole(frame):
                continue
            follows = bool(kept) and kept[-1] == frame - 1 and bool(joined[frame])
            steps.add(labels, follows=follows)
            by_atom[rows, labels] += 1
            known = labels >= 0
            flat = np.bincount(codes[known] * n_clusters + labels[known], minlength=n_species * n_clusters)
            by_frame.append(flat.reshape(n_species, n_clusters))
            kept.append(frame)
    frames = np.asarray(kept, dtype=np.int64)
    return Census(
        name=store.name,
        species=groups,
        molecule=store.molecule,
        frames=frames,
        time=store.time[frames],
        number=store.frame_numbers[frames].astype(np.int64),
        run=store.runs[frames].astype(np.int64),
        dt=step_time(store) if dt is None else dt,
        by_frame=np.asarray(by_frame, dtype=np.int64).reshape(len(kept), n_species, n_clusters),
        by_atom=by_atom[:, :n_clusters],
        at_risk=steps.at_risk,
        transitions=steps.transitions,
        longest=steps.longest,
    )


def lagged_frames(store: Store, lag: int) -> Ints:
    """Give the frames of done units whose frame one lag later is done too and of the same run."""
    done = np.zeros(store.n_frames + lag, dtype=np.bool_)
    for unit in store.done_units():
        done[unit] = True
    first = np.arange(max(store.n_frames - lag, 0))
    kept: Ints = first[done[first] & done[first + lag] & (store.runs[first] == store.runs[first + lag])]
    return kept


def frames_joined(store: Store) -> NDArray[np.bool_]:
    """Tell for each frame whether it is one step after the frame before it."""
    joined = np.zeros(store.n_frames, dtype=np.bool_)
    gaps = np.diff(store.frame_numbers)
    same_run = np.diff(store.runs) == 0
    if np.any(same_run & (gaps > 0)):
        joined[1:] = same_run & (gaps == gaps[same_run & (gaps > 0)].min())
    return joined


class _Steps:
    """Follow the labels of every atom from frame to frame.

    Clusters are core sets: an atom between them counts with the one it was in last, so that it does not leave a
    cluster by trying to.
    """

    def __init__(self, n_atoms: int, n_clusters: int) -> None:
        self.at_risk = np.zeros(n_clusters, dtype=np.int64)
        self.transitions = np.zeros((n_clusters, n_clusters), dtype=np.int64)
        self.longest = np.zeros(n_clusters, dtype=np.int64)
        self._before = np.full(n_atoms, -1, dtype=np.int64)
        self._stay = np.zeros(n_atoms, dtype=np.int64)

    def add(self, labels: Ints, *, follows: bool) -> None:
        """Add a frame, which may be one step after the last or stand alone."""
        before, n = self._before, len(self.at_risk)
        if not follows:
            self._stay[:] = 0
        else:
            labels = np.where(labels >= 0, labels, before)
            known = before >= 0
            moved = known & (before != labels)
            self.at_risk += np.bincount(before[known], minlength=n)
            np.add.at(self.transitions, (before[moved], labels[moved]), 1)
            self._stay[:] = np.where(known & ~moved, self._stay + 1, 0)
            np.maximum.at(self.longest, labels[labels >= 0], self._stay[labels >= 0])
        self._before = labels
