"""What is around the atoms of each cluster, counted atom by atom: contacts, molecules, density, bond order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from cgcnn_md.analysis.bond_order import ORDERS, bond_order
from cgcnn_md.analysis.bootstrap import Units, grouped, interval, joined
from cgcnn_md.analysis.contacts import bonded_to, bound, molecules_touched
from cgcnn_md.analysis.samples import LabelledFrame
from cgcnn_md.analysis.structure import ClusterRdf
from cgcnn_md.analysis.torsions import TorsionCounter
from cgcnn_md.frame import Floats, Ints

if TYPE_CHECKING:
    import pandas as pd

_BLOCKS = 10  # of the sampled frames of a system
_CROWD = 30.0  # atoms in the sphere that local density is counted in, on average


class Quantity(NamedTuple):
    """Something that is measured around an atom.

    Parameters
    ----------
    role
        "neighbour" (of a kind, in contact), "bonded" (of a species), "molecule" (distinct ones with an atom in
        contact), "within" (of a kind, within the radius that tells clusters apart), "torsion" (gauche ones),
        "density" (atoms per Å³) or "order" (averaged bond order).
    name
        Kind, species, kind of molecule, or what it is.
    """

    role: Literal["neighbour", "bonded", "molecule", "within", "torsion", "density", "order"]
    name: str

    @property
    def counted(self) -> bool:
        """Whether it is a whole number."""
        return self.role in ("neighbour", "bonded", "molecule", "within")

    @property
    def of_all(self) -> bool:
        """Whether it is none, and not unknown, around atoms of a system that lacks it."""
        return self.counted or self.role == "torsion"

    @property
    def text(self) -> str:
        """How tables and figures call it: "O of PEO", "bonded F", "molecules of PEO", "Li within 3.45 Å"."""
        if self.role == self.name == "molecule":  # of any kind, where these are too many
            return "molecules"
        before = {"bonded": "bonded ", "molecule": "molecules of ", "order": "Steinhardt "}
        return before.get(self.role, "") + self.name


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Numbers around sampled atoms.

    Parameters
    ----------
    quantities
        What the columns of `values` are.
    cluster, system, block, run, body
        Cluster, system, block of time, run and independent body (molecule, or atom alone) of every row, shape (n,).
    weight
        Atoms that a row stands for: those of its cluster in its frame, by those of them that were drawn, shape (n,).
    values
        One row an atom in a frame; nan where the quantity is not defined for its species.
    species
        Species of every cluster that was seen.
    distance
        First peak in Å of every (species, kind of neighbour in contact).
    """

    quantities: tuple[Quantity, ...]
    cluster: Ints
    system: Ints
    block: Ints
    run: Ints
    body: Ints
    weight: Floats
    values: Floats
    species: dict[int, str]
    distance: dict[tuple[str, str], float]

    def means(self, seed: int = 0) -> pd.DataFrame:
        """Give means with 95 % intervals over blocks of time, molecules or runs, whichever are widest.

        Returns
        -------
        pandas.DataFrame
            Columns cluster, species, role, name, mean, low, high, spread (standard deviation over atoms and frames).
        """
        import pandas as pd

        rng = np.random.default_rng(seed)
        rows: list[tuple[object, ...]] = []
        for cluster, species in self.species.items():
            mine = np.flatnonzero(self.cluster == cluster)
            defined = np.flatnonzero(np.isfinite(self.values[mine[0]]))
            values, weight = self.values[mine][:, defined], self.weight[mine]
            mean = np.average(values, axis=0, weights=weight)
            ways = [self._units(mine, values, unit, rng) for unit in (self.body, self.block, self.run)]
            low, high = interval(ways, mean, rng)
            spread = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weight))
            rows += [
                (cluster, species, *self.quantities[q], *map(float, numbers))
                for q, *numbers in zip(defined, mean, np.maximum(low, 0), high, spread)
            ]
        return pd.DataFrame(rows, columns=["cluster", "species", "role", "name", "mean", "low", "high", "spread"])

    def _units(self, mine: Ints, values: Floats, unit: Ints, rng: np.random.Generator) -> list[Units]:
        """Add up what belongs to one unit, in every system."""
        systems = []
        for system in np.unique(self.system[mine]):
            here = self.system[mine] == system
            weight = self.weight[mine][here]
            rows = values[here] * weight[:, None], weight
            systems.append(grouped(joined(rows, unit[mine][here]), rng))
        return systems

    def histograms(self) -> pd.DataFrame:
        """Give how often every number is found: cluster, species, neighbour, n, share."""
        import pandas as pd

        rows = []
        for cluster, species in self.species.items():
            mine = self.cluster == cluster
            values, weight = self.values[mine], self.weight[mine]
            for q, quantity in enumerate(self.quantities):
                if quantity.of_all and np.isfinite(values[0, q]):
                    share = np.bincount(np.rint(values[:, q]).astype(np.int64), weights=weight) / weight.sum()
                    rows += [(cluster, species, quantity.text, n, x) for n, x in enumerate(share.tolist())]
        return pd.DataFrame(rows, columns=["cluster", "species", "neighbour", "n", "share"])


def look_around(
    systems: Iterable[Iterable[LabelledFrame]], rdf: ClusterRdf, *, centres: int = 200, seed: int = 0
) -> Surroundings:
    """Count what is around atoms of each cluster.

    Neighbours count inside the first minimum of their distribution, and only kinds of which most of this shell is
    in direct contact (`contacts.in_contact`). Local density is that of a sphere, the atom included, whose radius
    holds 30 others on average over clusters. Bond order is told where atoms of one species are in contact.

    Parameters
    ----------
    systems
        Frames with labels, of every system.
    rdf
        What `rdf_by_cluster` made of the same frames.
    centres
        Atoms looked at per cluster and frame, drawn at random.
    seed
        Seed of the draw.
    """
    shells = rdf.in_contact()
    cutoff = {pair: shell.cutoff for pair, shell in shells.items()}
    counter = _Counter(cutoff, rdf.telling(), _radius(rdf), centres, np.random.default_rng(seed))
    for number, frames in enumerate(systems):
        counter.start(number)
        for sample in frames:
            counter.add(sample)
        counter.cut()
    return counter.result({pair: shell.peak for pair, shell in shells.items()})


def _radius(rdf: ClusterRdf) -> float:
    """Give the radius of a sphere that holds so many neighbours on average; nan where it is out of reach."""
    if not len(rdf.clusters):
        return float("nan")
    seen = [c for c, centre in enumerate(rdf.centres) if centre]
    around = np.cumsum(np.nansum(rdf.per_centre[seen], axis=1).mean(axis=0))
    known = np.isfinite(rdf.per_centre[seen]).any(axis=(0, 1))
    enough = np.flatnonzero((around >= _CROWD) & known)
    return float(rdf.edges[enough[0] + 1]) if len(enough) else float("nan")


class _Counter:
    """Collects numbers frame by frame."""

    def __init__(
        self, cutoff: dict[tuple[str, str], float], telling: dict[str, list[tuple[str, float]]], radius: float,
        centres: int, rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self.cutoff, self.telling, self.radius, self.centres, self.rng = cutoff, telling, radius, centres, rng
        self.reach = max(
            [*cutoff.values(), *(r for told in telling.values() for _, r in told), np.nan_to_num(radius)], default=0.0
        )
        self.rows: list[tuple[int, int, int, int, float, Ints, dict[Quantity, Floats]]] = []
        self.species: dict[int, str] = {}
        self.blocks: list[Ints] = []
        self.system = self.frame = 0
        self.torsions = TorsionCounter()
        self.gauche: dict[str, Floats] = {}

    def start(self, system: int) -> None:
        """Begin a system."""
        self.system, self.frame = system, 0

    def cut(self) -> None:
        """End a system: its frames are cut into blocks."""
        self.blocks.append(np.arange(self.frame) * _BLOCKS // max(self.frame, _BLOCKS))

    def add(self, sample: LabelledFrame) -> None:
        """Count around some atoms of every cluster in one frame."""
        self.gauche = self.torsions.gauche(sample)
        for mine, row, other, vector in sample.around(self.centres, self.reach, self.rng):
            cluster = int(sample.labels[mine[0]])
            self.species[cluster] = sample.species[int(sample.frame.species[mine[0]])]
            found = self._numbers(sample, self.species[cluster], mine, row, other, np.linalg.norm(vector, axis=1))
            share = float((sample.labels == cluster).sum() / len(mine))
            self.rows.append((cluster, self.system, self.frame, sample.frame.run, share, sample.body(mine), found))
        self.frame += 1

    def _numbers(
        self, sample: LabelledFrame, species: str, mine: Ints, row: Ints, other: Ints, distance: Floats
    ) -> dict[Quantity, Floats]:
        """Count around atoms of one cluster."""
        names, kind = sample.kinds()
        limit = np.array([self.cutoff.get((species, name), -1.0) for name in names])
        free = ~bound(sample, mine, row, other)
        near = (distance < limit[kind[other]]) & free
        found = {
            Quantity("neighbour", name): np.bincount(row[near & (kind[other] == code)], minlength=len(mine))
            for code, name in enumerate(names)
            if limit[code] > 0
        }
        if found:
            touched = molecules_touched(sample, mine, row[near], other[near])
            found |= {Quantity("molecule", name): count for name, count in touched.items()}
        found |= {Quantity("bonded", name): count for name, count in bonded_to(sample, mine).items()}
        for name, radius in self.telling.get(species, []):
            if name in names:
                inside = row[free & (distance < radius) & (kind[other] == names.index(name))]
                found[Quantity("within", f"{name} within {radius:.2f} Å")] = np.bincount(inside, minlength=len(mine))
        numbers = {quantity: value.astype(np.float64) for quantity, value in found.items()}
        gauche = {Quantity("torsion", name): count[mine] for name, count in self.gauche.items()}
        numbers |= {quantity: count for quantity, count in gauche.items() if np.isfinite(count[0])}
        if np.isfinite(self.radius):
            inside = np.bincount(row[distance < self.radius], minlength=len(mine))
            numbers[Quantity("density", "density")] = (inside + 1) / (4 / 3 * np.pi * self.radius**3)
        if (like := self.cutoff.get((species, species))) is not None:
            q = bond_order(sample.frame, mine, like)
            numbers |= {Quantity("order", f"q{order}"): q[:, i] for i, order in enumerate(ORDERS)}
        return numbers

    def result(self, distance: dict[tuple[str, str], float]) -> Surroundings:
        """Put everything into one table."""
        order = ("neighbour", "molecule", "bonded", "within", "torsion", "density", "order")
        found = {quantity for *_, numbers in self.rows for quantity in numbers}
        quantities = tuple(sorted(found, key=lambda quantity: (order.index(quantity.role), quantity.name)))
        place = {quantity: column for column, quantity in enumerate(quantities)}
        sizes = [len(body) for *_, body, _ in self.rows]
        values = np.full((sum(sizes), len(quantities)), np.nan)
        of_species: dict[str, set[Quantity]] = {}
        for cluster, *_, numbers in self.rows:
            of_species.setdefault(self.species[cluster], set()).update(q for q in numbers if q.of_all)
        start = 0
        for (cluster, *_, numbers), size in zip(self.rows, sizes):
            rows = slice(start, start + size)
            start += size
            # what a system lacks altogether is not around its atoms
            values[rows, [place[quantity] for quantity in of_species[self.species[cluster]]]] = 0
            for quantity, value in numbers.items():
                values[rows, place[quantity]] = value
        blocks = [self.blocks[system][frame] for _, system, frame, *_ in self.rows]
        heads = [(row[0], row[1], block, row[3]) for row, block in zip(self.rows, blocks)]
        cluster, system, block, run = np.repeat(np.array(heads, dtype=np.int64).reshape(-1, 4), sizes, axis=0).T
        weight = np.repeat(np.array([row[4] for row in self.rows], dtype=np.float64), sizes)
        body = np.concatenate([np.zeros(0, dtype=np.int64), *(row[5] for row in self.rows)])
        species = dict(sorted(self.species.items()))
        return Surroundings(quantities, cluster, system, block, run, body, weight, values, species, distance)
