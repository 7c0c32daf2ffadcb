"""`cgcnn-md cluster`: find the environments of a stored embedding again."""

from __future__ import annotations

from typing import Annotated

import typer

from cgcnn_md.cli._app import reporting
from cgcnn_md.cli._options import Quiet, Result, limits
from cgcnn_md.config import GroupBy


def cluster(
    out: Result,
    n: Annotated[
        int | None,
        typer.Option("-n", "--clusters", help="Clusters per species; default chosen by the data.", **limits("n")),
    ] = None,
    group_by: Annotated[
        GroupBy | None,
        typer.Option("--group-by", help="Atoms among which clusters are sought; default as before."),
    ] = None,
    states: Annotated[
        bool | None,
        typer.Option(
            "--states/--no-states",
            help="Take the states that the model was trained with, or seek clusters in their place; "
            "default: take them, unless -n is given.",
            show_default=False,
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Cluster a stored embedding anew, with its table, figures and report; prints OUT."""
    from cgcnn_md import revisit

    with reporting(quiet, remedy=f"run `cgcnn-md cluster {out}` again") as progress:
        revisit.cluster(out, n=n, group_by=group_by, states=states, progress=progress)
    print(out)
