"""`cgcnn-md export`: frames with their clusters, for programs that show atoms."""

from __future__ import annotations

from typing import Annotated

import typer

from cgcnn_md.cli._app import reporting
from cgcnn_md.cli._options import Quiet, Result, limits
from cgcnn_md.config import ExportTo


def export(
    out: Result,
    to: Annotated[ExportTo, typer.Option("--to", help="Program that is to show the atoms.")] = "ovito",
    step: Annotated[int, typer.Option("--step", help="Write every n-th stored frame.", **limits("step"))] = 1,
    quiet: Quiet = False,
) -> None:
    """Write frames with their clusters for OVITO, VMD or PyMOL into OUT/export; prints the files to open.

    Needs the input files where they were, unchanged.
    """
    from cgcnn_md import revisit

    with reporting(quiet) as progress:
        written = revisit.export(out, to=to, step=step, progress=progress)
    for path in written:
        print(path)
