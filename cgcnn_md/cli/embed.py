"""`cgcnn-md embed`: the whole chain, from files to a folder of results."""

from __future__ import annotations

from cgcnn_md.cli._app import reporting
from cgcnn_md.cli._flags import INPUT, MACHINE, MODEL, OUTPUT, TRAINING
from cgcnn_md.cli._options import DryRun, Files, Out, Overwrite, Quiet, Resume, settings
from cgcnn_md.cli._show import show
from cgcnn_md.config import Config


@settings(INPUT, MODEL, TRAINING, OUTPUT, MACHINE)
def embed(
    files: Files,
    out: Out,
    resume: Resume = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    *,
    config: Config,
) -> None:
    """Read, train, embed, cluster, draw and report; prints OUT."""
    from cgcnn_md import pipeline
    from cgcnn_md.out_folder import OutFolder

    if dry_run:
        OutFolder.open(out, "embed", config, resume=resume, overwrite=overwrite)  # refuses what a run would
        show(pipeline.dry_run(files, config=config))
        return
    with reporting(quiet, out) as progress:
        pipeline.embed(files, out=out, config=config, resume=resume, overwrite=overwrite, progress=progress)
    print(out)
