"""What a result rests on, and what speaks against it, in numbers and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cgcnn_md.analysis.cautions import (
    Caution,
    of_coordinates,
    of_exchange,
    of_files,
    of_group,
    of_run,
    of_support,
    of_time,
)
from cgcnn_md.analysis.census import Census
from cgcnn_md.analysis.discovery import Discovery
from cgcnn_md.frame import Floats, Ints
from cgcnn_md.kinetic_map import KineticMap

SHOWN = 8  # warnings that are said; all are stored


@dataclass(frozen=True)
class GroupTrust:
    """What speaks for the clusters of one group.

    Parameters
    ----------
    group
        Species, or a group within it.
    n_coordinates
        Slow coordinates in which clusters were sought.
    effective_rank
        Number of coordinates that share the kinetic variance, see `effective_rank`.
    untrained, trained
        Kinetic variance that coordinates keep on unseen time, before and after training; None where not known.
    slowest
        Autocorrelation of the slowest coordinate of the time trained on, there and on unseen time; None if not known.
    agreement
        Share of the slow coordinates' variance that another start of training leads to as well; None where not known.
    stability, surrogates
        As in `Evidence`.
    """

    group: str
    n_coordinates: int
    effective_rank: float
    untrained: float | None
    trained: float | None
    slowest: tuple[float, float] | None
    agreement: float | None
    stability: float | None
    surrogates: int | None


@dataclass(frozen=True)
class Support:
    """What one cluster rests on.

    Parameters
    ----------
    cluster
        Its number.
    group
        Whose cluster it is.
    frames, atoms
        How many frames and atoms show it.
    entered, left
        Transitions into it and out of it.
    """

    cluster: int
    group: str
    frames: int
    atoms: int
    entered: int
    left: int


@dataclass(frozen=True)
class Trust:
    """What a result rests on.

    Parameters
    ----------
    groups
        What speaks for the clusters of each group.
    clusters
        What each cluster rests on.
    transitions
        From each cluster to each other.
    starts
        Held-out score of each start of training; empty for a single one.
    held_out
        Runs that were held out whole; empty where ends of runs were.
    warnings
        What speaks against the result, the gravest first.
    """

    groups: list[GroupTrust]
    clusters: list[Support]
    transitions: list[list[int]]
    starts: list[float]
    held_out: list[str]
    warnings: list[str]

    @property
    def sentences(self) -> list[str]:
        """What was held out whole, and the gravest warnings."""
        held = (
            [f"Training did not see {', '.join(self.held_out)}: scores are of what was held out."]
            if self.held_out
            else []
        )
        return held + [f"Caution: {warning}." for warning in self.warnings[:SHOWN]]

    def record(self) -> dict[str, Any]:
        """Give plain values."""
        return asdict(self)


def effective_rank(variances: Floats) -> float:
    """Give the exponential of the entropy of the shares of variance, 0 where there is none.

    O. Roy, M. Vetterli, Proc. EUSIPCO 2007, 606: n for n equal variances, 1 where one has all.
    """
    total = float(variances.sum())
    if not total > 0:
        return 0.0
    share = variances[variances > 0] / total
    return float(np.exp(-(share * np.log(share)).sum()))


def assess(
    found: Discovery, counts: Sequence[Census], maps: Mapping[str, KineticMap], provenance: Mapping[str, Any]
) -> Trust:
    """Gather what speaks for and against a result.

    Parameters
    ----------
    found
        The clusters.
    counts
        Their counts in every system.
    maps
        Kinetic map of each species.
    provenance
        How the model was made: `scores` and `agreement` of each species, scores of several `starts`,
        and `held_out_runs`.
    """
    scores, starts = provenance.get("scores", {}), list(provenance.get("starts", []))
    agreement = provenance.get("agreement", {})
    transitions = sum((c.transitions for c in counts), np.zeros((found.n_clusters, found.n_clusters), dtype=np.int64))
    groups = []
    for name, group in found.by_group.items():
        of, seen = found.species[name], group.evidence
        score = scores.get(of, {})
        rank = effective_rank(np.clip(maps[of].autocorrelation, 0.0, 1.0) ** 2)
        groups.append(
            GroupTrust(
                name, seen.n_coordinates, rank, score.get("untrained"), score.get("trained"), score.get("slowest"),
                agreement.get(of), seen.stability if group.n_clusters > 1 else None, seen.surrogates,
            )
        )  # fmt: skip
    clusters = [s for name in found.by_group for s in _support(name, found.numbers[name], counts, transitions)]
    held_out = [str(run) for run in provenance.get("held_out_runs", [])]
    warnings = [c.words for c in sorted(_cautions(found, counts, groups, clusters, transitions, starts))]
    return Trust(groups, clusters, transitions.tolist(), starts, held_out, warnings)


def _cautions(
    found: Discovery, counts: Sequence[Census], groups: Sequence[GroupTrust], clusters: Sequence[Support],
    transitions: Ints, starts: Sequence[float],
) -> Iterator[Caution]:  # fmt: skip
    """Gather what speaks against the clusters of every group, and against the run."""
    for row in groups:
        mine, evidence = found.numbers[row.group], found.by_group[row.group].evidence
        yield from of_group(evidence, row)
        if row.group in found.shuffles:
            yield from of_files(row.group, found.shuffles[row.group])
        if evidence.n_coordinates and row.group in found.shuffles:
            columns = found.by_group[row.group].columns
            yield from of_coordinates(row.group, columns, found.shuffles[row.group], len(mine))
        watched = sum(int(c.at_risk[mine].sum()) for c in counts)
        if len(mine) > 1:
            if watched:
                yield from of_exchange(row.group, mine, transitions)
            yield from of_time(row.group, mine, counts)
    for support in clusters:
        total = sum(int((c.species == support.group).sum()) for c in counts)
        yield from of_support(support.group, support.cluster, support.atoms, total)
    yield from of_run(counts, starts)


def _support(name: str, clusters: Ints, counts: Sequence[Census], transitions: Ints) -> Iterator[Support]:
    """Count what the clusters of one group rest on."""
    here = [c for c in counts if name in c.species_names]
    for k in clusters.tolist():
        frames = sum(int((c.by_frame[:, c.species_names.index(name), k] > 0).sum()) for c in here)
        atoms = sum(int((c.by_atom[:, k] > 0).sum()) for c in here)
        yield Support(k, name, frames, atoms, int(transitions[:, k].sum()), int(transitions[k].sum()))
