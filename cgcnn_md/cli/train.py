"""`cgcnn-md train`: a model, and nothing embedded with it."""

from __future__ import annotations

from cgcnn_md.cli._app import reporting
from cgcnn_md.cli._flags import INPUT, MACHINE, MODEL, TRAINING
from cgcnn_md.cli._options import Files, Out, Overwrite, Quiet, Resume, settings
from cgcnn_md.config import Config


@settings(INPUT, MODEL, TRAINING, MACHINE, "features")
def train(
    files: Files,
    out: Out,
    resume: Resume = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    *,
    config: Config,
) -> None:
    """Train a model and write it to OUT/model.safetensors; prints that path."""
    from cgcnn_md import pipeline

    with reporting(quiet, out) as progress:
        model = pipeline.train(files, out=out, config=config, resume=resume, overwrite=overwrite, progress=progress)
    print(model)
