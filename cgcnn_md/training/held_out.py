"""Which frames begin pairs to train on, and which are held out: no pair crosses a border between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cgcnn_md.frame import Ints
from cgcnn_md.readers import Reader
from cgcnn_md.readers.runs import Runs


@dataclass(frozen=True)
class Anchor:
    """First end of pairs: a frame of a system."""

    system: int
    frame: int


@dataclass(frozen=True)
class Cut:
    """Where in a run time is held out: a block of each of several stretches, so that both know what happens once.

    Parameters
    ----------
    stretches
        Stretches of a run, at most.
    lags
        Lags that a stretch lasts at least.
    at
        Place of the block in its stretch, from 0 for its start to 1 for its end.
    """

    stretches: int = 3
    lags: int = 20
    at: float = 1.0

    def __str__(self) -> str:
        place = {0.0: "start", 0.5: "middle", 1.0: "end"}[self.at]
        return f"the {place} of {'every run' if self.stretches == 1 else f'up to {self.stretches} stretches of a run'}"


FINER = tuple(Cut(n, 8, at) for n in (3, 6, 2, 1) for at in (0.0, 1.0, 0.5))
"""Other cuts to try, where what is slow in one part is not in the other."""


def split(
    readers: Sequence[Reader], reach: int, share: float, cut: Cut, held_runs: Runs | None = None
) -> tuple[list[Anchor], list[Anchor]]:
    """Tell which frames begin pairs to train on, and which are held out.

    Parameters
    ----------
    readers
        The systems.
    reach
        Frames between both ends of a pair.
    share
        Share of each run that is held out.
    cut
        Where in it.
    held_runs
        Runs of every system that are held out whole, in place of these blocks; None for none.
    """
    train: list[Anchor] = []
    held: list[Anchor] = []
    for s, reader in enumerate(readers):
        bad = set(reader.bad_frames)
        for run in np.unique(reader.runs):
            frames = np.flatnonzero(reader.runs == run)
            if held_runs is not None:
                parts = [(held if int(run) in held_runs[s] else train, frames)]
            else:
                parts = []
                n = int(np.clip(len(frames) // (cut.lags * max(reach, 1)), 1, cut.stretches))
                for stretch in np.array_split(frames, n):
                    first, last = _block(len(stretch), share, cut.at)
                    pieces = [stretch[:first], stretch[last:]]
                    if len(stretch) < 4 or max(map(len, pieces)) <= reach or last - first <= reach:
                        # too short to hold anything out: the score is then one of fit, and is said to be
                        parts.append((train, stretch))
                    else:
                        parts += [(train, piece) for piece in pieces] + [(held, stretch[first:last])]
            for anchors, block in parts:
                anchors += _anchors(s, block, reach, bad)
    return train, held


def _block(n: int, share: float, at: float) -> tuple[int, int]:
    """Give the first frame of the held-out block of a stretch of n frames, and the one after it."""
    size = round(share * n)
    first = round(at * (n - size))
    return first, first + size


def _anchors(system: int, block: Ints, reach: int, bad: set[int]) -> Iterator[Anchor]:
    """Make anchors of a block's frames, where both ends of their pairs lie in it and can be read."""
    for frame in block[: max(len(block) - reach, 0)]:
        if not {int(frame), int(frame) + reach} & bad:
            yield Anchor(system, int(frame))
