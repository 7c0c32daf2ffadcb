"""Progress of a command on stderr: a live bar on a terminal, lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from cgcnn_md import progress as base
from cgcnn_md.progress import Plain, Silent, Task, duration


class Bar:
    """Live bar: step, newest values (loss, validation, atoms/s), time left.

    Parameters
    ----------
    console
        Where to draw; default stderr.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.fields[values]}"),
            console=console or Console(stderr=True, highlight=False),
            redirect_stdout=False,
        )
        self._task: Task | None = None
        self._row = TaskID(0)

    def say(self, text: str) -> None:
        """Write one line above the bar."""
        self._bar.console.print(text, markup=False, soft_wrap=True)

    def start(self, task: str, total: int) -> None:
        """Draw the bar of a new task."""
        self.finish()
        self._task = Task(task, total)
        self._row = self._bar.add_task(task, total=total, values="")
        self._bar.start()

    def advance(self, n: int = 1, **fields: float) -> None:
        """Move the bar."""
        if self._task is None:
            return
        self._task.advance(n, fields)
        left = f"{duration(self._task.seconds_left)} left" if self._task.done < self._task.total else ""
        words = ", ".join(filter(None, (self._task.values(), left)))
        self._bar.update(self._row, advance=n, values=words)

    def finish(self) -> None:
        """Replace the bar by one line that says how it ended."""
        task, self._task = self._task, None
        if task is not None:
            self._bar.remove_task(self._row)
            self._bar.stop()
            self.say(task.summary(ended=True))


def make_progress(quiet: bool) -> base.Progress:
    """Choose the form that fits where stderr goes."""
    if quiet:
        return Silent()
    return Bar() if sys.stderr.isatty() else Plain()
