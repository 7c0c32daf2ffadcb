"""Whether populations drift along a run, its first third against its last, or differ from run to run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cgcnn_md.analysis.census import Census
from cgcnn_md.frame import Floats, Ints

_BLOCKS = 5  # of each third
_SIGMAS = 3.0
_APART = 4.0  # the same for runs, of which the two that differ most are looked at
_LEAST = 0.02  # change of a share that is worth a word


@dataclass(frozen=True)
class Drift:
    """A population that changes along a run.

    Parameters
    ----------
    cluster
        Whose population.
    early, late
        Its share in the first and in the last third of the run.
    """

    cluster: int
    early: float
    late: float


@dataclass(frozen=True)
class Gap:
    """A population that differs between two runs of a system.

    Parameters
    ----------
    cluster
        Whose population.
    runs
        The run in which its share is least, and the one in which it is largest.
    shares
        Its share in these.
    """

    cluster: int
    runs: tuple[int, int]
    shares: tuple[float, float]


def drifts(census: Census, name: str, clusters: Ints) -> Iterator[Drift]:
    r"""Find the runs in which a population drifts; of each, give the cluster that does so most.

    The error of the difference between the thirds is the larger of two. One is that of blocks of time within each, for
    what all atoms do together. The other takes atoms as independent: N atoms of which n enter or leave the cluster
    along the run change its share by chance by :math:`\sqrt{2n/3}/N`, and by :math:`\sqrt{2p(1-p)/N}` at most.

    Parameters
    ----------
    census
        Counts of one system.
    name
        Group of atoms.
    clusters
        Clusters of the group.

    Yields
    ------
    Drift
        One a run at most.
    """
    if name not in census.species_names:
        return
    n_atoms = int((census.species == name).sum())
    code = census.species_names.index(name)
    moved = census.transitions.sum(axis=0) + census.transitions.sum(axis=1)
    for run in np.unique(census.run):
        rows = np.flatnonzero(census.run == run)
        third = len(rows) // 3
        if third < _BLOCKS:
            continue
        share = census.by_frame[rows, code][:, clusters] / n_atoms
        early, late = share[:third], share[-third:]
        mean = share.mean(axis=0)
        passed = moved[clusters] * len(rows) / len(census.run)
        of_atoms = np.minimum(2 / 3 * passed / n_atoms**2, 2 * mean * (1 - mean) / n_atoms)
        error = np.sqrt(np.maximum(_block_variance(early) + _block_variance(late), of_atoms))
        change = late.mean(axis=0) - early.mean(axis=0)
        known = (np.abs(change) > _LEAST) & (np.abs(change) > _SIGMAS * error)
        if known.any():
            most = int(np.argmax(np.where(known, np.abs(change), 0.0)))
            yield Drift(int(clusters[most]), float(early[:, most].mean()), float(late[:, most].mean()))


def gaps(census: Census, name: str, clusters: Ints) -> Iterator[Gap]:
    r"""Find the cluster whose population differs most between runs, if by more than chance.

    The variance of each run's share is the larger of two: that of blocks of time, and :math:`p(1-p)/N(1+m)`, of N
    independent atoms that enter or leave the cluster m times each along the run.

    Parameters
    ----------
    census
        Counts of one system.
    name
        Group of atoms.
    clusters
        Clusters of the group.

    Yields
    ------
    Gap
        One at most.
    """
    if name not in census.species_names:
        return
    n_atoms = int((census.species == name).sum())
    code = census.species_names.index(name)
    moved = (census.transitions.sum(axis=0) + census.transitions.sum(axis=1))[clusters] / n_atoms
    runs = [int(run) for run in np.unique(census.run) if (census.run == run).sum() >= _BLOCKS]
    if len(runs) < 2:
        return
    series = [census.by_frame[census.run == run, code][:, clusters] / n_atoms for run in runs]
    mean = np.stack([share.mean(axis=0) for share in series])
    all_over = np.clip(np.average(mean, axis=0, weights=[len(s) for s in series]), 0, 1)
    passed = np.asarray([len(s) for s in series])[:, None] * moved / len(census.run)
    variance = np.stack([_block_variance(share) for share in series])
    variance = np.maximum(variance, all_over * (1 - all_over) / (n_atoms * (1 + passed)))
    least, most, columns = mean.argmin(axis=0), mean.argmax(axis=0), np.arange(len(clusters))
    change = mean[most, columns] - mean[least, columns]
    error = np.sqrt(variance[most, columns] + variance[least, columns])
    known = (change > _LEAST) & (change > _APART * error)
    if known.any():
        k = int(np.argmax(np.where(known, change, 0.0)))
        low, high = int(least[k]), int(most[k])
        yield Gap(int(clusters[k]), (runs[low], runs[high]), (float(mean[low, k]), float(mean[high, k])))


def _block_variance(share: Floats) -> Floats:
    """Give the variance of the mean from that of blocks of time, shape (n_clusters,)."""
    means = np.stack([block.mean(axis=0) for block in np.array_split(share, _BLOCKS)])
    variance: Floats = means.var(axis=0, ddof=1) / _BLOCKS
    return variance
