"""How many atoms are in each cluster, how sure that is, and how long they stay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.analysis.bootstrap import Units, bodies, grouped, interval, joined
from cgcnn_md.analysis.census import Census, take_census
from cgcnn_md.frame import Floats, Ints
from cgcnn_md.store import Store

if TYPE_CHECKING:
    import pandas as pd

_BLOCKS = 20
_FEWEST_BLOCKS = 4


def populations(
    data: Store | Iterable[Store] | list[Census], *, n_clusters: int | None = None, seed: int = 0
) -> pd.DataFrame:
    r"""Give the population of every cluster with a 95 % interval, and its mean lifetime.

    The population is the share of the species' atom-frames that carry the label. Its interval comes from
    bootstraps over blocks of time (all atoms of a block together; blocks last at least two lifetimes where the
    trajectory is long enough, and never cross runs), over molecules (all frames of all its atoms together; an
    atom that is in none is one), and over runs where there are three or more; the widest, whose units are the
    coarsest, is reported, widened by Student's t for the number of units.

    The mean lifetime is the maximum-likelihood estimate for stays that are as likely to end after every frame and may
    be cut off by the ends of the trajectory, :math:`\tau = T / n`, with :math:`T` the time that atoms were watched in
    the cluster and :math:`n` how often one was seen to leave it; of exponential stays it is half a frame too long.
    Where none was seen to leave, it is infinite: the longest stay seen, `longest_stay_ps`, is then all that is known, a
    lower bound.

    Parameters
    ----------
    data
        Store or stores, or what `take_census` made of them.
    n_clusters
        Clusters over all systems; None to take the highest label found.
    seed
        Seed of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        Columns cluster, species, population, population_low, population_high, lifetime_ps, n_atom_frames,
        longest_stay_ps; one row per cluster. Times are nan where the time between frames is not known,
        limits are nan where there is one atom in one frame.
    """
    import pandas as pd

    counts = _census(data, n_clusters)
    total = sum((c.by_atom.sum(axis=0) for c in counts), np.zeros(_width(counts), dtype=np.int64))
    species = _species_of_clusters(counts)
    lifetime, longest = _lifetimes(counts)
    share, low, high = (np.full(len(total), np.nan) for _ in range(3))
    rng = np.random.default_rng(seed)
    for name in sorted(set(species) - {""}):
        mine = np.flatnonzero(species == name)
        share[mine], low[mine], high[mine] = _shares(counts, name, mine, rng)
    return pd.DataFrame(
        {
            "cluster": np.arange(len(total)),
            "species": species.astype(object),
            "population": np.where(total > 0, share, 0.0),
            "population_low": low,
            "population_high": high,
            "lifetime_ps": lifetime,
            "n_atom_frames": total,
            "longest_stay_ps": longest,
        }
    )


def populations_by_system(counts: list[Census], *, n_clusters: int, seed: int = 0) -> pd.DataFrame:
    """Give the population of every cluster in every system, with a 95 % interval as of `populations`.

    Parameters
    ----------
    counts
        What `take_census` made of the systems.
    n_clusters
        Clusters over all systems.
    seed
        Seed of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        Columns system, group, cluster, population, population_low, population_high, n_atom_frames; a row for each
        cluster of the groups that a system holds. Limits of a cluster that is not seen there are nan.
    """
    import pandas as pd

    group = _species_of_clusters(counts)
    parts = []
    for census in counts:
        table = populations([census], n_clusters=n_clusters, seed=seed)
        table.insert(0, "system", census.name)
        parts.append(table.assign(species=group)[np.isin(group, census.species_names)])
    columns = ["system", "group", "cluster", "population", "population_low", "population_high", "n_atom_frames"]
    return pd.concat(parts, ignore_index=True).rename(columns={"species": "group"})[columns]


def populations_in_time(
    data: Store | Iterable[Store] | list[Census], *, n_clusters: int | None = None, points: int = 200
) -> pd.DataFrame:
    """Give the population of every cluster along every run.

    Parameters
    ----------
    data
        Store or stores, or what `take_census` made of them.
    n_clusters
        Clusters over all systems; None to take the highest label found.
    points
        Longest series; longer runs are averaged over as many equal stretches.

    Returns
    -------
    pandas.DataFrame
        Columns system, run, frame (number in its file), time_ps, species, cluster, fraction; a row for each
        stretch and cluster whose species the system holds. The unlabelled make the rest up to 1.
    """
    import pandas as pd

    counts = _census(data, n_clusters)
    species = _species_of_clusters(counts)
    parts = []
    for census in counts:
        atoms = {name: int((census.species == name).sum()) for name in census.species_names}
        for run in np.unique(census.run):
            rows = np.flatnonzero(census.run == run)
            for stretch in np.array_split(rows, min(len(rows), points)):
                for code, name in enumerate(census.species_names):
                    mine = np.flatnonzero(species == name)
                    part = census.by_frame[stretch, code][:, mine].sum(axis=0) / (len(stretch) * atoms[name])
                    parts.append((census, int(run), stretch, name, mine, part))
    return pd.DataFrame(
        [
            (c.name, run, int(c.number[s[0]]), float(c.time[s].mean()), name, int(k), float(x))
            for c, run, s, name, mine, part in parts
            for k, x in zip(mine, part)
        ],
        columns=["system", "run", "frame", "time_ps", "species", "cluster", "fraction"],
    )


def _census(data: Store | Iterable[Store] | list[Census], n_clusters: int | None) -> list[Census]:
    """Count the labels unless that was done."""
    if isinstance(data, Store):
        return take_census(data, n_clusters=n_clusters)
    items = list(data)
    counts = [item for item in items if isinstance(item, Census)]
    return counts or take_census((s for s in items if isinstance(s, Store)), n_clusters=n_clusters)


def _width(counts: list[Census]) -> int:
    """Count the clusters."""
    return counts[0].n_clusters if counts else 0


def _species_of_clusters(counts: list[Census]) -> NDArray[np.str_]:
    """Name the species that carries each label; "" where no atom does."""
    names = sorted({name for c in counts for name in c.species_names})
    table = np.zeros((len(names), _width(counts)), dtype=np.int64)
    for census in counts:
        for code, name in enumerate(census.species_names):
            table[names.index(name)] += census.by_frame[:, code].sum(axis=0)
    best = np.asarray([*names, ""], dtype=np.str_)[table.argmax(axis=0) if names else slice(0)]
    return np.asarray(np.where(table.sum(axis=0) > 0, best, ""), dtype=np.str_)


def _lifetimes(counts: list[Census]) -> tuple[Floats, Floats]:
    """Mean lifetime and longest stay of every cluster in ps."""
    width = _width(counts)
    watched, longest, exits = np.zeros(width), np.zeros(width), np.zeros(width)
    for census in counts:
        if np.isfinite(census.dt):
            watched += census.at_risk * census.dt
            exits += census.exits
            longest = np.maximum(longest, census.longest * census.dt)
    with np.errstate(divide="ignore", invalid="ignore"):
        lifetime = np.where(watched > 0, watched / exits, np.nan)
    return lifetime, np.where(watched > 0, longest, np.nan)


def _shares(
    counts: list[Census], species: str, clusters: Ints, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Give the population of some clusters of one species, with the limits of its interval."""
    here = [c for c in counts if species in c.species_names and len(c.frames)]
    by_molecule = [grouped(_molecule_units(c, species, clusters), rng) for c in here]
    by_time, by_run = zip(*(_time_units(c, species, clusters) for c in here))
    share = _ratio(sum(n.sum(axis=0) for n, _ in by_molecule), sum(d.sum() for _, d in by_molecule))
    low, high = interval([by_molecule, list(by_time), list(by_run)], share, rng)
    return share, np.clip(low, 0, 1), np.clip(high, 0, 1)


def _molecule_units(census: Census, species: str, clusters: Ints) -> Units:
    """Every molecule is a unit: atoms of one move together."""
    mine = census.species == species
    atoms = census.by_atom[mine][:, clusters].astype(np.float64), np.full(int(mine.sum()), len(census.frames), float)
    return joined(atoms, bodies(census.molecule[mine]))


def _time_units(census: Census, species: str, clusters: Ints) -> tuple[Units, Units]:
    """Make units of blocks of time, long against the lifetimes if enough remain, and of the runs that they are of."""
    n = len(census.frames)
    with np.errstate(divide="ignore", invalid="ignore"):
        stay = census.at_risk[clusters] / census.exits[clusters]
    memory = 2 * np.max(stay, where=np.isfinite(stay), initial=0.0) if np.isfinite(stay).all() else n
    length = min(max(n / _BLOCKS, memory, 1.0), max(n / _FEWEST_BLOCKS, 1.0))
    code = census.species_names.index(species)
    rows = census.by_frame[:, code][:, clusters]
    blocks = [
        block
        for run in np.unique(census.run)
        for mine in [np.flatnonzero(census.run == run)]
        for block in np.array_split(mine, max(1, round(len(mine) / length)))
    ]
    atoms = int((census.species == species).sum())
    numerator = np.stack([rows[block].sum(axis=0) for block in blocks]).astype(np.float64)
    units = numerator, np.asarray([len(block) * atoms for block in blocks], dtype=np.float64)
    return units, joined(units, np.asarray([census.run[block[0]] for block in blocks]))


def _ratio(top: Floats | int, bottom: float) -> Floats:
    """Divide, nan where there is nothing."""
    return np.asarray(top, dtype=np.float64) / (bottom or np.nan)
