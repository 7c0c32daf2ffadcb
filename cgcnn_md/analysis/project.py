"""Draw the embedding on a plane: which atom-frames to show and where they go; for looking, not clustering."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.frame import Floats, Ints
from cgcnn_md.store import Store

if TYPE_CHECKING:
    import pandas as pd

NEIGHBOURS = 30
MIN_DIST = 0.1

_FEWEST = 30  # distinct points below which UMAP has nothing to arrange


@dataclass(frozen=True, eq=False)
class Projection:
    """Plane coordinates and where they come from.

    Parameters
    ----------
    xy
        Coordinates, shape (n, 2).
    method
        "UMAP", or "PCA" where there are too few distinct points for UMAP.
    """

    xy: NDArray[np.float32]
    method: Literal["UMAP", "PCA"]


def project(
    features: NDArray[np.floating],
    *,
    seed: int = 0,
    n_neighbors: int = NEIGHBOURS,
    min_dist: float = MIN_DIST,
) -> Projection:
    """Lay points out on a plane so that close points stay close.

    UMAP (McInnes, Healy, Melville, arXiv:1802.03426) of the features as they are: their scale is
    kinetic and is kept. It starts from the first two principal components and runs in one thread, so that
    a seed gives the same picture, bit by bit. Neighbours are searched exactly by scikit-learn, which spares the half
    minute for which UMAP's own approximate search compiles.

    Parameters
    ----------
    features
        Points, shape (n, n_features); any n, and at least one feature. What is not finite counts as 0.
    seed
        Seed of the layout.
    n_neighbors
        Points that count as close.
    min_dist
        How tightly points may lie on the plane.

    Returns
    -------
    Projection
        Coordinates of every point, and the method that gave them.
    """
    points = np.nan_to_num(np.asarray(features, dtype=np.float32), posinf=0, neginf=0)
    start = _principal(points)
    if len(np.unique(points, axis=0)) < _FEWEST:
        return Projection(start, "PCA")
    n_neighbors = min(n_neighbors, len(points) - 1)
    model = _umap(
        n_neighbors=n_neighbors,
        min_dist=min_dist,
        random_state=seed,
        n_jobs=1,
        init=_spread(start, seed),
        precomputed_knn=_nearest(points, n_neighbors),
    )
    with _quiet():
        xy = np.asarray(model.fit_transform(points), dtype=np.float32)
    return Projection(xy, "UMAP")


def stratified_sample(data: Store | NDArray[np.integer], n: int, seed: int = 0) -> tuple[Ints, Ints]:
    """Draw atom-frames from every cluster, without repeats.

    Each cluster gives in proportion to the square root of its size, so that rare ones can be seen and
    common ones still look common; the unlabelled count as one more cluster.

    Parameters
    ----------
    data
        Store, of which only what is done and could be read is drawn, or labels of shape (n_frames, n_atoms).
    n
        Atom-frames; all of them where there are fewer.
    seed
        Seed of the draw.

    Returns
    -------
    frame, atom
        Places in the store, sorted by frame, then by atom.
    """
    blocks = [(unit.start, unit) for unit in data.done_units()] if isinstance(data, Store) else [(0, slice(None))]

    def read(where: slice) -> Ints:
        labels = data.clusters(where) if isinstance(data, Store) else np.asarray(data)
        codes = labels.astype(np.int64) + 1
        if isinstance(data, Store):
            empty = np.flatnonzero(~codes.any(axis=1))
            codes[[row for row in empty if data.is_hole(where.start + int(row))]] = -1
        return codes

    sizes = np.zeros(1, dtype=np.int64)
    for _, where in blocks:
        codes = read(where)
        counts = np.bincount(codes[codes >= 0], minlength=len(sizes))
        counts[: len(sizes)] += sizes
        sizes = counts
    rng = np.random.default_rng(seed)
    quota = _quotas(sizes, n)
    ranks = [np.sort(_choose(rng, int(size), int(q))) for size, q in zip(sizes, quota)]
    seen = np.zeros(len(sizes), dtype=np.int64)
    frames: list[Ints] = [np.zeros(0, dtype=np.int64)]
    atoms: list[Ints] = [np.zeros(0, dtype=np.int64)]
    for first, where in blocks:
        labels = read(where)
        flat = labels.ravel()
        for cluster in np.flatnonzero(quota):
            places = np.flatnonzero(flat == cluster)
            low, high = np.searchsorted(ranks[cluster], [seen[cluster], seen[cluster] + len(places)])
            taken = places[ranks[cluster][low:high] - seen[cluster]]
            seen[cluster] += len(places)
            frames.append(first + taken // labels.shape[1])
            atoms.append(taken % labels.shape[1])
    frame, atom = np.concatenate(frames), np.concatenate(atoms)
    order = np.lexsort((atom, frame))
    return frame[order], atom[order]


def gather(store: Store, frame: Ints, atom: Ints) -> NDArray[np.float32]:
    """Read the embedding of some atom-frames, unit by unit, shape (n, n_features)."""
    out = np.empty((len(frame), store.features), dtype=np.float32)
    unit = frame // store.unit_frames
    for number in np.unique(unit):
        mine = np.flatnonzero(unit == number)
        first, last = int(frame[mine].min()), int(frame[mine].max())
        out[mine] = store.embedding(slice(first, last + 1))[frame[mine] - first, atom[mine]]
    return out


def project_stores(stores: Store | Iterable[Store], *, points: int = 5000, seed: int = 0) -> pd.DataFrame:
    """Draw the map: sample every system and lay out each species on a plane of its own.

    Species do not share a plane because each has slow coordinates of its own; systems do share it.

    Parameters
    ----------
    stores
        One system or several.
    points
        Atom-frames over all of them.
    seed
        Seed of everything.

    Returns
    -------
    pandas.DataFrame
        Columns system, frame (place in the store), atom (likewise), species, x, y, cluster, method.
    """
    import pandas as pd

    systems = [stores] if isinstance(stores, Store) else list(stores)
    parts, features = [], []
    for store in systems:
        frame, atom = stratified_sample(store, -(-points // max(len(systems), 1)), seed)
        cluster = np.empty(len(frame), dtype=np.int16)
        for number in np.unique(frame):
            mine = frame == number
            cluster[mine] = store.clusters(int(number))[atom[mine]]
        features.append(gather(store, frame, atom))
        parts.append(
            pd.DataFrame(
                {
                    "system": store.name,
                    "frame": frame,
                    "atom": atom,
                    "species": store.species[atom].astype(object),
                    "x": np.float32(0),
                    "y": np.float32(0),
                    "cluster": cluster,
                    "method": "",
                }
            )
        )
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    table = table.astype({"x": np.float32, "y": np.float32})
    embedding = np.concatenate(features)
    for name in sorted(set(table["species"])):
        mine = np.flatnonzero(table["species"] == name)
        projection = project(embedding[mine], seed=seed)
        table.loc[mine, ["x", "y"]] = projection.xy
        table.loc[mine, "method"] = projection.method
    return table


def _quotas(sizes: Ints, n: int) -> Ints:
    """Share n draws among clusters by the square root of their sizes, none getting more than it has."""
    if sizes.sum() <= n:
        return sizes
    quota = np.zeros(len(sizes), dtype=np.int64)
    weight = np.sqrt(sizes)
    while (left := n - int(quota.sum())) > 0:
        open_ = quota < sizes
        share = np.where(open_, weight, 0) / weight[open_].sum() * left
        step = np.minimum(np.floor(share).astype(np.int64), sizes - quota)
        if step.sum() == 0:  # fewer draws left than clusters: the largest shares take one each
            step[np.argsort(-share, kind="stable")[:left]] = 1
        quota += np.minimum(step, sizes - quota)
    return quota


def _choose(rng: np.random.Generator, size: int, n: int) -> Ints:
    """Choose n of the numbers below size."""
    return np.asarray(rng.choice(size, n, replace=False, shuffle=False), dtype=np.int64)


def _principal(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Project on the first two principal components, with signs that do not depend on the machine."""
    centred = points.astype(np.float64) - (points.mean(axis=0, dtype=np.float64) if len(points) else 0)
    xy = np.zeros((len(points), 2), dtype=np.float32)
    if len(points):
        _, _, axes = np.linalg.svd(centred.T @ centred)
        axes = axes[:2] * np.sign(axes[:2][np.arange(len(axes[:2])), np.abs(axes[:2]).argmax(axis=1)])[:, None]
        xy[:, : len(axes)] = centred @ axes.T
    return xy


def _spread(xy: NDArray[np.float32], seed: int) -> Floats:
    """Bring a layout to the size that UMAP starts from, and part points that coincide."""
    size = np.abs(xy).max() or 1.0
    noise = np.random.default_rng(seed).normal(scale=1e-4, size=xy.shape)
    return np.asarray(10 * xy / size + noise, dtype=np.float32)


def _nearest(points: NDArray[np.float32], n: int) -> tuple[Ints, NDArray[np.float32], None]:
    """Give the n nearest points of each, itself first, as UMAP takes them: numbers, distances, and no index."""
    from sklearn.neighbors import NearestNeighbors

    distance, index = NearestNeighbors(n_neighbors=n).fit(points).kneighbors(points)
    return index.astype(np.int64), distance.astype(np.float32), None


def _umap(**settings: Any) -> Any:
    """Make the estimator; the import takes seconds."""
    with _quiet():
        from umap import UMAP

        return UMAP(**settings)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what umap says and nobody here can act on."""
    with warnings.catch_warnings():
        # umap/__init__.py: its neural variant is not used
        warnings.filterwarnings("ignore", message="Tensorflow not installed", category=ImportWarning)
        # umap_.py: a seed takes one thread, as asked
        warnings.filterwarnings("ignore", message="n_jobs value .* overridden", category=UserWarning)
        # umap_.py: no new points are placed on the finished picture
        warnings.filterwarnings("ignore", message=r"precomputed_knn\[2\]", category=UserWarning)
        # umap_.py: far groups that share no neighbour are what this picture is to show
        warnings.filterwarnings("ignore", message=".*not fully connected", category=UserWarning)
        yield
