"""The child process that decodes frames: damage may kill it, and only it.

Started as ``python -m cgcnn_md.readers.worker``. Requests are JSON lines on stdin; each is answered by a
JSON line on stdout, for a frame followed by its coordinates as raw bytes.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
from typing import IO, Any

import numpy as np

from cgcnn_md.readers.source import RawFrame, Source


def open_source(spec: dict[str, Any]) -> Source:
    """Open one file.

    Parameters
    ----------
    spec
        ``path``, ``backend``, ``format``, and ``n_atoms``, ``units`` and ``angle`` of the topology.
    """
    if spec["backend"] == "ase":
        from cgcnn_md.readers import ase

        return ase.open_file(spec["path"], spec["format"])
    from cgcnn_md.readers import mdanalysis

    return mdanalysis.open_file(spec["path"], spec["format"], spec["n_atoms"], spec["units"], spec["angle"])


class Server:
    """Answers requests until its input ends.

    Parameters
    ----------
    requests, replies
        Binary streams.
    """

    def __init__(self, requests: IO[bytes], replies: IO[bytes]) -> None:
        self._requests, self._replies = requests, replies
        self._sources: list[Source] = []
        self._keep: Any = slice(None)
        self._last: tuple[int, int, RawFrame] | None = None  # a lone frame is asked for several times

    def run(self) -> None:
        """Serve every request."""
        for line in self._requests:
            request = json.loads(line)
            try:
                header, payload = getattr(self, f"_{request['do']}")(request)
            except Exception as error:  # noqa: BLE001 - any decoder's error is an answer: the parent names frame and file
                text = " ".join(str(error).split()) or "no reason given"
                missing = isinstance(error, ImportError)
                header, payload = {"error": text, "kind": type(error).__name__, "missing": missing}, b""
            self._replies.write(json.dumps(header).encode() + b"\n")
            self._replies.write(payload)
            self._replies.flush()

    def _open(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Open a file and tell what it holds."""
        source = open_source(request)
        self._sources.append(source)
        meta = {"n_frames": source.n_frames, "n_atoms": source.n_atoms, "has_time": bool(source.has_time)}
        return {**meta, "labels": source.labels, "notes": source.notes}, b""

    def _keep_atoms(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Remember which atoms are sent from now on."""
        self._keep = np.frombuffer(self._requests.read(8 * request["count"]), np.int64)
        return {}, b""

    def _frame(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Decode a frame."""
        source = self._sources[request["file"]]
        asked = (request["file"], request["number"])
        if self._last is None or self._last[:2] != asked:
            self._last = (*asked, source.read(request["number"]))
        frame = self._last[2]
        if len(frame.positions) != source.n_atoms:
            raise ValueError(f"it holds {len(frame.positions)} atoms, the first frame {source.n_atoms}")
        kept = frame.positions if request["all"] else frame.positions[self._keep]
        sent = np.ascontiguousarray(kept, dtype=kept.dtype if kept.dtype in (np.float32, np.float64) else np.float64)
        header = {"n": len(sent), "dtype": sent.dtype.str, "time": frame.time, "cell": frame.cell.tolist()}
        return {**header, "pbc": frame.pbc.tolist()}, sent.tobytes()


def main() -> None:
    """Serve the parent process over stdin and stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which closes this one
    faulthandler.enable()
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not end up among the replies
    try:
        Server(sys.stdin.buffer, replies).run()
    except BrokenPipeError:
        os._exit(0)  # the parent is gone


if __name__ == "__main__":
    main()
