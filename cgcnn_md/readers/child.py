"""The worker process as the parent sees it: how it is started, talked to, and what to say at its death."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_KILLED_FROM_OUTSIDE = [s for s in signal.Signals if s.name in ("SIGKILL", "SIGTERM", "SIGHUP")]  # Windows has one


class ChildDiedError(Exception):
    """The child's output ended."""


class Child:
    """A running ``python -m cgcnn_md.readers.worker``.

    Not multiprocessing: that would run a user's script again in the child unless it has a main guard.
    """

    def __init__(self) -> None:
        root = str(Path(__file__).resolve().parents[2])
        paths = [root, os.environ.get("PYTHONPATH", "")]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            "PYTHONSAFEPATH": "1",  # a random.py beside the user's data must not be imported
            "OMP_NUM_THREADS": "1",
        }
        environment.pop("PYTHONWARNINGS", None)  # -W error is meant for the user's own code
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in end()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cgcnn_md.readers.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise ChildDiedError  # cannot be: both are pipes
        self._requests, self._replies = self._process.stdin, self._process.stdout

    def send(self, request: dict[str, Any], payload: bytes = b"") -> None:
        """Write a request.

        Parameters
        ----------
        request
            Plain values.
        payload
            Raw bytes after it.
        """
        try:
            self._requests.write(json.dumps(request).encode() + b"\n" + payload)
            self._requests.flush()
        except OSError:
            raise ChildDiedError from None

    def receive(self) -> dict[str, Any]:
        """Read a reply's header."""
        line = self._replies.readline()
        if not line.endswith(b"\n"):
            raise ChildDiedError
        header: dict[str, Any] = json.loads(line)
        return header

    def receive_array(self, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
        """Read the array that follows a header.

        Parameters
        ----------
        shape, dtype
            Of the array.
        """
        wanted = int(np.prod(shape)) * np.dtype(dtype).itemsize
        data = self._replies.read(wanted)
        if len(data) < wanted:
            raise ChildDiedError
        return np.frombuffer(data, dtype).reshape(shape)

    def was_killed(self) -> bool:
        """Tell whether the dead child was killed by something other than the file it read."""
        return -self._process.wait() in _KILLED_FROM_OUTSIDE

    def obituary(self) -> str:
        """Say what ended the child."""
        code = self._process.wait()
        if code < 0:
            return f"the decoder died of {signal.Signals(-code).name}"
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "no message")
        return f"the decoder ended with status {code}: {last}"

    def end(self) -> None:
        """Kill the child; safe to call twice."""
        self._process.kill()
        self._process.wait()
        for stream in (self._requests, self._replies):
            with suppress(OSError):  # unsent requests to a dead child
                stream.close()
        self._errors.close()

    def __del__(self) -> None:
        if hasattr(self, "_replies"):
            self.end()
