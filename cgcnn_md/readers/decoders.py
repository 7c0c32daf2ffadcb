"""Where raw frames come from: the worker for files, the objects themselves in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from cgcnn_md.errors import BadFrameError
from cgcnn_md.frame import Ints
from cgcnn_md.readers.prefetch import AHEAD, FrameWorker
from cgcnn_md.readers.source import RawFrame, Source
from cgcnn_md.readers.third_party import third_party


class WorkerDecoder:
    """Frames of files, decoded in a child process.

    Parameters
    ----------
    worker
        The child, its files open.
    paths
        Of the runs, in order of the worker's files.
    """

    def __init__(self, worker: FrameWorker, paths: Sequence[str]) -> None:
        self.paths = paths
        self._worker = worker

    def fetch(self, wanted: Iterable[tuple[int, int]]) -> Iterator[RawFrame | BadFrameError]:
        """Decode frames in the given order, a few ahead.

        Parameters
        ----------
        wanted
            Run and number of each frame.
        """
        tickets: deque[int] = deque()
        try:
            for run, number in wanted:
                tickets.append(self._worker.request(run, number))
                if len(tickets) >= AHEAD:
                    yield self._worker.wait(tickets.popleft())
            while tickets:
                yield self._worker.wait(tickets.popleft())
        finally:
            for ticket in tickets:
                self._worker.forget(ticket)

    def whole(self, run: int, number: int) -> RawFrame | BadFrameError:
        """Decode all atoms of one frame.

        Parameters
        ----------
        run, number
            File and frame number in it.
        """
        return self._worker.wait(self._worker.request(run, number, all_atoms=True))

    def keep(self, atoms: Ints) -> None:
        """Choose the atoms of every frame.

        Parameters
        ----------
        atoms
            Topology indices.
        """
        self._worker.keep(atoms)

    def close(self) -> None:
        """End the child."""
        self._worker.close()


class MemoryDecoder:
    """Frames of objects in memory.

    Parameters
    ----------
    source
        All runs end to end.
    lengths
        Frames of each run.
    paths
        What to call each run.
    restore
        Puts the objects back as the user had them.
    """

    def __init__(
        self,
        source: Source,
        lengths: Sequence[int],
        paths: Sequence[str],
        restore: Callable[[], object] | None = None,
    ) -> None:
        self.paths = paths
        self._restore = restore
        self._source = source
        self._starts = np.cumsum([0, *lengths])
        self._atoms: Ints | None = None

    def fetch(self, wanted: Iterable[tuple[int, int]]) -> Iterator[RawFrame | BadFrameError]:
        """Decode frames in the given order.

        Parameters
        ----------
        wanted
            Run and number of each frame.
        """
        for run, number in wanted:
            yield (self.whole(run, number) if self._atoms is None else self._part(self.whole(run, number), self._atoms))

    def whole(self, run: int, number: int) -> RawFrame | BadFrameError:
        """Decode all atoms of one frame.

        Parameters
        ----------
        run, number
            Run and frame number in it.
        """
        with third_party([]):
            try:
                return self._source.read(int(self._starts[run]) + number)
            except Exception as error:  # noqa: BLE001 - whatever a library raises, the frame is what cannot be read
                reason = " ".join(str(error).split()) or type(error).__name__
                return BadFrameError(
                    f"frame {number} of {self.paths[run]} cannot be decoded ({reason}); "
                    "repair it or pass on_bad_frame='skip'"
                )

    @staticmethod
    def _part(frame: RawFrame | BadFrameError, atoms: Ints) -> RawFrame | BadFrameError:
        """Keep the chosen atoms."""
        if isinstance(frame, BadFrameError):
            return frame
        return RawFrame(frame.positions[atoms], frame.cell, frame.pbc, frame.time)

    def keep(self, atoms: Ints) -> None:
        """Choose the atoms of every frame.

        Parameters
        ----------
        atoms
            Topology indices.
        """
        self._atoms = atoms

    def close(self) -> None:
        """Put the objects back as they were: they are the user's."""
        restore, self._restore = self._restore, None
        if restore is not None:
            with third_party([]):
                restore()
