"""Transition counts at many lags, gathered in one pass through each store and kept by independent piece."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.analysis.bootstrap import dealt
from cgcnn_md.analysis.kinds import Kind, places
from cgcnn_md.analysis.one_pass import MOLECULE_GROUPS, in_one_pass
from cgcnn_md.frame import Floats, Ints
from cgcnn_md.store import Store

_EXAMPLES = 20
_CHUNK = 1_000_000  # labels counted at once
_MEMORY = 256e6  # bytes of labels kept to look back
SHARE = 4  # the longest lag is this part of the longest run

_EVENT = [("key", "f8"), ("frame", "i8"), ("atom", "i8"), ("source", "i8"), ("target", "i8")]
NO_EXAMPLES: NDArray[Any] = np.zeros(0, dtype=_EVENT)


@dataclass(frozen=True, eq=False)
class Counts:
    """Transitions of one kind of atoms in one system.

    Element (i, j) of a count is how many times an atom that was in cluster i last was in cluster j last
    one lag later: clusters are core sets, and whoever is between them has not left yet. Windows slide. No
    count joins two atoms or two runs, or spans frames that are not there.

    Parameters
    ----------
    lags
        Lags in frames, shape (n_lags,).
    by_molecules
        Counts of groups of molecules drawn at random, an atom alone being one, shape (n_lags, n_groups, n, n).
    by_blocks
        Counts of stretches of time, by where the lag ends, shape (n_lags, n_blocks, n, n).
    stayed_by_molecules, stayed_by_blocks
        How many of the pairs never left the cluster between, shape (n_lags, n_groups, n) and (n_lags, n_blocks, n).
    run_of_block
        Run of every stretch, shape (n_blocks,).
    frames_of_block
        Frames in every stretch, shape (n_blocks,).
    examples
        Some transitions of every pair of clusters, drawn at random: fields frame (index in the store), atom
        (column in the store), source and target (place among the kind's clusters).
    """

    lags: Ints
    by_molecules: Ints | Floats
    by_blocks: Ints | Floats
    stayed_by_molecules: Ints
    stayed_by_blocks: Ints
    run_of_block: Ints
    frames_of_block: Ints
    examples: NDArray[Any]

    @property
    def total(self) -> Ints | Floats:
        """Counts of all atoms and times, shape (n_lags, n, n)."""
        return np.asarray(self.by_blocks.sum(axis=1))

    @property
    def longest_run(self) -> int:
        """Frames in the longest run."""
        return int(np.bincount(self.run_of_block, weights=self.frames_of_block).max(initial=0))

    def up_to(self, lag: int) -> Counts:
        """Keep the lags that are no longer than one in frames; at least the first."""
        n = max(1, int((self.lags <= lag).sum()))
        by_lag = ("lags", "by_molecules", "by_blocks", "stayed_by_molecules", "stayed_by_blocks")
        return replace(self, **{name: getattr(self, name)[:n] for name in by_lag})


def choose_lags(stores: list[Store]) -> Ints:
    """Choose lags of 1, 2, 3, 4, 6, 8, 12, ... frames, up to a quarter of the longest run.

    The double of each is among them, for the Chapman-Kolmogorov test.

    Parameters
    ----------
    stores
        The systems.

    Returns
    -------
    ndarray
        Lags in frames, shape (n_lags,); at least one. They end where the labels of so many frames would
        not fit into memory.
    """
    longest = max(int(np.unique(store.runs, return_counts=True)[1].max(initial=1)) for store in stores)
    fits = min(int(_MEMORY / max(store.n_atoms, 1)) for store in stores)
    top = max(1, min(longest // SHARE, fits))
    lags = {2**k for k in range(40)} | {3 * 2**k for k in range(40)}
    return np.asarray(sorted(lag for lag in lags if lag <= top), dtype=np.int64)


def gather_counts(store: Store, kinds: Sequence[Kind], *, lags: Ints, seed: int) -> dict[str, Counts]:
    """Count transitions in one pass.

    Parameters
    ----------
    store
        One system.
    kinds
        Kinds of atoms.
    lags
        Lags in frames, shape (n_lags,).
    seed
        Of groups of molecules and examples.

    Returns
    -------
    dict
        Counts of each kind that the system holds, by its name.
    """

    def gatherer(kind: Kind, atoms: Ints, n_blocks: int) -> _Gatherer:
        return _Gatherer(atoms, store.molecule, kind.clusters, lags, n_blocks, kind.rng(seed))

    return in_one_pass(store, kinds, _labels, gatherer)


def _labels(store: Store, unit: slice) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """Read the labels of a unit, and which of its frames are no holes."""
    labels = store.clusters(unit)
    usable = np.ones(len(labels), dtype=np.bool_)
    for row in np.flatnonzero(labels.max(axis=1, initial=-1) < 0):
        usable[row] = not store.is_hole(unit.start + int(row))
    return labels, usable


@dataclass(eq=False)
class _Gatherer:
    """Counts of one kind as the frames go by."""

    atoms: Ints
    molecule: Ints
    clusters: Ints
    lags: Ints
    n_blocks: int
    rng: np.random.Generator
    by_molecules: Ints = field(init=False)
    by_blocks: Ints = field(init=False)
    stayed_by_molecules: Ints = field(init=False)
    stayed_by_blocks: Ints = field(init=False)
    examples: NDArray[Any] = field(init=False)

    def __post_init__(self) -> None:
        group = dealt(self.molecule[self.atoms], MOLECULE_GROUPS, self.rng)
        n, n_groups = len(self.clusters), int(group.max()) + 1
        self._known = places(self.clusters)
        self._base = group * (n + 1) ** 2
        self.by_molecules = np.zeros((len(self.lags), n_groups, n, n), dtype=np.int64)
        self.by_blocks = np.zeros((len(self.lags), self.n_blocks, n, n), dtype=np.int64)
        self.stayed_by_molecules = np.zeros((len(self.lags), n_groups, n), dtype=np.int64)
        self.stayed_by_blocks = np.zeros((len(self.lags), self.n_blocks, n), dtype=np.int64)
        self.examples = NO_EXAMPLES
        self._age = np.zeros(len(self.atoms), dtype=np.int64)  # steps that the present stay was watched
        self._lasted = np.searchsorted(self.lags, np.arange(self.lags[-1] + 1), side="right")
        self._past = np.zeros((0, len(self.atoms)), dtype=self._known.dtype)

    def add(self, first: int, labels: NDArray[np.int16], block: int, *, follows: bool) -> None:
        """Add frames that follow each other, and perhaps the last ones."""
        past = self._past if follows else self._past[:0]
        rows = max(1, _CHUNK // len(self.atoms))
        for start in range(0, len(labels), rows):
            new = self._known[labels[start : start + rows, self.atoms]]
            self._fill(new, past)
            self._stay(new, past, block)
            both = np.concatenate([past, new])
            for place, lag in enumerate(self.lags.tolist()):
                if lag < len(both):
                    begin = max(len(past), lag)
                    self._count(place, both[begin - lag : len(both) - lag], both[begin:], block)
            self._look(first + start - len(past), both[max(len(past) - 1, 0) :], max(len(past) - 1, 0))
            past = both[-int(self.lags[-1]) :]
        self._past = past

    def _fill(self, new: NDArray[Any], past: NDArray[Any]) -> None:
        """Let atoms between clusters keep the one they were in last."""
        n, before = len(self.clusters), past[-1] if len(past) else None
        for row in new:
            if before is not None:
                np.copyto(row, before, where=row == n)
            before = row

    def _stay(self, new: NDArray[Any], past: NDArray[Any], block: int) -> None:
        """Count stays that have lasted at least every lag when a frame is reached."""
        n, shape = len(self.clusters), (self.by_molecules.shape[1], len(self.clusters) + 1, len(self.lags) + 1)
        cell = self._base // (n + 1) ** 2 * shape[1]
        found = np.zeros(shape, dtype=np.int64)
        before = past[-1] if len(past) else None
        for row in new:
            self._age = np.zeros_like(self._age) if before is None else np.where(row == before, self._age + 1, 0)
            lasted = self._lasted[np.minimum(self._age, self.lags[-1])]
            found += np.bincount((cell + row) * shape[2] + lasted, minlength=found.size).reshape(shape)
            before = row
        reached = found[:, :n, ::-1].cumsum(axis=2)[:, :, ::-1][:, :, 1:].transpose(2, 0, 1)
        self.stayed_by_molecules += reached
        self.stayed_by_blocks[:, block] += reached.sum(axis=1)

    def _count(self, place: int, before: NDArray[Any], after: NDArray[Any], block: int) -> None:
        """Count pairs of one lag that end in one block."""
        n = len(self.clusters)
        code = before * np.int64(n + 1)
        code += after
        code += self._base
        shape = (self.by_molecules.shape[1], n + 1, n + 1)
        found = np.bincount(code.ravel(), minlength=int(np.prod(shape))).reshape(shape)[:, :n, :n]
        self.by_molecules[place] += found
        self.by_blocks[place, block] += found.sum(axis=0)

    def _look(self, first: int, labels: NDArray[Any], offset: int) -> None:
        """Keep some transitions of each pair: those with the smallest of random keys."""
        n = len(self.clusters)
        moved = (labels[1:] != labels[:-1]) & (labels[:-1] < n)
        frame, atom = np.nonzero(moved)
        if not len(frame):
            return
        new = np.empty(len(frame), dtype=_EVENT)
        new["key"], new["frame"] = self.rng.random(len(frame)), first + offset + frame + 1
        new["atom"], new["source"], new["target"] = self.atoms[atom], labels[frame, atom], labels[frame + 1, atom]
        every = np.concatenate([self.examples, new])
        pair = every["source"] * n + every["target"]
        every, pair = (a[np.lexsort((every["key"], pair))] for a in (every, pair))
        rank = np.arange(len(pair)) - np.searchsorted(pair, pair)
        self.examples = every[rank < _EXAMPLES]

    def result(self, run_of_block: Ints, seen: Ints) -> Counts:
        """Give what was counted, without stretches that hold no frame."""
        held = seen > 0
        examples = np.sort(self.examples, order=["source", "target", "frame", "atom"])
        by_blocks = self.by_blocks[:, held]
        stayed = self.stayed_by_molecules, self.stayed_by_blocks[:, held]
        return Counts(self.lags, self.by_molecules, by_blocks, *stayed, run_of_block[held], seen[held], examples)
