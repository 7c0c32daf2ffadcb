"""What clusters are sought in: points and pairs, drawn evenly from what is stored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.analysis.census import lagged_frames
from cgcnn_md.analysis.halves import PLACES
from cgcnn_md.analysis.project import gather
from cgcnn_md.frame import Ints
from cgcnn_md.store import Store

_SAMPLE = 20_000  # points of a group


def sample_group(
    stores: Sequence[Store], name: str, *, by: str = "species", size: int = _SAMPLE, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.str_], Ints, Ints]:
    """Draw atom-frames of one group evenly from all systems.

    Parameters
    ----------
    stores
        The systems.
    name
        Group.
    by
        What groups are made by, as in `Store.groups`.
    size
        Atom-frames wanted.
    seed
        Seed of the draw.

    Returns
    -------
    values, identity, when, where
        Stored vectors, shape (n, n_features), and of each the identity class, the frame and the atom, shape (n,).
        Frames are in `PLACES` of a system's, and so comparable; atoms are numbered as `halve` wants.
    """
    rng = np.random.default_rng(seed)
    atoms = [np.flatnonzero(s.groups(by) == name) for s in stores]
    total = sum(len(a) * s.n_frames for a, s in zip(atoms, stores, strict=True))
    share = min(1.0, size / max(total, 1))
    values, identity, when, where = [], [], [], []
    for i, (store, mine) in enumerate(zip(stores, atoms, strict=True)):
        if len(mine) == 0:
            continue
        classes = store.identity[mine]
        for frames in store.done_units():
            n_frames = frames.stop - frames.start
            picked = np.flatnonzero(rng.random(n_frames * len(mine)) < share)
            if len(picked) == 0:
                continue
            block = store.embedding(frames)
            frame, atom = np.divmod(picked, len(mine))
            drawn = block[frame, mine[atom]]
            good = np.isfinite(drawn).all(axis=1)
            values.append(drawn[good])
            identity.append(classes[atom[good]])
            when.append((frame[good] + frames.start) * PLACES // store.n_frames)
            where.append(atom[good] * PLACES // len(mine) + i * PLACES)
    if not values:
        none = np.zeros(0, dtype=np.int64)
        return np.zeros((0, stores[0].features), dtype=np.float32), np.zeros(0, np.str_), none, none
    return np.concatenate(values), np.concatenate(identity), np.concatenate(when), np.concatenate(where)


def own_lags(stores: Sequence[Store], lag: int) -> list[int]:
    """Give one lag in the frames of every system, at least one, by what the systems have stored as lag of their model.

    Parameters
    ----------
    stores
        The systems, whose frames need not be equally far apart in time.
    lag
        Lag in frames of the system that needs most of them for the lag of the model.

    Returns
    -------
    list of int
        Lag in frames of each system.
    """
    frames = [int(store.attrs.get("lag", 1)) for store in stores]
    return [max(1, round(lag * own / max(frames))) for own in frames]


def sample_pairs(
    stores: Sequence[Store], name: str, lag: int, *, by: str = "species", size: int = _SAMPLE, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.str_]] | None:
    """Draw atoms of one group at two times, one lag apart, evenly from all systems; never across runs.

    Parameters
    ----------
    stores, name
        As of `sample_group`.
    lag
        Stored frames between both ends, as `own_lags` takes it.
    by, size, seed
        As of `sample_group`, of pairs.

    Returns
    -------
    now, later, identity
        Stored vectors, each of shape (n, n_features), and identity class, shape (n,); None where there is no pair.
    """
    rng = np.random.default_rng(seed)
    now, later, identity = [], [], []
    for store, apart in zip(stores, own_lags(stores, lag), strict=True):
        atoms = np.flatnonzero(store.groups(by) == name)
        first = lagged_frames(store, apart)
        if len(first) == 0 or len(atoms) == 0:
            continue
        every = len(first) * len(atoms)
        drawn = np.sort(rng.choice(every, min(size // len(stores), every), replace=False))
        frame, atom = first[drawn // len(atoms)], atoms[drawn % len(atoms)]
        ends = gather(store, frame, atom), gather(store, frame + apart, atom)
        good = np.isfinite(ends[0]).all(axis=1) & np.isfinite(ends[1]).all(axis=1)
        now.append(ends[0][good])
        later.append(ends[1][good])
        identity.append(store.identity[atom[good]])
    return (np.concatenate(now), np.concatenate(later), np.concatenate(identity)) if now else None
