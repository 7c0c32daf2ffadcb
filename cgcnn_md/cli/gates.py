"""`cgcnn-md gates`: what the model attends to."""

from __future__ import annotations

from cgcnn_md.cli._app import reporting
from cgcnn_md.cli._options import Quiet, Result


def gates(out: Result, quiet: Quiet = False) -> None:
    """Weigh every neighbour of sampled atoms by what the embedding loses without it; prints OUT.

    Needs the input files where they were, unchanged.
    """
    from cgcnn_md import revisit

    with reporting(quiet) as progress:
        revisit.gates(out, progress=progress)
    print(out)
