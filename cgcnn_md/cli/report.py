"""`cgcnn-md report`: figures and report of a result, drawn again."""

from __future__ import annotations

from cgcnn_md.cli._app import reporting
from cgcnn_md.cli._options import Quiet, Result


def report(out: Result, quiet: Quiet = False) -> None:
    """Draw figures and report of a result again, from its tables; prints the path of the report."""
    from cgcnn_md import revisit

    with reporting(quiet) as progress:
        result = revisit.report(out, progress=progress)
    print(result.path / "report.html")
