"""The command `cgcnn-md`: one file a command, and the one place where an error becomes an exit code."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence

from typer.exceptions import TyperException

from cgcnn_md.cli._app import InterruptedRunError, app, show_notes
from cgcnn_md.cli.cluster import cluster
from cgcnn_md.cli.embed import embed
from cgcnn_md.cli.encode import encode
from cgcnn_md.cli.export import export
from cgcnn_md.cli.gates import gates
from cgcnn_md.cli.info import info
from cgcnn_md.cli.kinetics import kinetics
from cgcnn_md.cli.plot import plot
from cgcnn_md.cli.project import project
from cgcnn_md.cli.report import report
from cgcnn_md.cli.train import train
from cgcnn_md.errors import CgcnnMdError, StorageError, UsageError

__all__ = ["app", "main"]

_IN_ORDER = (embed, info, train, encode, cluster, kinetics, project, gates, plot, export, report)

for _command in _IN_ORDER:
    app.command()(_command)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and leave with the exit code of the contract.

    Parameters
    ----------
    args
        Arguments; default those of the process.
    """
    show_notes()
    try:
        code = app(args=args, prog_name="cgcnn-md", standalone_mode=False)
    except TyperException as error:
        if text := error.format_message():
            context = getattr(error, "ctx", None)
            _complain(f"{text} (see {context.command_path if context else 'cgcnn-md'} --help)")
        sys.exit(UsageError.exit_code)
    except (CgcnnMdError, InterruptedRunError) as error:
        _complain(str(error))
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        _complain(f"{error.filename or 'the output'}: no space left; free some, then go on with --resume")
        sys.exit(StorageError.exit_code)
    if code == InterruptedRunError.exit_code:  # Ctrl-C outside a pipeline call, caught by typer
        _complain("interrupted")
    sys.exit(code or 0)


def _complain(text: str) -> None:
    """Write one line to stderr."""
    print(f"cgcnn-md: {' '.join(text.split())}", file=sys.stderr)
