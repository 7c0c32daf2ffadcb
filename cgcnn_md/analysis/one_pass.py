"""One pass through a store, for what is gathered of frames that follow each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.analysis.census import frames_joined
from cgcnn_md.analysis.kinds import Kind
from cgcnn_md.frame import Ints
from cgcnn_md.store import Store

MOLECULE_GROUPS = 100
_BLOCKS = 60

Gathered = TypeVar("Gathered", covariant=True)
Read = Callable[[Store, slice], tuple[NDArray[Any], NDArray[np.bool_]]]


class Gatherer(Protocol[Gathered]):
    """What is gathered of one kind of atoms."""

    def add(self, first: int, values: NDArray[Any], block: int, /, *, follows: bool) -> None:
        """Add frames that follow each other, and perhaps the last ones."""

    def result(self, run_of_block: Ints, seen: Ints) -> Gathered:
        """Give all, with the run of every stretch and how many frames it holds."""


def in_one_pass(
    store: Store, kinds: Sequence[Kind], read: Read, make: Callable[[Kind, Ints, int], Gatherer[Gathered]]
) -> dict[str, Gathered]:
    """Give every kind of atoms all frames in order, cut into stretches of time.

    Parameters
    ----------
    store
        One system.
    kinds
        Kinds of atoms.
    read
        Reads a unit of the store: values of its frames, and which of them there are.
    make
        Makes what gathers, from a kind, its atoms here and the number of stretches.

    Returns
    -------
    dict
        What was gathered of each kind that the system holds, by its name.
    """
    blocks, run_of_block = _cut_into_blocks(store)
    made = {k.name: make(k, k.atoms[store.name], len(run_of_block)) for k in kinds if store.name in k.atoms}
    seen = np.zeros(len(run_of_block), dtype=np.int64)
    for first, values, follows in _stretches(store, blocks, read):
        seen[blocks[first]] += len(values)
        for gatherer in made.values():
            gatherer.add(first, values, int(blocks[first]), follows=follows)
    return {name: gatherer.result(run_of_block, seen) for name, gatherer in made.items()}


def _cut_into_blocks(store: Store) -> tuple[Ints, Ints]:
    """Cut every run into stretches: the stretch of every frame, and the run of every stretch."""
    blocks = np.zeros(store.n_frames, dtype=np.int64)
    run_of_block: list[int] = []
    for run in np.unique(store.runs):
        rows = np.flatnonzero(store.runs == run)
        for part in np.array_split(rows, min(len(rows), max(1, round(_BLOCKS * len(rows) / store.n_frames)))):
            blocks[part] = len(run_of_block)
            run_of_block.append(int(run))
    return blocks, np.asarray(run_of_block, dtype=np.int64)


def _stretches(store: Store, blocks: Ints, read: Read) -> Iterator[tuple[int, NDArray[Any], bool]]:
    """Give values in order, cut where the block ends or a frame is missing, and whether they follow the last."""
    joined, last = frames_joined(store), -2
    for unit in store.done_units():
        values, usable = read(store, unit)
        step = joined[unit] & (np.diff(blocks[unit], prepend=blocks[unit.start]) == 0)
        step[1:] &= usable[:-1]
        rows = np.flatnonzero(usable)
        for part in np.split(rows, np.flatnonzero(~step[rows])) if len(rows) else []:
            if len(part):
                first = unit.start + int(part[0])
                yield first, values[part[0] : part[-1] + 1], last == first - 1 and bool(joined[first])
                last = unit.start + int(part[-1])
