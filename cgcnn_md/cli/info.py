"""`cgcnn-md info`: what files hold, before anything is computed."""

from __future__ import annotations

from typing import Annotated

import typer

from cgcnn_md.cli._app import reporting
from cgcnn_md.cli._flags import INPUT
from cgcnn_md.cli._options import Files, settings
from cgcnn_md.cli._show import show
from cgcnn_md.config import Config


@settings(INPUT)
def info(
    files: Files,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    *,
    config: Config,
) -> None:
    """Show frames, time step, box and species of files, and the first frame that cannot be read."""
    from cgcnn_md import pipeline

    with reporting(quiet=True):
        facts = pipeline.info(files, read=config.read)
    show(facts, as_json=as_json)
