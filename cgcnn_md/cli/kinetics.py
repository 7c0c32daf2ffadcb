"""`cgcnn-md kinetics`: find how fast atoms go from cluster to cluster."""

from __future__ import annotations

from cgcnn_md.cli._app import reporting
from cgcnn_md.cli._options import Quiet, Result


def kinetics(out: Result, quiet: Quiet = False) -> None:
    """Find rates between the clusters of a stored embedding, with tables, figures and report; prints OUT."""
    from cgcnn_md import revisit

    with reporting(quiet) as progress:
        revisit.kinetics(out, progress=progress)
    print(out)
