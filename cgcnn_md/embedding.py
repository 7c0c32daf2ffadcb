"""Stream the frames of a system through a model into a store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.errors import BadFrameError
from cgcnn_md.frame import Frame
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
    """Embed the target atoms of every frame that the store does not hold yet.

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
    species = codes[np.asarray(reader.species_codes)[reader.targets]]
    classes = model.classes(reader.identity)[reader.targets]
    todo = np.flatnonzero(~store.done)
    progress.start(f"embedding {reader.name}", sum(store.unit(int(u)).stop - store.unit(int(u)).start for u in todo))
    skipped = 0
    for unit in todo:
        here = store.unit(int(unit))
        block = np.full((here.stop - here.start, store.n_atoms, store.features), np.nan, dtype=np.float32)
        times = np.full(len(block), np.nan)
        try:
            tables = codes, species, classes
            skipped += _encode_unit(model, reader, here, block, times, tables, progress, hidden, skip)
        except (BadFrameError, KeyboardInterrupt):
            store.write(here.start, block, times)  # what was read stands; the unit is not done
            raise
        store.write(here.start, block, times)
        store.mark_done(int(unit))
    progress.finish()
    return skipped


def _encode_unit(
    model: Model, reader: Reader, here: slice, block: NDArray[np.float32], times: NDArray[np.float64],
    tables: tuple[NDArray[np.int16], NDArray[np.int16], NDArray[np.int64]], progress: Progress, hidden: bool,
    skip: bool,
) -> int:  # fmt: skip
    codes, species, classes = tables
    waiting: list[tuple[int, Any]] = []
    nodes = skipped = 0

    def flush() -> None:
        nonlocal nodes
        if not waiting:
            return
        features = model.features([g for _, g in waiting])
        n = len(waiting)
        values = features if hidden else model.embed(features, np.tile(species, n), np.tile(classes, n))
        block[[i for i, _ in waiting]] = values.reshape(len(waiting), -1, values.shape[1])
        progress.advance(len(waiting), atoms=len(values))
        waiting.clear()
        nodes = 0

    for number, frame in frames_or_holes(reader, range(here.start, here.stop), skip=skip):
        if isinstance(frame, BadFrameError):
            progress.say(f"skipped: {frame}")
            skipped += 1
            continue
        graph = model.graph(frame, reader.targets, codes)
        times[number - here.start] = frame.time
        waiting.append((number - here.start, graph))
        nodes += len(graph.nodes)
        if nodes >= _BATCH_NODES:
            flush()
    flush()
    return skipped
