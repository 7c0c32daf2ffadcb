"""How far atoms move while they stay in their cluster: mean square displacements from windows of frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.analysis.bootstrap import FEWEST, Units, dealt, interval, joined
from cgcnn_md.analysis.census import frames_joined, step_time
from cgcnn_md.analysis.images import box_heights, completed
from cgcnn_md.analysis.samples import FrameSource, labelled_frames
from cgcnn_md.frame import Floats, Frame, Ints
from cgcnn_md.store import Store
from cgcnn_md.words import duration, rounded

if TYPE_CHECKING:
    import pandas as pd

_ATOM_FRAMES = 4e6  # read of a system
_FRAMES = (60, 2000)
_WINDOW = 25  # frames, unless very many are read
_WINDOWS = (4, 20)
_SHARE = 4  # the longest window is this part of the longest stretch of frames
_BODIES = 100  # groups of bodies
_FAR = 0.4  # of the box; a step that long may have been one the other way round
_LOST = 5e-3  # of the steps of a cluster's atoms that may be so long
_TOLD = 1.5  # times a value that its interval may reach, where it is worth a word


@dataclass(frozen=True, eq=False)
class Mobility:
    """Mean square displacements of atoms that stay in their cluster.

    Parameters
    ----------
    table
        Columns cluster, species, lag_frames, time_ps, msd, msd_low, msd_high (Å²), intervals (that were averaged).
    lost
        Share of the steps of each cluster that were too long to be told from others, by cluster; those in which it is
        too large have no row in the table.
    """

    table: pd.DataFrame
    lost: dict[int, float]

    def words(self, cluster: int) -> str:
        """Say how far atoms of a cluster move in the longest time: "moves 3.1 Å in 20 ps"; "" where it is not known."""
        rows = self.table[self.table["cluster"] == cluster]
        rows = rows[rows["msd_high"] < _TOLD * rows["msd"]]
        if not len(rows) or not np.isfinite(rows["time_ps"].iloc[-1]):
            return ""
        last = rows.iloc[-1]
        return f"moves {rounded(np.sqrt(last['msd']), 2)} Å in {duration(last['time_ps'])}"

    @property
    def doubts(self) -> list[str]:
        """Say which clusters are left out because their frames are too far apart."""
        out = [str(cluster) for cluster, share in self.lost.items() if share > _LOST]
        if not out:
            return []
        told = f"Atoms of cluster{'s' * (len(out) > 1)} {', '.join(out)} cross so much of the box from frame to frame"
        return [f"{told} that they cannot be followed: no mean square displacement."]


def displacements(
    systems: Iterable[tuple[FrameSource, Store]], *, n_clusters: int, frames: int | None = None, seed: int = 0
) -> Mobility:
    r"""Average the squared displacement of atoms over intervals in which they never leave their cluster.

    .. math:: \mathrm{MSD}_s(\tau) = \langle |r_i(t + \tau) - r_i(t)|^2 \rangle, \quad i \in s \text{ from } t
        \text{ to } t + \tau

    Windows of consecutive frames are read, evenly spaced over each system, and one is held at a time. Atoms are
    followed from frame to frame by minimum image, in fractions of the box; the motion of the centre of mass of all
    atoms that are read is taken away. A step of more than 0.4 of the box, which may have been one the other way
    round, breaks the way of its atom; a cluster in which more than one in 200 steps is so long is left out.

    Parameters
    ----------
    systems
        Readers, and the stores made from them.
    n_clusters
        Clusters over all systems.
    frames
        Frames in a window; None to choose it by the atoms and frames that there are.
    seed
        Seed of groups of molecules and of the bootstrap.

    Returns
    -------
    Mobility
        With 95 % intervals over molecules, windows or runs, whichever are widest; nan where fewer than three of a kind
        hold such an interval of time.
    """
    rng = np.random.default_rng(seed)
    pairs = list(systems)
    cut = [_windows(store, len(reader.molecules.index), frames) for reader, store in pairs]
    longest = max((len(w) for windows in cut for w in windows), default=1)
    lags = np.asarray(sorted(lag for k in range(40) for lag in (2**k, 3 * 2**k) if lag < longest), dtype=np.int64)
    sums = [_Sums(store, lags, n_clusters, windows, rng) for (_, store), windows in zip(pairs, cut)]
    if len(lags):
        for (reader, store), windows, made in zip(pairs, cut, sums):
            for number, window in enumerate(windows):
                made.add(number, *_way(reader, store, window))
    return _gathered(pairs, sums, lags, n_clusters, rng)


def _windows(store: Store, n_atoms: int, frames: int | None) -> list[range]:
    """Choose windows of frames that follow each other, are done and hold labels."""
    rows = labelled_frames(store)
    follows = frames_joined(store)[rows] & (np.diff(rows, prepend=-2) == 1)
    stretches = np.split(rows, np.flatnonzero(~follows))[1:]
    longest = max((len(s) for s in stretches), default=0)
    budget = int(np.clip(_ATOM_FRAMES / max(n_atoms, 1), *_FRAMES))
    n = int(np.clip(budget // _WINDOW, *_WINDOWS))
    size = max(min(budget // n, longest // _SHARE), 2) if frames is None else frames
    pieces = [range(s[i], s[i] + size) for s in stretches for i in range(0, len(s) - size + 1, size)]
    return [pieces[i] for i in np.unique(np.linspace(0, len(pieces) - 1, min(n, len(pieces))).round().astype(int))]


def _way(reader: FrameSource, store: Store, window: range) -> tuple[NDArray[np.int64], Floats, NDArray[np.bool_]]:
    """Follow the targets through a window: labels, places in Å, and whether the step to each frame was too long."""
    labels = store.clusters(slice(window.start, window.stop)).astype(np.int64)
    place, far = np.zeros((*labels.shape, 3)), np.zeros(labels.shape, dtype=np.bool_)
    for row, (moved, reach) in enumerate(_steps(reader.frames(window), reader), start=1):
        place[row] = place[row - 1] + moved[reader.targets]
        far[row] = np.linalg.norm(moved[reader.targets], axis=1) > _FAR * reach
        labels[row] = np.where(labels[row] < 0, labels[row - 1], labels[row])  # between clusters: still in the last
    return labels, place, far


def _steps(frames: Iterator[Frame], reader: FrameSource) -> Iterator[tuple[Floats, float]]:
    """Give the displacement of every atom from frame to frame, without drift, and the least height of the box."""
    mass, scaled, before = reader.masses, np.zeros((0, 3)), np.zeros((3, 3))
    for frame in frames:
        cell = completed(frame.cell, frame.pbc)
        now = frame.positions @ np.linalg.inv(cell)
        if len(scaled):
            step = now - scaled
            step[:, frame.pbc] -= np.round(step[:, frame.pbc])
            moved = step @ ((cell + before) / 2)
            if len(moved) > 1:
                moved -= mass @ moved / mass.sum()
            heights = box_heights(frame.cell, frame.pbc) if frame.pbc.any() else np.asarray([np.inf])
            yield moved, float(heights.min())
        scaled, before = now, cell


@dataclass(eq=False)
class _Sums:
    """Squares of one system, by groups of bodies and by windows."""

    store: Store
    lags: Ints
    n_clusters: int
    windows: list[range]
    rng: np.random.Generator
    by_body: tuple[Floats, Floats] = field(init=False)
    by_window: tuple[Floats, Floats] = field(init=False)
    steps: Ints = field(init=False)

    def __post_init__(self) -> None:
        self.group = np.zeros(self.store.n_atoms, dtype=np.int64)
        for name in np.unique(self.store.species):
            mine = self.store.species == name
            self.group[mine] = dealt(self.store.molecule[mine], _BODIES, self.rng)
        shape = (len(self.lags), self.n_clusters)
        self.by_body = np.zeros((_BODIES, *shape)), np.zeros((_BODIES, *shape))
        self.by_window = np.zeros((len(self.windows), *shape)), np.zeros((len(self.windows), *shape))
        self.steps = np.zeros((2, self.n_clusters), dtype=np.int64)  # all, and those that were too long

    def add(self, window: int, labels: Ints, place: Floats, far: NDArray[np.bool_]) -> None:
        """Add a window."""
        age = np.zeros(labels.shape, dtype=np.int64)
        for row in range(1, len(labels)):
            age[row] = np.where((labels[row] == labels[row - 1]) & ~far[row], age[row - 1] + 1, 0)
        stayed = (labels[1:] == labels[:-1]) & (labels[1:] >= 0)
        for which, mine in enumerate((stayed, stayed & far[1:])):
            self.steps[which] += np.bincount(labels[1:][mine], minlength=self.n_clusters)
        for number, lag in enumerate(self.lags.tolist()):
            frame, atom = np.nonzero((age >= lag) & (labels >= 0))
            square = ((place[frame, atom] - place[frame - lag, atom]) ** 2).sum(axis=1)
            code = self.group[atom] * self.n_clusters + labels[frame, atom]
            for made, weights in zip(range(2), (square, np.ones_like(square))):
                found = np.bincount(code, weights=weights, minlength=_BODIES * self.n_clusters)
                found = found.reshape(_BODIES, self.n_clusters)
                self.by_body[made][:, number] += found
                self.by_window[made][window, number] += found.sum(axis=0)

    def units(self, cluster: int, lags: NDArray[np.bool_]) -> list[Units]:
        """Cut what is known of a cluster into bodies, windows and runs."""
        run = self.store.runs[[window.start for window in self.windows]].astype(np.int64)
        body, window = (
            (sums[seen][:, lags, cluster], counts[seen][:, lags, cluster])
            for sums, counts in (self.by_body, self.by_window)
            for seen in [counts[:, :, cluster].any(axis=1)]
        )
        seen = self.by_window[1][:, :, cluster].any(axis=1)
        return [body, window, joined(window, run[seen])]


def _gathered(
    pairs: list[tuple[FrameSource, Store]], sums: list[_Sums], lags: Ints, n_clusters: int, rng: np.random.Generator
) -> Mobility:
    """Average over systems whose frames are equally far apart."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    lost: dict[int, float] = {}
    steps = [step_time(store) for _, store in pairs]
    for cluster in range(n_clusters):
        held = [k for k, made in enumerate(sums) if made.steps[0, cluster]]
        held = [k for k in held if np.isclose(steps[k], steps[held[0]], rtol=1e-3, equal_nan=True)]
        if not held:
            continue
        total, far = np.sum([sums[k].steps[:, cluster] for k in held], axis=0)
        lost[cluster] = float(far / total)
        top, bottom = (np.sum([sums[k].by_window[i][:, :, cluster].sum(axis=0) for k in held], axis=0) for i in (0, 1))
        known = bottom > 0
        if lost[cluster] > _LOST or not known.any():
            continue
        value = top[known] / bottom[known]
        ways = [list(way) for way in zip(*(sums[k].units(cluster, known) for k in held))]
        low, high = interval(ways, value, rng)
        pieces = np.max([np.sum([(counts > 0).sum(axis=0) for _, counts in way], axis=0) for way in ways], axis=0)
        low, high = (np.where(pieces < FEWEST, np.nan, end) for end in (low, high))
        species = next(_species_of(pairs[k][1], cluster) for k in held)
        rows += [
            {
                "cluster": cluster, "species": species, "lag_frames": int(lag), "time_ps": float(lag * steps[held[0]]),
                "msd": x, "msd_low": a, "msd_high": b, "intervals": int(n),
            }
            for lag, x, a, b, n in zip(lags[known], value, np.maximum(low, 0), high, bottom[known])
        ]  # fmt: skip
    columns = ["cluster", "species", "lag_frames", "time_ps", "msd", "msd_low", "msd_high", "intervals"]
    return Mobility(pd.DataFrame(rows, columns=columns), lost)


def _species_of(store: Store, cluster: int) -> str:
    """Name the species that has a cluster."""
    for unit in store.done_units():
        found = (store.clusters(unit) == cluster).any(axis=0)
        if found.any():
            return str(store.species[np.flatnonzero(found)[0]])
    return ""
