"""Stream the frames of a system through a model into a store."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field

import numba
import numpy as np
from numpy.typing import NDArray

from cgcnn_md.blas import one_blas_thread
from cgcnn_md.errors import BadFrameError
from cgcnn_md.frame import Frame
from cgcnn_md.graph import KnnGraph
from cgcnn_md.nn import Model
from cgcnn_md.progress import Progress
from cgcnn_md.readers import Reader
from cgcnn_md.store import Store

_BATCH_NODES = 8_000  # small frames are encoded together
_UNIT_ATOMS = 100_000  # atom-frames in a unit of work


def unit_frames(n_targets: int) -> int:
    """Give the frames in a unit of work for so many target atoms."""
    return max(1, _UNIT_ATOMS // max(n_targets, 1))


def frames_or_holes(
    reader: Reader, numbers: Sequence[int], *, skip: bool
) -> Iterator[tuple[int, Frame | BadFrameError]]:
    """Read frames in order; where one is bad, give the error in its place, or raise it.

    Parameters
    ----------
    reader
        The system.
    numbers
        Frames wanted, as places in the reader.
    skip
        Go on after a bad frame.

    Yields
    ------
    tuple[int, Frame or BadFrameError]
        Place in the reader, and the frame or why there is none.

    Raises
    ------
    BadFrameError
        At a bad frame, unless `skip`.
    """
    at = 0
    while at < len(numbers):
        try:
            for frame in reader.frames(numbers[at:]):
                yield numbers[at], frame
                at += 1
        except BadFrameError as err:
            if not skip:
                raise
            yield numbers[at], err
            at += 1


def encode_system(
    model: Model,
    reader: Reader,
    store: Store,
    progress: Progress,
    *,
    hidden: bool = False,
    skip: bool = False,
) -> int:
    """Embed the target atoms, or groups of them, of every frame that the store does not hold yet.

    Parameters
    ----------
    model
        A trained model.
    reader
        The system; memory is bounded by a unit of work, not by the trajectory.
    store
        Where the embedding goes, unit by unit; units that are done are left alone.
    progress
        Told the frames done.
    hidden
        Store the encoder's features in place of the slow coordinates.
    skip
        Leave frames that cannot be read as nan, in place of stopping.

    Returns
    -------
    int
        Frames that were skipped.
    """
    codes = model.codes(reader.species)
    rows = model.rows(reader.groups)
    todo = np.flatnonzero(~store.done)
    units = [store.unit(int(u)) for u in todo]
    progress.start(f"embedding {reader.name}", sum(here.stop - here.start for here in units))
    skipped = 0
    batches = _batches(model, reader, units, codes, skip=skip)
    elsewhere = model.encoder.species.weight.device.type != "cpu"
    if elsewhere:
        batches = _ahead(batches)
    with one_blas_thread(), ThreadPoolExecutor(1) as writer, closing(batches):
        saved: Future[None] = writer.submit(lambda: None)
        for unit, here in zip(todo, units, strict=True):
            block = np.full((here.stop - here.start, store.n_atoms, store.features), np.nan, dtype=np.float32)
            times = np.full(len(block), np.nan)
            try:
                for batch in batches:
                    _encode_batch(model, batch, here.start, block, times, rows, progress, hidden=hidden)
                    skipped += len(batch.bad)
                    if batch.ends_unit:
                        break
            except (BadFrameError, KeyboardInterrupt):
                writer.shutdown()
                store.write(here.start, block, times)  # what was read stands; the unit is not done
                raise
            saved.result()  # one unit waits to be written, no more
            saved = writer.submit(_save, store, int(unit), block, times)
            if not elsewhere:
                saved.result()  # beside the encoder it would only share its cores
        saved.result()
    progress.finish()
    return skipped


@dataclass
class _Batch:
    """Frames of one unit that are encoded together, and those between them that could not be read."""

    numbers: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    graphs: list[KnnGraph] = field(default_factory=list)
    bad: list[BadFrameError] = field(default_factory=list)
    ends_unit: bool = False


def _batches(
    model: Model, reader: Reader, units: Sequence[slice], codes: NDArray[np.int16], *, skip: bool
) -> Generator[_Batch, None, None]:  # fmt: skip
    """Read the frames of all units in one go and build their graphs; a batch ends where its unit does."""
    numbers = [number for here in units for number in range(here.start, here.stop)]
    last = {here.stop - 1 for here in units}
    targets, group = reader.groups.members()
    batch = _Batch()
    for number, frame in frames_or_holes(reader, numbers, skip=skip):
        if isinstance(frame, BadFrameError):
            batch.bad.append(frame)
        else:
            batch.numbers.append(number)
            batch.times.append(frame.time)
            batch.graphs.append(model.graph(frame, targets, codes, group=group))
        batch.ends_unit = number in last
        if batch.ends_unit or sum(len(g.nodes) for g in batch.graphs) >= _BATCH_NODES:
            yield batch
            batch = _Batch()


def _ahead(batches: Generator[_Batch, None, None]) -> Generator[_Batch, None, None]:
    """Make the next batch in a thread while the last is used.

    For an encoder that is not on the CPU: two threads may not run compiled parallel loops at once on every machine, and
    would only share its cores.
    """
    threads = numba.get_num_threads()  # is of this thread
    with ThreadPoolExecutor(1, initializer=numba.set_num_threads, initargs=(threads,)) as pool:
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield batch


def _encode_batch(
    model: Model, batch: _Batch, start: int, block: NDArray[np.float32], times: NDArray[np.float64],
    of_rows: tuple[NDArray[np.int16], NDArray[np.int64]], progress: Progress, *, hidden: bool,
) -> None:  # fmt: skip
    """Encode a batch into the block of its unit, which starts at frame `start`; `of_rows`: kinds and classes."""
    for error in batch.bad:
        progress.say(f"skipped: {error}")
    if not batch.graphs:
        return
    features = model.features(batch.graphs)
    n = len(batch.graphs)
    values = features if hidden else model.embed(features, np.tile(of_rows[0], n), np.tile(of_rows[1], n))
    frames = np.array(batch.numbers) - start
    block[frames] = values.reshape(n, -1, values.shape[1])
    times[frames] = batch.times
    progress.advance(n, atoms=sum(g.counts[0] for g in batch.graphs))


def _save(store: Store, unit: int, block: NDArray[np.float32], times: NDArray[np.float64]) -> None:
    store.write(store.unit(unit).start, block, times)
    store.mark_done(unit)
