"""What slow coordinates follow: how far the nearest atoms of each species are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.analysis.images import completed, vectors_around
from cgcnn_md.analysis.samples import FrameSource, evenly, labelled_frames
from cgcnn_md.frame import Floats, Frame, Ints
from cgcnn_md.kinetic_map import KineticMap
from cgcnn_md.store import Store
from cgcnn_md.words import duration

if TYPE_CHECKING:
    import pandas as pd

    from cgcnn_md.analysis.discovery import Discovery

_NEAR = {1: "nearest", 2: "2nd nearest", 4: "4th nearest", 6: "6th nearest", 8: "8th nearest", 12: "12th nearest"}
_FRAMES = (20, 400)
_POINTS = 4000  # of a species, that frames are read for
_ATOM_FRAMES = 2e6  # read of a system
_ATOMS = 50  # of a species and a frame
_AROUND = 150  # atoms within reach, where they are evenly spread
_BINS = 20
_FEWEST = 400  # points that shares are told from
_TOLD = 0.5  # share of the variance from which a coordinate is said to follow something
_MOST = 3  # coordinates of a species that are spoken of
_SHUFFLES = 20  # that a coordinate must follow a distance better than, to be said to follow it

Read = Callable[[str, NDArray[np.float32], NDArray[np.str_]], Floats]


def what_coordinates_follow(
    systems: Iterable[tuple[FrameSource, Store]], read: Read, kept: Mapping[str, int], *, seed: int = 0
) -> pd.DataFrame:
    """Tell how much of each slow coordinate the distance to near atoms of each species explains.

    Parameters
    ----------
    systems
        Readers, and the stores made from them.
    read
        Gives slow coordinates from a species, its stored vectors and identity classes.
    kept
        Coordinates of each species that survived on held-out time, the slowest.
    seed
        Seed of the atoms that are looked at.

    Returns
    -------
    DataFrame
        Rows by ``species`` and ``coordinate`` with ``follows``, the distance that explains most, and ``share``: the
        correlation ratio, the part of the coordinate's variance that lies between twenty equally filled ranges of that
        distance, less what chance gives; 0 where other atoms at other times follow distances as well, as the few values
        of few atoms that keep them may. No row of a species of which too few points were seen.
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    names = [name for name, n in kept.items() if n > 0]
    values: dict[str, list[list[Floats]]] = {name: [] for name in names}
    seen: dict[str, list[dict[str, Floats]]] = {name: [] for name in names}
    for reader, store in systems if names else ():
        mine = {name: np.flatnonzero(store.species == name) for name in names}
        mine = {name: rows for name, rows in mine.items() if len(rows)}
        if not mine:
            continue
        for name in mine:
            values[name].append([])
        picked = _frames(store, min(min(len(rows), _ATOMS) for rows in mine.values()))
        for index, frame in zip(picked, reader.frames(picked), strict=True):
            block = store.embedding(slice(index, index + 1))[0]
            for name, rows in mine.items():
                drawn = rows if len(rows) <= _ATOMS else np.sort(rng.choice(rows, _ATOMS, replace=False))
                drawn = drawn[np.isfinite(block[drawn]).all(axis=1)]
                values[name][-1].append(read(name, block[drawn], store.identity[drawn])[:, : kept[name]])
                seen[name].append(_distances(frame, reader.species, reader.targets[drawn]))
    table = [row for name in names for row in _rows(name, values[name], seen[name], rng)]
    return pd.DataFrame(table, columns=["species", "coordinate", "follows", "share"])


def relaxation(found: Discovery, maps: Mapping[str, KineticMap], lag: float) -> dict[str, Floats]:
    """Give the timescale of every slow coordinate of each species, in the unit of the lag.

    It is nan where none is known, and where shuffled pairs say of any group of the species that the coordinate belongs
    to the box or is frozen, so that none follows.
    """
    scales = {name: np.array(mapping.timescale(lag), dtype=np.float64) for name, mapping in maps.items()}
    for group in found.by_group:
        if group in found.shuffles:
            shuffles = found.shuffles[group]
            scales[found.species[group]][shuffles.of_box | shuffles.frozen] = np.nan
    return scales


def words(
    table: pd.DataFrame, timescales: Mapping[str, Sequence[float] | Floats], *, encoded: bool = False
) -> list[str]:
    """Say what the slowest coordinates follow that follow something.

    Parameters
    ----------
    table
        What `what_coordinates_follow` gives.
    timescales
        Relaxation times in ps by species, nan if unknown.
    encoded
        Whether these are of other files, which the model was trained on.
    """
    relax = "relaxed in {} in the training" if encoded else "relaxes in {}"
    sentences = []
    for name, rows in table[table["share"] >= _TOLD].groupby("species", sort=True):
        for row in rows.sort_values("coordinate").head(_MOST).to_dict("records"):
            scale = timescales[str(name)][row["coordinate"]]
            relaxes = f", which {relax.format(duration(scale))}," if np.isfinite(scale) else ""
            sentences.append(
                f"{name}: slow coordinate {row['coordinate']}{relaxes} follows the distance to the {row['follows']} "
                f"({100 * row['share']:.0f} % of its variance)."
            )
    return sentences


def _frames(store: Store, atoms: int) -> list[int]:
    """Choose frames, evenly spread over what is done, enough for the species that has fewest atoms."""
    most = max(int(_ATOM_FRAMES / max(store.n_atoms, 1)), _FRAMES[0])
    n = min(int(np.clip(_POINTS // atoms, *_FRAMES)), most)
    return evenly(labelled_frames(store), n)


def _distances(frame: Frame, species: Sequence[str], centres: Ints) -> dict[str, Floats]:
    """Give each centre's distance in Å to near atoms of every species; the reach where there is none within it."""
    extent = np.ptp(frame.positions, axis=0) + 1.0
    cell = completed(frame.cell, frame.pbc)
    volume = abs(float(np.linalg.det(cell))) * float(np.prod(extent[~frame.pbc]))
    reach = float((_AROUND * volume / len(frame) * 0.75 / np.pi) ** (1 / 3))
    row, other, vector = vectors_around(frame, centres, reach)
    length, code = np.linalg.norm(vector, axis=1), frame.species[other]
    found: dict[str, Floats] = {}
    for number, name in enumerate(species):
        at, far = row[code == number], length[code == number]
        order = np.lexsort((far, at))
        at, far = at[order], far[order]
        rank = np.arange(len(at)) - np.searchsorted(at, at)
        table = np.full((len(centres), max(_NEAR)), reach)
        table[at[rank < max(_NEAR)], rank[rank < max(_NEAR)]] = far[rank < max(_NEAR)]
        found |= {f"{which} {name}": table[:, k - 1] for k, which in _NEAR.items()}
    return found


def _rows(
    name: str, values: list[list[Floats]], seen: list[dict[str, Floats]], rng: np.random.Generator
) -> list[tuple[str, int, str, float]]:
    """Find for each coordinate of a species the distance that explains most of it."""
    frames = [frame for system in values for frame in system]
    points = np.concatenate(frames) if frames else np.zeros((0, 0))
    known = [what for what in seen[0] if all(what in frame for frame in seen)] if seen else []
    if len(points) < _FEWEST or not known:
        return []
    distance = {what: np.concatenate([frame[what] for frame in seen]) for what in known}

    def most(y: Floats) -> tuple[float, str]:
        return max((correlation_ratio(x, y), what) for what, x in distance.items())

    rows = []
    for column, y in enumerate(points.T):
        share, best = most(y)
        if share >= _TOLD and any(most(_shuffled(values, column, rng))[0] >= share for _ in range(_SHUFFLES)):
            share = 0.0
        rows.append((name, column, best, round(share, 4)))
    return rows


def _shuffled(values: list[list[Floats]], column: int, rng: np.random.Generator) -> Floats:
    """Give one coordinate of every point, taken from another atom of its system, at another time; shape (n,)."""
    parts = []
    for system in values:
        sizes = {len(frame) for frame in system if len(frame)}
        if not sizes:
            continue
        flat = np.concatenate([frame[:, column] for frame in system])
        if len(sizes) > 1:  # frames of which atoms are missing: no atom keeps its place
            parts.append(rng.permutation(flat))
            continue
        table = flat.reshape(-1, *sizes)
        turned = [np.roll(series, rng.integers(len(series))) for series in table.T]
        parts.append(np.stack(turned, axis=1)[:, rng.permutation(len(turned))].ravel())
    return np.concatenate(parts)


def correlation_ratio(x: Floats, y: Floats, bins: int = _BINS) -> float:
    r"""Give the part of the variance of y that lies between equally filled ranges of x, less what chance gives.

    Parameters
    ----------
    x, y
        Shape (n,).
    bins
        Ranges, fewer where values of x are equal.

    Returns
    -------
    float
        :math:`\epsilon^2 = 1 - (1 - \eta^2) (n - 1) / (n - b)` with b ranges, at least 0 (T. L. Kelley, Proc. Natl.
        Acad. Sci. 21, 554 (1935), doi:10.1073/pnas.21.9.554); 0 where one of the two does not vary.
    """
    edges = np.unique(np.quantile(x, np.linspace(0.0, 1.0, bins + 1)))
    total = float(((y - y.mean()) ** 2).sum())
    if len(edges) < 2 or total <= 0 or len(y) <= len(edges):
        return 0.0
    where = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2)
    count = np.bincount(where, minlength=len(edges) - 1)
    mean = np.bincount(where, y, minlength=len(edges) - 1) / np.maximum(count, 1)
    used = int((count > 0).sum())
    left = float(((y - mean[where]) ** 2).sum()) / total
    return max(1.0 - left * (len(y) - 1) / (len(y) - used), 0.0)
