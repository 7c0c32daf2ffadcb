"""The application object, and what every command shares: reports, notes, interruption."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer

from cgcnn_md import __version__
from cgcnn_md.cli._progress import make_progress
from cgcnn_md.errors import CgcnnMdWarning
from cgcnn_md.progress import Progress

app = typer.Typer(
    name="cgcnn-md",
    help="Turn a molecular dynamics trajectory into a vector for every atom in every frame, the local "
    "environments those vectors fall into, their lifetimes, and pictures. Lengths in Å, times in ps.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
)


class InterruptedRunError(Exception):
    """A run that the user stopped, with what to do next."""

    exit_code = 130

    def __init__(self, remedy: str) -> None:
        super().__init__(f"interrupted{remedy and '; '}{remedy}")


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"cgcnn-md {__version__}")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave."),
    ] = False,
) -> None:
    """Hold what stands before a command."""


@contextmanager
def reporting(quiet: bool, out: Path | None = None, *, remedy: str = "") -> Iterator[Progress]:
    """Give a command its progress, and turn Ctrl-C into a message that says where the work is, or what to do.

    Parameters
    ----------
    quiet
        Show no progress.
    out
        Folder from which an interrupted run can go on; None where it cannot.
    remedy
        What to do then, where the run cannot go on.

    Yields
    ------
    Progress
        To be handed to the pipeline.

    Raises
    ------
    InterruptedRunError
        If the user interrupts.
    """
    progress = make_progress(quiet)
    try:
        yield progress
    except KeyboardInterrupt:
        if out is not None:
            remedy = f"what was written is in {out}, go on with --resume"
        raise InterruptedRunError(remedy) from None
    finally:
        progress.finish()


def show_notes() -> None:
    """Show this package's warnings as one line each on stderr; others' only where ``python -W`` asks."""
    warnings.showwarning = _show_note
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", CgcnnMdWarning)


def _show_note(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,  # noqa: ARG001  # the signature is Python's
) -> None:
    """Replace `warnings.showwarning`."""
    text = " ".join(str(message).split())
    source = "" if issubclass(category, CgcnnMdWarning) else f"{category.__name__} at {filename}:{lineno}: "
    print(f"note: {source}{text}", file=file or sys.stderr)
