"""`cgcnn-md encode`: a trained model on new files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cgcnn_md.cli._app import reporting
from cgcnn_md.cli._flags import INPUT, MACHINE, OUTPUT
from cgcnn_md.cli._options import Files, Out, Overwrite, Quiet, Resume, settings
from cgcnn_md.config import Config


@settings(INPUT, OUTPUT, MACHINE)
def encode(
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL", show_default=False, help="A model.safetensors, or the folder that holds it."),
    ],
    files: Files,
    out: Out,
    resume: Resume = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    *,
    config: Config,
) -> None:
    """Embed new files with a trained model; prints OUT."""
    from cgcnn_md import pipeline

    with reporting(quiet, out) as progress:
        pipeline.encode(model, files, out=out, config=config, resume=resume, overwrite=overwrite, progress=progress)
    print(out)
