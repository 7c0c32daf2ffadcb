"""What a reader holds, in plain values, for `info` and for dry runs."""

from __future__ import annotations

import math
from contextlib import suppress
from itertools import product
from typing import Any

import numpy as np

from cgcnn_md.errors import BadFrameError
from cgcnn_md.frame import Frame
from cgcnn_md.readers.base import Reader


def describe(reader: Reader, *, scan: bool = False) -> dict[str, Any]:
    """Describe an open system.

    Parameters
    ----------
    reader
        Open it with ``on_bad_frame="skip"``, so that damage is described rather than raised.
    scan
        Whether to read every frame and look for bad ones.

    Returns
    -------
    dict
        Plain values: name, sources, frames, runs, dt_ps and total_ps (None if unknown), box, box_lengths (Å),
        atoms, targets, species (rows of the species table), bad_frames (a message each), first_bad_frame
        (number in its file, or None), scanned, largest_move (Å, the largest step of an atom between
        neighbouring frames after a scan: damage that still decodes shows here) and notes.
    """
    move = _scan(reader) if scan else None
    first = reader.first()
    bad = sorted(reader.bad_frames)
    known = math.isfinite(reader.dt)
    runs = len(np.unique(reader.runs))
    return {
        "name": reader.name,
        "sources": list(reader.sources),
        "frames": len(reader),
        "runs": runs,
        "dt_ps": reader.dt if known else None,
        "total_ps": reader.dt * (len(reader) - runs) if known else None,
        "box": reader.box_kind,
        "box_lengths": None if first is None else np.linalg.norm(first.cell, axis=1).round(4).tolist(),
        "atoms": reader.n_atoms,
        "targets": reader.n_targets,
        "species": [row._asdict() for row in reader.species_table()],
        "bad_frames": [reader.bad_frames[index] for index in bad],
        "first_bad_frame": int(reader.frame_numbers[bad[0]]) if bad else None,
        "scanned": scan,
        "largest_move": move,
        "notes": list(reader.notes),
    }


def _scan(reader: Reader) -> float | None:
    """Read every frame, filling the reader's `bad_frames`; give the largest move between neighbours in Å."""
    largest: float | None = None
    last: Frame | None = None
    position = 0
    while position < len(reader):
        with suppress(BadFrameError):
            for frame in reader.frames(range(position, len(reader))):
                position += 1
                if last is not None and last.run == frame.run:
                    largest = max(largest or 0.0, _largest_move(last, frame))
                last = frame
            return largest
        position += 1
        last = None
    return largest


def _largest_move(before: Frame, after: Frame) -> float:
    """Measure the largest displacement between two frames, by the nearest image."""
    move = after.positions - before.positions
    if after.pbc.all():
        fraction = np.linalg.solve(after.cell.T, move.T).T
        move = (fraction - np.round(fraction)) @ after.cell
        # In an oblique box rounding misses the nearest image of far moves: look at the images around those.
        far = (move**2).sum(axis=1) > (0.4 / np.linalg.norm(np.linalg.inv(after.cell), axis=0).max()) ** 2
        images = np.array(list(product((-1, 0, 1), repeat=3))) @ after.cell
        squared = (move**2).sum(axis=1)
        for image in images:
            squared[far] = np.minimum(squared[far], ((move[far] + image) ** 2).sum(axis=1))
        return float(np.sqrt(squared.max(initial=0.0)))
    return float(np.sqrt((move**2).sum(axis=1).max(initial=0.0)))
