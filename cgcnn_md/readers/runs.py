"""Runs of systems by what a user calls them: the number of the file in its system, or its name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from cgcnn_md.errors import UsageError
from cgcnn_md.readers.base import Reader

Runs = list[frozenset[int]]  # of every system


def choose_runs(readers: Sequence[Reader], wanted: Sequence[str]) -> Runs:
    """Find the runs that are to be held out.

    Parameters
    ----------
    readers
        The systems.
    wanted
        Numbers, from 1, of files in their systems (in each that has so many), or names of files: with their folder or
        without, with their ending or without.

    Returns
    -------
    list of frozenset of int
        Runs of each system.

    Raises
    ------
    UsageError
        If there is no such run, or none is left.
    """
    named = [dict(_names(reader)) for reader in readers]
    found: list[set[int]] = [set() for _ in readers]
    for word in wanted:
        hits = [{run for run, names in runs.items() if word in names} for runs in named]
        if not any(hits):
            there = ", ".join(f"{names[0]} ({names[1]})" for runs in named for names in runs.values())
            msg = f"validate_run {word}: no such run; choose among {there}"
            raise UsageError(msg)
        for mine, more in zip(found, hits):
            mine |= more
    if all(len(mine) == len(runs) for mine, runs in zip(found, named)):
        msg = f"validate_run {', '.join(wanted)}: all runs are held out; leave one or more to train on"
        raise UsageError(msg)
    return [frozenset(mine) for mine in found]


def run_titles(readers: Sequence[Reader], runs: Runs) -> list[str]:
    """Write what runs are called: "run 3 (melt3.xtc)", with the system where there are several."""
    return [
        (f"{reader.name} " if len(readers) > 1 else "") + f"run {run + 1} ({Path(reader.run_names[run]).name})"
        for reader, mine in zip(readers, runs)
        for run in sorted(mine)
    ]


def _names(reader: Reader) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Give every run of a system, and what it may be called."""
    for run in np.unique(reader.runs).tolist():
        path = Path(reader.run_names[run])
        yield run, (str(run + 1), path.name, path.stem, reader.run_names[run])
