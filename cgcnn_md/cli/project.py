"""`cgcnn-md project`: draw the 2-D map of a stored embedding again."""

from __future__ import annotations

from typing import Annotated

import typer

from cgcnn_md.cli._app import reporting
from cgcnn_md.cli._options import Quiet, Result, limits
from cgcnn_md.config import TrainConfig


def project(
    out: Result,
    points: Annotated[
        int | None,
        typer.Option("--map-points", help="Atoms drawn, over all frames; default as before.", **limits("points")),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", help="Seed of the sample and of UMAP.", **limits("seed"))
    ] = TrainConfig.seed,
    quiet: Quiet = False,
) -> None:
    """Make the 2-D map of a stored embedding anew; prints OUT."""
    from cgcnn_md import revisit

    with reporting(quiet) as progress:
        revisit.project(out, points=points, seed=seed, progress=progress)
    print(out)
