"""What a long task tells the person who waits: a small protocol, and a silent and a plain form of it."""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class Progress(Protocol):
    """Where a pipeline function says what it does and how far it is.

    One task runs at a time. Fields given to `advance` are shown beside the bar and stay until
    they are given again; ``loss`` and ``validation`` are the usual ones. ``atoms`` is special: it
    counts the atoms handled in this call, and is shown as atoms per second.
    """

    def say(self, text: str) -> None:
        """Show one line of text."""

    def start(self, task: str, total: int) -> None:
        """Begin a task of `total` steps."""

    def advance(self, n: int = 1, **fields: float) -> None:
        """Note that `n` more steps are done."""

    def finish(self) -> None:
        """End the task; harmless where none runs."""


class Silent:
    """Progress that shows nothing."""

    def say(self, text: str) -> None:
        """Show nothing."""

    def start(self, task: str, total: int) -> None:
        """Show nothing."""

    def advance(self, n: int = 1, **fields: float) -> None:
        """Show nothing."""

    def finish(self) -> None:
        """Show nothing."""


class Logged:
    """Progress that passes everything on, and keeps what is said.

    Parameters
    ----------
    inner
        Progress to pass on to.
    path
        Log file, which is appended to.
    """

    def __init__(self, inner: Progress, path: Path) -> None:
        self._inner, self._path = inner, path
        self.start, self.advance, self.finish = inner.start, inner.advance, inner.finish

    def say(self, text: str) -> None:
        """Show one line of text and write it to the log with its time."""
        self._inner.say(text)
        # a full disk is reported where results are written, not here
        with contextlib.suppress(OSError), self._path.open("a", encoding="utf-8") as log:
            log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")


@dataclass
class Task:
    """State of the task that runs: how far, since when, and with which last values.

    Parameters
    ----------
    name
        What is done, a word or two.
    total
        Steps in all.
    """

    name: str
    total: int
    done: int = field(default=0, init=False)
    atoms: float = field(default=0.0, init=False)
    fields: dict[str, float] = field(default_factory=dict, init=False)
    started: float = field(default_factory=time.monotonic, init=False)

    def advance(self, n: int, fields: dict[str, float]) -> None:
        """Add `n` steps and remember the newest values."""
        self.done += n
        fields = dict(fields)
        self.atoms += fields.pop("atoms", 0.0)
        self.fields.update(fields)

    @property
    def seconds(self) -> float:
        """Seconds since the task began."""
        return time.monotonic() - self.started

    @property
    def seconds_left(self) -> float:
        """Seconds that are left at the pace so far; nan before the first step."""
        return self.seconds * (self.total - self.done) / self.done if self.done else float("nan")

    def values(self) -> str:
        """Give the newest values in words, e.g. ``loss -1.93, validation 1.88, 310 k atoms/s``."""
        words = [f"{name} {value:.4g}" for name, value in self.fields.items()]
        if self.atoms and self.seconds > 0:
            words.append(f"{_count(self.atoms / self.seconds)} atoms/s")
        return ", ".join(words)

    def summary(self, *, ended: bool) -> str:
        """Give the whole state in one line, with the time that is left, or the time it took."""
        time_words = f"in {duration(self.seconds)}" if ended else f"{duration(self.seconds_left)} left"
        return ", ".join(filter(None, (f"{self.name} {self.done}/{self.total}", self.values(), time_words)))


class Plain:
    """Progress as lines on stderr, for logs and pipes.

    Parameters
    ----------
    interval
        Least time between two lines of one task in s; its last line is always shown.
    """

    def __init__(self, interval: float = 10.0) -> None:
        self.interval = interval
        self._task: Task | None = None
        self._shown = 0.0

    def say(self, text: str) -> None:
        """Write one line to stderr."""
        print(text, file=sys.stderr, flush=True)

    def start(self, task: str, total: int) -> None:
        """Begin a task; the first line comes after `interval`."""
        self.finish()
        self._task = Task(task, total)
        self._shown = time.monotonic()

    def advance(self, n: int = 1, **fields: float) -> None:
        """Count, and write a line where the last one is old enough."""
        if self._task is None:
            return
        self._task.advance(n, fields)
        if time.monotonic() - self._shown >= self.interval and self._task.done < self._task.total:
            self._shown = time.monotonic()
            self.say(self._task.summary(ended=False))

    def finish(self) -> None:
        """Write the last line of the task."""
        task, self._task = self._task, None
        if task is not None:
            self.say(task.summary(ended=True))


def duration(seconds: float) -> str:
    """Say a time span for people.

    Examples
    --------
    >>> duration(7.4), duration(200), duration(7400)
    ('7 s', '3 min 20 s', '2 h 03 min')
    """
    if not 0 <= seconds < float("inf"):
        return "?"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _count(number: float) -> str:
    """Shorten a large number: 310 k, 1.2 M."""
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}"
