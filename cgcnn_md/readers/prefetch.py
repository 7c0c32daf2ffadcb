"""Requests for frames ahead of need, and blame for the frame at which the child died."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from cgcnn_md.errors import BadFrameError, InputError, MissingExtraError
from cgcnn_md.frame import Ints
from cgcnn_md.readers.child import Child, ChildDiedError
from cgcnn_md.readers.roles import InputFile
from cgcnn_md.readers.source import RawFrame

AHEAD = 4
"""Requests in flight. The child decodes the next frame while the parent works on the last; it then waits
for its pipe to be read, so that it holds one frame however fast it is."""


class FrameWorker:
    """A child process with the files of one system open; it is started again when a frame kills it.

    Parameters
    ----------
    files
        One file a run.

    Attributes
    ----------
    meta : list of dict
        What each file holds, once they are open.
    """

    def __init__(self, files: Sequence[InputFile]) -> None:
        self.files = tuple(files)
        self.meta: list[dict[str, Any]] = []
        self._topology: dict[str, Any] = {}
        self._keep: Ints | None = None
        self._pending: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._arrived: dict[int, RawFrame | BadFrameError] = {}
        self._unwanted: set[int] = set()
        self._next = 0
        self._lock = threading.RLock()
        self._child: Child | None = Child()

    def open(self, n_atoms: int, units: str | None = None, angle: float | None = None) -> None:
        """Open the files in the child and learn their sizes.

        Parameters
        ----------
        n_atoms
            Atoms of the topology; 0 if the files say themselves.
        units
            LAMMPS' name of the units of the topology, where it has one.
        angle
            Angles of the box in degrees, where the topology holds them for the trajectory.

        Raises
        ------
        InputError
            If a file cannot be opened.
        BadFrameError
            If its first frame kills the decoder.
        """
        with self._lock:
            self._topology = {"n_atoms": n_atoms, "units": units, "angle": angle}
            self._open_all()

    def _open_all(self) -> Child:
        """Open the files in the child, a new one if there is none."""
        child = self._child = self._child or Child()
        self.meta = []
        for file in self.files:
            path = str(Path(file.path).absolute())
            request = {"do": "open", "path": path, "backend": file.backend, "format": file.format}
            try:
                child.send({**request, **self._topology})
                header = child.receive()
            except ChildDiedError:
                reason = child.obituary()
                self.close()
                text = f"frame 0 of {file.path} cannot be decoded ({reason}); repair the file or cut it off"
                raise BadFrameError(text) from None
            if "error" in header:
                self.close()
                raise _refusal(file, header)
            self.meta.append(header)
        self._send_keep(child)
        return child

    def keep(self, atoms: Ints) -> None:
        """Choose the atoms that are sent from now on.

        Parameters
        ----------
        atoms
            Indices into the topology.
        """
        with self._lock:
            self._keep = np.ascontiguousarray(atoms, np.int64)
            self._send_keep(self._child or self._open_all())

    def _send_keep(self, child: Child) -> None:
        """Tell the child which atoms to send."""
        if self._keep is not None:
            child.send({"do": "keep_atoms", "count": len(self._keep)}, self._keep.tobytes())
            child.receive()

    def request(self, run: int, number: int, *, all_atoms: bool = False) -> int:
        """Ask for a frame without waiting.

        Parameters
        ----------
        run, number
            File and frame number in it.
        all_atoms
            Whether to send every atom rather than those kept.

        Returns
        -------
        int
            Ticket for `wait`.
        """
        with self._lock:
            child = self._child or self._open_all()
            ticket, self._next = self._next, self._next + 1
            self._pending[ticket] = {"do": "frame", "file": run, "number": number, "all": all_atoms}
            with suppress(ChildDiedError):  # `wait` reads what it still answered, then finds it dead
                child.send(self._pending[ticket])
            return ticket

    def wait(self, ticket: int) -> RawFrame | BadFrameError:
        """Give the frame asked for, or the error that it ended in.

        Parameters
        ----------
        ticket
            What `request` gave.
        """
        with self._lock:
            while ticket not in self._arrived:
                if ticket not in self._pending or self._child is None:
                    raise InputError(f"{self.files[0].path}: the reader was closed while frames were being read")
                self._take_one(self._child)
            return self._arrived.pop(ticket)

    def forget(self, ticket: int) -> None:
        """Drop a request whose frame is no longer wanted.

        Parameters
        ----------
        ticket
            What `request` gave.
        """
        with self._lock:
            if self._arrived.pop(ticket, None) is None and ticket in self._pending:
                self._unwanted.add(ticket)

    def _take_one(self, child: Child) -> None:
        """Read the reply to the oldest request."""
        ticket, request = next(iter(self._pending.items()))
        result: RawFrame | BadFrameError
        try:
            header = child.receive()
            if "error" in header:
                result = self._bad(request, header["error"])
            else:
                positions = child.receive_array((header["n"], 3), header["dtype"])
                cell, pbc = np.array(header["cell"], float).reshape(3, 3), np.array(header["pbc"], bool)
                result = RawFrame(positions, cell, pbc, header["time"])
        except ChildDiedError:
            self._bury(child)
            return
        del self._pending[ticket]
        self._store(ticket, result)

    def _store(self, ticket: int, result: RawFrame | BadFrameError) -> None:
        """Keep a result for whoever asked, if anybody still wants it."""
        if ticket in self._unwanted:
            self._unwanted.discard(ticket)
        else:
            self._arrived[ticket] = result

    def _bad(self, request: dict[str, Any], reason: str) -> BadFrameError:
        """Put into words that a frame cannot be decoded."""
        return BadFrameError(
            f"frame {request['number']} of {self.files[request['file']].path} cannot be decoded ({reason}); "
            "repair the file or pass --on-bad-frame skip"
        )

    def _bury(self, child: Child) -> None:
        """Blame the oldest request for the child's death, start another child and ask for the rest."""
        reason, killed = child.obituary(), child.was_killed()
        child.end()
        self._child = None
        if killed:
            self._pending.clear()
            raise InputError(f"{self.files[0].path}: the reading process was killed ({reason}); is memory short?")
        ticket, request = self._pending.popitem(last=False)
        self._store(ticket, self._bad(request, reason))
        another = self._open_all()
        with suppress(ChildDiedError):
            for request in self._pending.values():
                another.send(request)

    def close(self) -> None:
        """End the child and drop what it has not answered; safe to call twice."""
        with self._lock:
            if self._child is not None:
                self._child.end()
            self._child = None
            self._pending.clear()
            self._arrived.clear()
            self._unwanted.clear()


def _refusal(file: InputFile, header: dict[str, Any]) -> Exception:
    """Say why the child could not open a file."""
    if header["missing"]:
        return MissingExtraError(f"{file.path}: {header['error']}")
    reason = f"{header['error']} ({header['kind']})"
    return InputError(f"{file.path}: cannot be read as {file.format}: {reason}; check or convert the file")
