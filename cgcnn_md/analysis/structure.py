"""What surrounds the atoms of each cluster: radial distribution functions and first shells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.analysis.contacts import bound, casts_shadow, in_contact
from cgcnn_md.analysis.samples import LabelledFrame
from cgcnn_md.analysis.shells import Shell, first_shell
from cgcnn_md.frame import Floats, Ints

if TYPE_CHECKING:
    import pandas as pd

_MOSTLY = 0.5  # of a shell in contact: the most of it
_TELLING = 3  # numbers that tell clusters apart, at most
_DIFFERENT = 0.5  # neighbours by which two clusters differ
_RARE = 0.25  # mean number below which a difference is no clearer for being rarer
_TESTED = 20  # atoms per cluster and frame whose neighbours are told to be in contact or not
_SMALL_BOX = 6.0  # Å; periodic images are counted one by one, so a small box may be seen past its half


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
        Kinds of neighbours: species, and of which molecule where there are several kinds of these ("O of PEO").
    values
        g(r) or density in Å⁻³, shape (n_clusters, n_neighbours, n_bins); nan where nothing was sampled.
    per_centre
        Mean neighbours per bin and centre, same shape.
    members
        Atoms of each cluster in all sampled frames, shape (n_clusters,).
    shells
        First shell of every (centre species, kind of neighbour), over all clusters of that species.
    contact
        Share of each of these shells that is in direct contact with its centre, nan where there is no shell.
    """

    kind: Literal["g", "density"]
    edges: Floats
    clusters: Ints
    centres: tuple[str, ...]
    neighbours: tuple[str, ...]
    values: Floats
    per_centre: Floats
    members: Floats
    shells: dict[tuple[str, str], Shell | None]
    contact: dict[tuple[str, str], float]

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
        """Give mean neighbours in the first shell: coordination_<kind>; nan where there is none in contact.

        Kinds that are in contact with no species have no column.
        """
        import pandas as pd

        table: dict[str, object] = {"cluster": self.clusters}
        inside = self.in_contact()
        for n, name in enumerate(self.neighbours):
            numbers = np.full(len(self.clusters), np.nan)
            for c, centre in enumerate(self.centres):
                if (centre, name) in inside:
                    numbers[c] = self.per_centre[c, n, : inside[centre, name].n_bins].sum()
            if any(name == other for _, other in inside):
                table[f"coordination_{name}"] = numbers
        return pd.DataFrame(table)

    def in_contact(self) -> dict[tuple[str, str], Shell]:
        """Give the first shells of which most is in direct contact with its centre, by (species, kind)."""
        return {
            pair: shell for pair, shell in self.shells.items() if shell is not None and self.contact[pair] > _MOSTLY
        }

    def telling(self) -> dict[str, list[tuple[str, float]]]:
        """Give, for every species of several clusters, kinds of neighbours and radii in Å that tell them apart.

        Of all kinds and radii up to 6 Å, first those where the variance between clusters of the mean number within is
        largest, in units of the mean, which is the variance of a number that chance makes; then, while there are
        clusters whose numbers differ by less than one half, those that do the same for the pairs of them. This finds
        what no contact shows, such as the ion behind the atom that holds it.
        """
        found: dict[str, list[tuple[str, float]]] = {}
        for species in sorted(set(self.centres) - {""}):
            mine = [c for c, centre in enumerate(self.centres) if centre == species]
            inside = np.cumsum(self.per_centre[mine][..., self.edges[1:] <= _SMALL_BOX + 1e-9], axis=2)
            if len(mine) < 2 or not np.isfinite(inside).any():
                continue
            weight = self.members[mine] / self.members[mine].sum()
            pairs = np.array(list(combinations(range(len(mine)), 2)))
            # summed over all pairs this is the variance between clusters
            apart = (weight[pairs].prod(axis=1)[:, None, None] * (inside[pairs[:, 0]] - inside[pairs[:, 1]]) ** 2) / (
                np.maximum((weight[:, None, None] * inside).sum(axis=0), _RARE)
            )
            alike = np.ones(len(pairs), dtype=bool)
            found[species] = []
            while alike.any() and len(found[species]) < _TELLING:
                clear = np.nan_to_num(apart[alike].sum(axis=0), nan=-1.0)
                kind, place = np.unravel_index(int(clear.argmax()), clear.shape)
                differ = np.abs(np.diff(inside[:, kind, place][pairs], axis=1)[:, 0]) >= _DIFFERENT
                if found[species] and not (differ & alike).any():
                    break
                found[species].append((self.neighbours[kind], float(self.edges[place + 1])))
                alike &= ~differ
        return found

    def cutoffs(self) -> pd.DataFrame:
        """Give the radius in Å of every first shell: species, neighbour, cutoff; nan where none is clear."""
        import pandas as pd

        rows = [(a, b, np.nan if shell is None else shell.cutoff) for (a, b), shell in self.shells.items()]
        return pd.DataFrame(rows, columns=["species", "neighbour", "cutoff"])


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
    the box. Neighbours at most three bonds away are left out. Periodic images are put in place one by one, so any
    cell and any periodic directions are right. The range ends at half the smallest height of the box (or at 6 Å,
    where that is more).

    Parameters
    ----------
    samples
        Frames with labels, of one system or several; species and molecules are told apart by name.
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
    watched: dict[int, Floats] = {}
    species: dict[str, None] = {}
    rng = np.random.default_rng(seed)
    boxed = True
    for sample in samples:
        boxed &= bool(sample.frame.pbc.all())
        species.update(dict.fromkeys(sample.kinds()[0]))
        _add_frame(sums, watched, sample, edges, centres, rng)
    return _result(sums, watched, edges, tuple(sorted(species)), n_clusters, "g" if boxed else "density")


class _Sums:
    """Running sums of one (cluster, its species, neighbour species), per bin."""

    def __init__(self, n_bins: int) -> None:
        # pairs that were seen, around the sampled centres
        self.seen = np.zeros(n_bins)
        # each sampled centre standing for its share of the cluster, so that every atom counts alike whatever the size
        # of its frame: pairs; centres whose frame reaches the bin; these times the density
        self.pairs, self.centres, self.density = np.zeros((3, n_bins))
        # of some centres: pairs, and those in contact
        self.tested, self.touching = np.zeros((2, n_bins))

    def add(self, pairs: Floats, reached: NDArray[np.bool_], n: int, members: int, density: float) -> None:
        """Add what n sampled centres of a cluster with so many members see in one frame."""
        self.seen += np.where(reached, pairs, 0)
        self.pairs += np.where(reached, pairs, 0) * (members / n)
        self.centres += reached * float(members)
        self.density += reached * members * density


def _add_frame(
    sums: dict[tuple[int, str, str], _Sums],
    watched: dict[int, Floats],
    sample: LabelledFrame,
    edges: Floats,
    most: int,
    rng: np.random.Generator,
) -> None:
    """Add the pairs around some atoms of every cluster in one frame, and how many atoms of it reach each bin."""
    from cgcnn_md.analysis.images import box_heights

    frame = sample.frame
    heights = box_heights(frame.cell, frame.pbc)
    limit = min(edges[-1], max(heights.min(initial=np.inf) / 2, _SMALL_BOX))
    reached = edges[1:] <= limit + 1e-9
    volume = abs(float(np.linalg.det(frame.cell))) if frame.pbc.all() else np.nan
    (names, kind), shadow = sample.kinds(), casts_shadow(sample)
    density = np.bincount(kind, minlength=len(names)) / volume
    for mine, row, other, vector in sample.around(most, limit, rng):
        bins = np.minimum(np.linalg.norm(vector, axis=1) / (edges[1] - edges[0]), len(edges) - 2).astype(np.int64)
        free = ~bound(sample, mine, row, other)
        tested = row % -(-len(mine) // _TESTED) == 0
        touching = np.zeros_like(free)
        # what a group is bonded to is its rim, and not in the way
        dark = shadow[other] & (free | (sample.molecules is None or not sample.molecules.grouped))
        touching[tested] = in_contact(row[tested], vector[tested], dark[tested])
        flat = kind[other] * len(reached) + bins
        seen, known, near = (
            np.bincount(flat[which], minlength=len(names) * len(reached)).reshape(len(names), -1)
            for which in (free, free & tested, free & touching)
        )
        cluster, centre = int(sample.labels[mine[0]]), sample.species[int(frame.species[mine[0]])]
        members = int((sample.labels == cluster).sum())
        watched[cluster] = watched.get(cluster, np.zeros(len(reached))) + reached * float(members)
        for code, name in enumerate(names):
            entry = sums.setdefault((cluster, centre, name), _Sums(len(reached)))
            entry.add(seen[code].astype(np.float64), reached, len(mine), members, float(density[code]))
            entry.tested += known[code] * (members / len(mine))
            entry.touching += near[code] * (members / len(mine))


def _result(
    sums: dict[tuple[int, str, str], _Sums],
    watched: dict[int, Floats],
    edges: Floats,
    neighbours: tuple[str, ...],
    n_clusters: int | None,
    kind: Literal["g", "density"],
) -> ClusterRdf:
    """Divide the sums: around atoms of a system that lacks a kind altogether there is none of it."""
    ids = np.arange(1 + max((c for c, _, _ in sums), default=-1) if n_clusters is None else n_clusters)
    centres = tuple(next((s for c, s, _ in sums if c == i), "") for i in ids)
    shape = (len(ids), len(neighbours), len(edges) - 1)
    values, per_centre = np.full(shape, np.nan), np.full(shape, np.nan)
    volumes = 4 / 3 * np.pi * np.diff(edges**3)
    members = np.zeros(len(ids))
    shells: dict[tuple[str, str], Shell | None] = {}
    contact: dict[tuple[str, str], float] = {}
    for cluster, count in watched.items():
        members[cluster] = count.max()
        per_centre[cluster] = np.where(count > 0, 0.0, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        for (cluster, _, name), s in sums.items():
            place = cluster, neighbours.index(name)
            per_centre[place] = s.pairs / watched[cluster]
            values[place] = s.pairs / volumes / (s.density if kind == "g" else watched[cluster])
        for pair in sorted({(centre, name) for _, centre, name in sums}):
            parts = [s for (_, centre, name), s in sums.items() if (centre, name) == pair]
            below = np.sum([s.density if kind == "g" else s.centres for s in parts], axis=0)
            total = np.sum([s.pairs for s in parts], axis=0) / volumes / below
            shell = shells[pair] = first_shell(total, np.sum([s.seen for s in parts], axis=0), edges)
            inside = slice(0, 0 if shell is None else shell.n_bins)
            near = np.sum([s.touching[inside].sum() for s in parts])
            contact[pair] = float(near / np.sum([s.tested[inside].sum() for s in parts]))
    return ClusterRdf(kind, edges, ids, centres, neighbours, values, per_centre, members, shells, contact)
