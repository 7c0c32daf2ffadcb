"""`cgcnn-md plot`: figures in the format that a paper or a talk wants."""

from __future__ import annotations

from typing import Annotated

import typer

from cgcnn_md.cli._app import reporting
from cgcnn_md.cli._options import Quiet, Result, limits
from cgcnn_md.config import PlotForm


def plot(
    out: Result,
    figures: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FIGURE]...", show_default=False, help="Figures, as map or rdf; default all."),
    ] = None,
    form: Annotated[PlotForm, typer.Option("--format", help="Format of the files.")] = "png",
    dpi: Annotated[
        int, typer.Option("--dpi", help="Dots per inch, of what is not drawn as lines.", **limits("dpi"))
    ] = 200,
    quiet: Quiet = False,
) -> None:
    """Draw figures of a result into OUT/figures; prints their paths."""
    from cgcnn_md import revisit

    with reporting(quiet) as progress:
        drawn = revisit.plot(out, *(figures or []), form=form, dpi=dpi, progress=progress)
    for path in drawn:
        print(path)
