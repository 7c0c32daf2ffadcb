"""Which frames are read, and how far apart they are in time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.config import ReadConfig
from cgcnn_md.errors import InputError, UsageError

TimeOf = Callable[[int, int], float | None]
"""Time in ps of a frame, by run and number; None where the frame cannot be read."""

_EVEN = 1e-3
"""Relative difference up to which two time steps are the same."""


@dataclass
class Timeline:
    """Frames of all runs, in order.

    Parameters
    ----------
    runs, numbers
        Run and number in its file of each frame.
    dt
        Time in ps between frames that follow each other here; nan if unknown.
    file_dt
        Time in ps between frames in the file, given by the user; None to take each frame's own time.
    notes
        What the user should know.
    """

    runs: NDArray[np.int32]
    numbers: NDArray[np.int64]
    dt: float
    file_dt: float | None = None
    notes: list[str] = field(default_factory=list)


def build(
    lengths: Sequence[int],
    has_time: Sequence[bool],
    time_of: TimeOf,
    config: ReadConfig,
    paths: Sequence[str],
) -> Timeline:
    """Choose the frames by number and time, and measure the time step.

    Parameters
    ----------
    lengths, has_time
        Of each run: frames, and whether they carry times.
    time_of
        Reads the time of a frame.
    config
        start, stop, step, begin, end and dt; numbers count in each run on its own.
    paths
        File of each run, for messages.

    Raises
    ------
    UsageError
        If times are asked of frames without time.
    InputError
        If no frame is left.
    """
    step = 1 if config.step is None else config.step
    by_time = config.begin is not None or config.end is not None
    notes: list[str] = []
    chosen: list[range] = []
    steps: list[float] = []
    for run, length in enumerate(lengths):
        known = has_time[run]
        if by_time and config.dt is None and not known:
            raise UsageError(
                f"--begin and --end: {paths[run]} holds no times; give the time between its frames as --dt"
            )
        clock = _clock(run, time_of, config.dt)
        measured = _step(length, clock, notes, paths[run]) if known and config.dt is None else math.nan
        if known and config.dt is not None:
            _compare(config.dt, _step(length, _clock(run, time_of, None), [], ""), notes, paths[run])
        steps.append(config.dt if config.dt is not None else measured)
        first, last = _window(length, clock, config.begin, config.end) if by_time else (0, length)
        chosen.append(range(length)[slice(config.start, config.stop)][::1])
        chosen[-1] = range(max(chosen[-1].start, first), min(chosen[-1].stop, last), step)
    counts = [len(numbers) for numbers in chosen]
    if not sum(counts):
        raise InputError(f"{', '.join(paths)}: {_none_left(lengths, config)}")
    runs = np.repeat(np.arange(len(lengths), dtype=np.int32), counts)
    numbers = np.concatenate([np.array(part, dtype=np.int64) for part in chosen])
    dt = _common(steps, counts, paths, notes)
    if math.isnan(dt) and max(lengths) > 1 and not all(has_time):
        notes.append("the input holds no times: lags and lifetimes are in frames; pass --dt with the ps between frames")
    return Timeline(runs, numbers, dt * step, config.dt, notes)


def _clock(run: int, time_of: TimeOf, dt: float | None) -> Callable[[int], float | None]:
    """Give the time of a run's frames by number."""
    return lambda number: number * dt if dt is not None else time_of(run, number)


def _step(length: int, clock: Callable[[int], float | None], notes: list[str], path: str) -> float:
    """Measure the time between frames from the first two and the last that can be read."""
    early = [(i, t) for i in range(min(length, 4)) if (t := clock(i)) is not None][:2]
    if len(early) < 2:
        return math.nan
    (i, start), (j, second) = early
    late = next(
        ((k, t) for k in range(length - 1, max(j, length - 4), -1) if (t := clock(k)) is not None),
        (j, second),
    )
    dt, mean = (second - start) / (j - i), (late[1] - start) / (late[0] - i)
    noise = np.spacing(np.float32(abs(late[1]))) * 4  # XTC and TRR hold single precision
    if not mean > 0:
        notes.append(f"{path}: times do not grow; pass --dt with the ps between frames")
        return math.nan
    if abs(dt - mean) > _EVEN * mean + noise:
        notes.append(f"{path}: frames are not evenly spaced: {dt:.6g} ps at the start, {mean:.6g} ps on average")
        return float(f"{dt:.6g}") if dt > 0 else math.nan
    return float(f"{mean:.6g}")


def _compare(given: float, measured: float, notes: list[str], path: str) -> None:
    """Say when the user's time step is not the file's."""
    if math.isfinite(measured) and abs(given - measured) > _EVEN * measured:
        notes.append(f"{path}: --dt {given:g} ps is used, although its frames are {measured:g} ps apart")


def _window(
    length: int, clock: Callable[[int], float | None], begin: float | None, end: float | None
) -> tuple[int, int]:
    """Find the frames between two times, ends included, by bisection: times grow within a run."""

    def search(wanted: float, *, beyond: bool) -> int:
        low, high = 0, length
        while low < high:
            middle = (low + high) // 2
            probe, time = middle, clock(middle)
            while time is None and probe + 1 < high:  # a frame that cannot be read counts with the next
                probe += 1
                time = clock(probe)
            if time is None or (time > wanted if beyond else time >= wanted):
                high = middle
            else:
                low = probe + 1
        return low

    def slack(time: float) -> float:
        return float(np.spacing(np.float32(abs(time)))) * 2

    first = 0 if begin is None else search(begin - slack(begin), beyond=False)
    last = length if end is None else search(end + slack(end), beyond=True)
    return first, last


def _common(steps: Sequence[float], counts: Sequence[int], paths: Sequence[str], notes: list[str]) -> float:
    """Give the time step of all runs: the first one's that has one."""
    known = [(dt, path) for dt, count, path in zip(steps, counts, paths, strict=True) if count and math.isfinite(dt)]
    if not known:
        return math.nan
    if any(abs(dt - known[0][0]) > _EVEN * known[0][0] for dt, _ in known):
        listed = ", ".join(f"{path} {dt:g} ps" for dt, path in known)
        notes.append(f"runs have different time steps ({listed}): {known[0][0]:g} ps is used for all")
    return known[0][0]


def _none_left(lengths: Sequence[int], config: ReadConfig) -> str:
    """Say that no frame is left, with what was asked for."""
    if not sum(lengths):
        return "holds no whole frame; is it cut off?"
    asked = {key: getattr(config, key) for key in ("start", "stop", "step", "begin", "end")}
    text = " ".join(f"--{key} {value}" for key, value in asked.items() if value is not None)
    return f"none of {sum(lengths)} frames is left by {text or 'the settings'}; wanted at least one"
