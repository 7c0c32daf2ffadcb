"""What surrounds the atoms of each cluster: radial distribution functions, and sampled frames with labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.analysis.shells import Shell, first_shell
from cgcnn_md.frame import Floats, Frame, Ints
from cgcnn_md.store import Store

if TYPE_CHECKING:
    import pandas as pd

_SMALL_BOX = 6.0  # Å; periodic images are counted one by one, so a small box may be seen past its half


@dataclass(frozen=True, eq=False)
class LabelledFrame:
    """A frame whose atoms carry cluster labels.

    Parameters
    ----------
    frame
        Snapshot.
    labels
        Cluster of every atom of the frame, -1 where there is none, shape (n_atoms,).
    species
        Names of the frame's species codes.
    """

    frame: Frame
    labels: Ints
    species: Sequence[str]


class FrameSource(Protocol):
    """What is asked of a reader."""

    species: tuple[str, ...]
    targets: Ints

    def frames(self, indices: Sequence[int]) -> Iterator[Frame]:
        """Yield frames in the order asked for."""


@dataclass(frozen=True, eq=False)
class ClusterRdf:
    """Pair distributions around the atoms of each cluster.

    Parameters
    ----------
    kind
        "g" where every frame is periodic in three directions: relative to the mean density of the neighbours.
        Else "density": neighbours per Å³, since a system without a box has no volume.
    edges
        Bin edges in Å, shape (n_bins + 1,).
    clusters, centres
        Cluster of each row and its species.
    neighbours
        Species of the neighbours.
    values
        g(r) or density in Å⁻³, shape (n_clusters, n_neighbours, n_bins); nan where nothing was sampled.
    per_centre
        Mean neighbours per bin and centre, same shape.
    shells
        First shell of every (centre species, neighbour species), over all clusters of that species.
    """

    kind: Literal["g", "density"]
    edges: Floats
    clusters: Ints
    centres: tuple[str, ...]
    neighbours: tuple[str, ...]
    values: Floats
    per_centre: Floats
    shells: dict[tuple[str, str], Shell | None]

    @property
    def r(self) -> Floats:
        """Bin centres in Å, shape (n_bins,)."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    def to_frame(self) -> pd.DataFrame:
        """Give a long table: cluster, species, neighbour, r, and g or density_per_A3."""
        import pandas as pd

        column = "g" if self.kind == "g" else "density_per_A3"
        grid = [(c, n) for c in range(len(self.clusters)) for n in range(len(self.neighbours))]
        parts = [
            pd.DataFrame(
                {
                    "cluster": int(self.clusters[c]),
                    "species": self.centres[c],
                    "neighbour": self.neighbours[n],
                    "r": self.r,
                    column: self.values[c, n],
                }
            )
            for c, n in grid
        ]
        if not parts:
            return pd.DataFrame(columns=["cluster", "species", "neighbour", "r", column])
        return pd.concat(parts, ignore_index=True)

    def coordination(self) -> pd.DataFrame:
        """Give mean neighbours in the first shell, nan where none is clear: coordination_<species>."""
        import pandas as pd

        table: dict[str, object] = {"cluster": self.clusters}
        for n, name in enumerate(self.neighbours):
            numbers = np.full(len(self.clusters), np.nan)
            for c, centre in enumerate(self.centres):
                shell = self.shells.get((centre, name))
                if shell is not None:
                    numbers[c] = self.per_centre[c, n, : shell.n_bins].sum()
            table[f"coordination_{name}"] = numbers
        return pd.DataFrame(table)

    def cutoffs(self) -> pd.DataFrame:
        """Give the radius in Å of every first shell: species, neighbour, cutoff; nan where none is clear."""
        import pandas as pd

        rows = [(a, b, np.nan if shell is None else shell.cutoff) for (a, b), shell in self.shells.items()]
        return pd.DataFrame(rows, columns=["species", "neighbour", "cutoff"])


def sample_frames(reader: FrameSource, store: Store, n_frames: int | None = None) -> Iterator[LabelledFrame]:
    """Yield labelled frames, evenly spaced over what is done and holds a label.

    Parameters
    ----------
    reader
        The reader that the store was made from.
    store
        Its labels.
    n_frames
        Frames; None for 20, and up to 200 where there are few atoms to look at.

    Yields
    ------
    LabelledFrame
        A frame with the labels of its targets.
    """
    labelled = [unit.start + np.flatnonzero((store.clusters(unit) >= 0).any(axis=1)) for unit in store.done_units()]
    done = np.concatenate([np.zeros(0, dtype=np.int64), *labelled])
    if n_frames is None:
        n_frames = int(np.clip(4000 // max(store.n_atoms, 1), 20, 200))
    picked = [int(part[len(part) // 2]) for part in np.array_split(done, n_frames) if len(part)]
    for index, frame in zip(picked, reader.frames(picked), strict=True):
        labels = np.full(len(frame), -1, dtype=np.int64)
        labels[reader.targets] = store.clusters(index)
        yield LabelledFrame(frame, labels, reader.species)


def rdf_by_cluster(
    samples: Iterable[LabelledFrame],
    *,
    n_clusters: int | None = None,
    rmax: float = 10.0,
    width: float = 0.05,
    centres: int = 200,
    seed: int = 0,
) -> ClusterRdf:
    r"""Measure what surrounds the atoms of each cluster.

    With :math:`n_{cs}(r)` the mean number of atoms of species s in the shell of volume V(r) around an atom of
    cluster c, :math:`g_{cs}(r) = n_{cs}(r) / (\rho_s V(r))`, :math:`\rho_s` the species' number density in
    the box. Periodic images are put in place one by one, so any cell and any periodic directions are
    right. The range ends at half the smallest height of the box (or at 6 Å, where that is more).

    Parameters
    ----------
    samples
        Frames with labels, of one system or several; species are told apart by name.
    n_clusters
        Rows of the result; None for the highest label found.
    rmax
        Largest distance in Å.
    width
        Bin width in Å.
    centres
        Atoms looked at per cluster and frame, drawn at random.
    seed
        Seed of the draw.

    Returns
    -------
    ClusterRdf
        Distributions, and the first shells from which coordination follows.
    """
    edges: Floats = np.arange(round(rmax / width) + 1, dtype=np.float64) * width
    sums: dict[tuple[int, str, str], _Sums] = {}
    species: dict[str, None] = {}
    rng = np.random.default_rng(seed)
    boxed = True
    for sample in samples:
        boxed &= bool(sample.frame.pbc.all())
        species.update(dict.fromkeys(sample.species))
        _add_frame(sums, sample, edges, centres, rng)
    return _result(sums, edges, tuple(sorted(species)), n_clusters, "g" if boxed else "density")


class _Sums:
    """Running sums of one (cluster, its species, neighbour species), per bin."""

    def __init__(self, n_bins: int) -> None:
        # over the sampled centres: pairs; centres whose frame reaches the bin; these times the density
        self.pairs, self.centres, self.density = np.zeros((3, n_bins))
        # the same with every atom of the cluster counted, for the distribution over all clusters
        self.all_pairs, self.all_centres, self.all_density = np.zeros((3, n_bins))

    def add(self, pairs: Floats, reached: NDArray[np.bool_], n: int, members: int, density: float) -> None:
        """Add what n sampled centres of a cluster with so many members see in one frame."""
        self.pairs += np.where(reached, pairs, 0)
        self.centres += reached * n
        self.density += reached * n * density
        self.all_pairs += np.where(reached, pairs, 0) * (members / n)
        self.all_centres += reached * float(members)
        self.all_density += reached * members * density


def _add_frame(
    sums: dict[tuple[int, str, str], _Sums],
    sample: LabelledFrame,
    edges: Floats,
    most: int,
    rng: np.random.Generator,
) -> None:
    """Add the pairs around some atoms of every cluster in one frame."""
    from cgcnn_md.analysis.images import box_heights, pairs_around

    frame = sample.frame
    heights = box_heights(frame.cell, frame.pbc)
    limit = min(edges[-1], max(heights.min(initial=np.inf) / 2, _SMALL_BOX))
    reached = edges[1:] <= limit + 1e-9
    volume = abs(float(np.linalg.det(frame.cell))) if frame.pbc.all() else np.nan
    picked, members = [], {}
    for cluster in np.unique(sample.labels):
        if cluster >= 0:
            mine = np.flatnonzero(sample.labels == cluster)
            members[int(cluster)] = len(mine)
            picked.append(mine if len(mine) <= most else rng.choice(mine, most, replace=False))
    if not picked:
        return
    chosen = np.concatenate(picked)
    row, other, distance = pairs_around(frame, chosen, limit)
    bins = np.minimum((distance / (edges[1] - edges[0])).astype(np.int64), len(edges) - 2)
    n_bins, n_species = len(edges) - 1, len(sample.species)
    start = 0
    for mine in picked:
        cluster = int(sample.labels[mine[0]])
        of_cluster = (row >= start) & (row < start + len(mine))
        start += len(mine)
        flat = frame.species[other[of_cluster]].astype(np.int64) * n_bins + bins[of_cluster]
        counts = np.bincount(flat, minlength=n_species * n_bins).reshape(n_species, n_bins)
        centre = sample.species[int(frame.species[mine[0]])]
        for code, name in enumerate(sample.species):
            density = int((frame.species == code).sum()) / volume
            entry = sums.setdefault((cluster, centre, name), _Sums(n_bins))
            entry.add(counts[code].astype(np.float64), reached, len(mine), members[cluster], density)


def _result(
    sums: dict[tuple[int, str, str], _Sums],
    edges: Floats,
    neighbours: tuple[str, ...],
    n_clusters: int | None,
    kind: Literal["g", "density"],
) -> ClusterRdf:
    """Divide the sums."""
    ids = np.arange(1 + max((c for c, _, _ in sums), default=-1) if n_clusters is None else n_clusters)
    centres = tuple(next((s for c, s, _ in sums if c == i), "") for i in ids)
    shape = (len(ids), len(neighbours), len(edges) - 1)
    values, per_centre = np.full(shape, np.nan), np.full(shape, np.nan)
    volumes = 4 / 3 * np.pi * np.diff(edges**3)
    shells: dict[tuple[str, str], Shell | None] = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        for (cluster, _, name), s in sums.items():
            place = cluster, neighbours.index(name)
            per_centre[place] = s.pairs / s.centres
            values[place] = s.pairs / volumes / (s.density if kind == "g" else s.centres)
        for pair in sorted({(centre, name) for _, centre, name in sums}):
            parts = [s for (_, centre, name), s in sums.items() if (centre, name) == pair]
            below = np.sum([s.all_density if kind == "g" else s.all_centres for s in parts], axis=0)
            total = np.sum([s.all_pairs for s in parts], axis=0) / volumes / below
            shells[pair] = first_shell(total, np.sum([s.pairs for s in parts], axis=0), edges)
    return ClusterRdf(kind, edges, ids, centres, neighbours, values, per_centre, shells)
