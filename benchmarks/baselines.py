"""What others would do: SOAP, its average over neighbours, its slow coordinates, and Steinhardt's order parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import ase
import freud
import numpy as np
from deeptime.decomposition import TICA
from labelled import Points
from scipy.sparse import csr_matrix
from scores import Vectors, by_mixtures
from sklearn.decomposition import PCA
from vesin import NeighborList

from cgcnn_md.frame import Floats, Frame, Ints
from cgcnn_md.readers import Reader

REACH = 5.0  # Å
FEATURES = 16  # as many as cgcnn_md stores
_CLUSTERED = 4  # components of SOAP that mixtures are sought in: in all 16 they split what varies least
_BEFORE_TICA = 64  # principal components, as many as the encoder has features
_SURVIVE = 0.3  # autocorrelation of a slow coordinate that is clustered in, as in cgcnn_md
_NEIGHBOURS = 12

Describe = Callable[[ase.Atoms, Ints], Floats]


def along(points: Points, readers: Sequence[Reader], describe: Describe, *, later: int = 0) -> Floats:
    """Describe every point's atom, so many frames later; shape (n_points, n_features)."""
    table = sorted(set().union(*(reader.species for reader in readers)))
    parts = []
    for b, reader in enumerate(readers):
        # the descriptors want elements and only tell them apart: any number a species will do
        numbers = np.array([1 + table.index(s) for s in reader.species])
        mine = np.flatnonzero(points.box == b)
        groups = [(f, [int(i) for i in rows]) for f, rows in groupby(mine, key=lambda i: int(points.frame[i]))]
        frames = reader.frames([f + later for f, _ in groups])
        for (_, rows), frame in zip(groups, frames, strict=True):
            parts.append(describe(as_atoms(frame, numbers), reader.targets[points.atom[rows]]))
    return np.concatenate(parts)


def as_atoms(frame: Frame, numbers: Ints) -> ase.Atoms:
    """Give a frame as wrapped ASE atoms."""
    atoms = ase.Atoms(numbers[frame.species], frame.positions, cell=frame.cell, pbc=frame.pbc)
    atoms.wrap()
    return atoms


def soap(n_species: int) -> Describe:
    """Make SOAP of some atoms, all species in the density."""
    from dscribe.descriptors import SOAP

    made = SOAP(species=range(1, n_species + 1), r_cut=REACH, n_max=6, l_max=6, periodic=True, dtype="float32")
    return lambda atoms, centres: made.create(atoms, centers=[int(c) for c in centres])


def averaged(describe: Describe) -> Describe:
    """Average a descriptor over each atom and all its neighbours; the atom's own comes first."""
    lists = NeighborList(cutoff=REACH, full_list=True)

    def both(atoms: ase.Atoms, centres: Ints) -> Floats:
        i, j = lists.compute(points=atoms.positions, box=atoms.cell[:], periodic=True, quantities="ij")
        row = np.full(len(atoms), -1)
        row[centres] = np.arange(len(centres))
        keep = row[i] >= 0
        needed, column = np.unique(np.concatenate([centres, j[keep].astype(np.int64)]), return_inverse=True)
        rows = np.concatenate([np.arange(len(centres)), row[i[keep]]])
        sums = csr_matrix((np.ones(len(rows), np.float32), (rows, column)), (len(centres), len(needed)))
        values = describe(atoms, needed)
        mean = (sums @ values) / np.asarray(sums.sum(axis=1))
        return np.concatenate([values[column[: len(centres)]], mean], axis=1)

    return both


def steinhardt(atoms: ase.Atoms, centres: Ints) -> Floats:
    """Give the averaged q4 and q6 (Lechner and Dellago) of some atoms, from the 12 nearest of all atoms."""
    cell, _ = atoms.cell.standard_form()
    box = freud.box.Box.from_matrix(cell[:].T)
    places = box.wrap(atoms.get_scaled_positions() @ cell[:])
    order = freud.order.Steinhardt(l=[4, 6], average=True)
    order.compute((box, places), neighbors={"num_neighbors": _NEIGHBOURS, "exclude_ii": True})
    # an atom of a vapour may have no neighbour within half a box
    return np.nan_to_num(np.asarray(order.particle_order, dtype=np.float64)[centres])


def slow(values: Floats, pairs: tuple[Floats, Floats]) -> Vectors:
    """Find slow coordinates of descriptors from pairs one lag apart."""
    reduced = PCA(_BEFORE_TICA, random_state=0).fit(values)
    scale = np.sqrt(reduced.explained_variance_[0])
    now, later = (reduced.transform(p).astype(np.float64) / scale for p in pairs)
    model = TICA(dim=FEATURES, scaling="kinetic_map").fit_from_timeseries((now, later)).fetch_model()
    kept = max(int((model.singular_values[:FEATURES] > _SURVIVE).sum()), 2)
    return by_mixtures(model.transform(reduced.transform(values).astype(np.float64) / scale), columns=kept)


def principal(values: Floats, *, columns: int | None = None, seed: int = 0) -> Vectors:
    """Reduce descriptors to principal components, and cluster in the first so many; None for all."""
    components = PCA(FEATURES, random_state=0).fit_transform(values).astype(np.float64)
    return by_mixtures(components, columns=columns, seed=seed)


def baselines(drawn: dict[str, Points], readers: Sequence[Reader], lag: int) -> Iterator[tuple[str, str, Vectors]]:
    """Give each method, species, and the vectors made of the species' points; `lag` in frames."""
    describe = soap(len(set().union(*(reader.species for reader in readers))))
    lengths = np.array([len(reader) for reader in readers])
    for species, points in drawn.items():
        raw, mean = np.split(along(points, readers, averaged(describe)), 2, axis=1)
        yield "SOAP", species, principal(raw, columns=_CLUSTERED)
        yield "averaged SOAP", species, principal(mean, columns=_CLUSTERED)
        paired = points.frame + lag < lengths[points.box]
        after = along(points.of(paired), readers, describe, later=lag)
        yield "SOAP + TICA", species, slow(raw, (raw[paired], after))
        yield "Steinhardt", species, by_mixtures(along(points, readers, steinhardt))
