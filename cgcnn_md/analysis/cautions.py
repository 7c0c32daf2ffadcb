"""What speaks against a result, in words, each with its weight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import numpy as np

from cgcnn_md.analysis.census import Census
from cgcnn_md.analysis.cluster import Evidence
from cgcnn_md.analysis.drift import drifts, gaps
from cgcnn_md.analysis.halves import STABLE
from cgcnn_md.analysis.nulls import SURROGATES
from cgcnn_md.analysis.surrogates import Shuffles
from cgcnn_md.analysis.valley import PASS, most_left
from cgcnn_md.frame import Ints
from cgcnn_md.words import listed

if TYPE_CHECKING:
    from cgcnn_md.analysis.trust import GroupTrust

_TRANSITIONS = 30  # below which rates are known to 20 % at best
_ATOMS = 5  # below which a cluster may be an accident of these
_FRAMES = 50  # of the longest run, below which what is rare or slow is not seen
_BARELY = 0.8  # of the density that may be left, from which another start of training may find more of it
_STABLE = 0.9  # agreement of clusters on halves of the time or of the atoms, below which borders are vague
_SHARED = 0.7  # of the slow coordinates' variance, which another start of training should lead to
_LASTS = float(np.exp(-1))  # autocorrelation after one lag of an exchange that lasts a lag
_LOST = 0.1  # kinetic variance that training may lose where no coordinate is left
_SLOW, _SEEN = 0.3, 0.5  # autocorrelation of what is slow, and the share of it that unseen time should have
_NEAR = 0.95  # of the best score, from which a start has come as far
_SPREAD = 1.2  # ratio of the scores of several starts, above which training depends on the start


@dataclass(frozen=True)
class Caution:
    """Something that speaks against a result; sorted, the gravest come first.

    Parameters
    ----------
    weight
        From 0 to 1.
    words
        What is said.
    """

    weight: float
    words: str

    def __lt__(self, other: Caution) -> bool:
        return self.weight > other.weight


def of_group(evidence: Evidence, row: GroupTrust) -> Iterator[Caution]:
    """Doubt training, valleys, borders or states of one group."""
    name, untrained, trained = row.group, row.untrained, row.trained
    if row.effective_rank == 0:
        why = "atoms are all alike, too few to make pairs of, or without a neighbour within the cutoff"
        yield Caution(0.96, f"{name}: the embedding is zero ({why}): nothing is told of it")
    if evidence.n_clusters > 1 and evidence.surrogates is not None and evidence.surrogates < SURROGATES:
        single = f"only {evidence.surrogates} of {SURROGATES} surrogates without structure give one cluster"
        yield Caution(0.95, f"{name}: {single}: so may the clusters of the data be chance")
    lost = -np.inf if untrained is None or trained is None else untrained - trained
    if lost >= (0.0 if evidence.n_coordinates else _LOST):
        scores = f"{untrained:.3g} before, {trained:.3g} after"
        yield Caution(0.9, f"{name}: training did not raise the variance that held-out pairs keep ({scores})")
    if evidence.n_clusters == 1 and evidence.near:
        left = f"{evidence.near:.3f} of the density is left in the valley of a parting in two, {PASS:.3f} is the most"
        yield Caution(0.7, f"{name}: one environment by little ({left}): cluster OUT -n 2 shows it")
    bar = most_left(evidence.n_clusters)
    if evidence.n_clusters > 1 and _BARELY * bar < evidence.valley <= bar:
        left = f"{evidence.valley:.3f} of the density is left in the shallowest valley, {bar:.3f} is the most"
        which = f"the least parted of {evidence.n_clusters} environments are two by little ({left})"
        yield Caution(0.6, f"{name}: {which}: another start of training may find one")
    here, there = row.slowest or (0.0, 0.0)
    if here > _SLOW and there < _SEEN * here:
        words = f"autocorrelation {here:.2f}, {there:.2f} on unseen time): it happens once in the run, or atoms are few"
        yield Caution(0.92, f"{name}: what is slowest in the time trained on is not seen again ({words}")
    if evidence.n_coordinates and row.agreement is not None and row.agreement < _SHARED:
        share = f"{100 * max(row.agreement, 0.0):.0f} % of the slow coordinates' variance"
        yield Caution(0.6, f"{name}: a shorter training from another start leads to {share} only")
    if evidence.n_clusters > 1 and evidence.stability is not None and evidence.stability < _STABLE:
        index = f"an index of {evidence.stability:.2f}"
        words = f"halves of the data agree on the clusters with {index} ({STABLE} is asked, 1 is the same)"
        yield Caution(0.55, f"{name}: {words}")
    yield from _of_states(name, evidence)


def _of_states(name: str, evidence: Evidence) -> Iterator[Caution]:
    """Doubt states that were asked for: that there are so many, and that training finds them."""
    exchanges, starts = evidence.exchanges, evidence.starts
    asked, lasting = evidence.n_clusters, sum(x >= _LASTS for x in exchanges)
    if lasting < len(exchanges):
        each = ", ".join(f"{x:.2f}" for x in exchanges)
        hold = "one environment only" if lasting == 0 else f"{lasting + 1} states at most"
        which = f"only {lasting} of {len(exchanges)} exchanges" if lasting else "no exchange"
        outlive = "outlive" if lasting > 1 else "outlives"
        words = f"{asked} states were asked for, but {which} between them {outlive}"
        yield Caution(0.95, f"{name}: {words} a lag on unseen time (autocorrelation {each}): data hold {hold}")
    near = sum(s >= _NEAR * max(starts) for s in starts)
    if len(starts) > 1 and near == 1:
        words = f"only one of {len(starts)} starts reached the best score of states ({max(starts):.3g}; least"
        yield Caution(0.5, f"{name}: {words} {min(starts):.3g}): they may depend on the start")


def of_coordinates(name: str, columns: Ints, shuffles: Shuffles, n_clusters: int) -> Iterator[Caution]:
    """Doubt coordinates that shuffling does not change, of those in which so many clusters were found."""
    box = [int(i) for i in columns if shuffles.of_box[i]]
    frozen = [int(i) for i in columns if shuffles.frozen[i] and i not in box]
    if box:
        belong = "belongs" if len(box) == 1 else "belong"
        words = f"{belong} to the box, not the atom: other atoms of it have the same, and no timescale follows"
        yield Caution(0.5, f"{name}: {_numbered('coordinate', box)} {words}")
    if frozen:
        like = "as a label would be" if n_clusters > 1 else "so atoms differ lastingly, but no gap parts them"
        words = f"{'is' if len(frozen) == 1 else 'are'} frozen for the whole run, {like}"
        yield Caution(0.45, f"{name}: {_numbered('coordinate', frozen)} {words}")


def of_files(name: str, shuffles: Shuffles) -> Iterator[Caution]:
    """Doubt that what was slow in the training is slow in the files that were encoded."""
    gone = np.flatnonzero(shuffles.gone & (shuffles.held_out > _SLOW))
    if len(gone):
        keep = "keeps" if len(gone) == 1 else "keep"
        there, here = shuffles.held_out[gone[0]], shuffles.lagged[gone[0]]
        words = f"{keep} nothing over a lag in these files (autocorrelation {here:.2f}, {there:.2f} in the training)"
        yield Caution(0.93, f"{name}: {_numbered('coordinate', gone.tolist())} {words}: no environments are seen in it")


def of_exchange(name: str, clusters: Ints, transitions: Ints) -> Iterator[Caution]:
    """Doubt clusters between which little or nothing is seen to go.

    Clusters are joined by their busiest exchange first; only exchanges that join are looked at, so that a rare way
    beside a common one is no fault.
    """
    both = transitions + transitions.T
    part = {int(k): {int(k)} for k in clusters}
    rare: list[tuple[int, int, int]] = []
    for a, b in sorted(combinations(part, 2), key=lambda pair: -both[pair]):
        if part[a] is part[b] or both[a, b] == 0:
            continue
        if both[a, b] < _TRANSITIONS:
            rare.append((int(both[a, b]), a, b))
        part[a] |= part[b]
        for k in part[b]:
            part[k] = part[a]
    apart = sorted({tuple(sorted(members)) for members in part.values()})
    if len(apart) == len(clusters):
        words = "they may be parts that never meet (boxes, phases, places), and lifetimes are lower bounds"
        yield Caution(1.0, f"{name}: clusters do not exchange at all: {words}")
    elif len(apart) > 1:
        parts = [f"cluster{'s' * (len(members) > 1)} {listed([str(k) for k in members])}" for members in apart]
        yield Caution(0.75, f"{name}: no atom is seen to go between {'; '.join(parts)}")
    if len(rare) == 1:
        n, a, b = rare[0]
        yield Caution(0.65, f"{name}: only {n} transition{'s' * (n != 1)} between clusters {a} and {b}")
    elif rare:
        each = ", ".join(f"{n} between clusters {a} and {b}" for n, a, b in sorted(rare))
        yield Caution(0.65, f"{name}: few transitions: {each}")


def of_support(name: str, cluster: int, atoms: int, total: int) -> Iterator[Caution]:
    """Doubt a cluster that few atoms show, out of many."""
    if atoms < _ATOMS <= total:
        yield Caution(0.7, f"{name}: cluster {cluster} is seen in {atoms} atom{'s' * (atoms != 1)} only")


def of_time(name: str, clusters: Ints, counts: Sequence[Census]) -> Iterator[Caution]:
    """Doubt populations that drift, of each run the one that does so most, or differ between runs of a system."""
    for census in counts:
        for drift in drifts(census, name, clusters):
            along = f"along the run{f' in {census.name}' if census.name else ''}"
            change = f"the share of cluster {drift.cluster} drifts from {drift.early:.2f} to {drift.late:.2f} {along}"
            yield Caution(0.8, f"{name}: {change}: not in equilibrium, or too slow for a run so short")
        for gap in gaps(census, name, clusters):
            where = " and ".join(f"{x:.2f} in run {run + 1}" for x, run in zip(gap.shares, gap.runs))
            which = f"the share of cluster {gap.cluster} is {where}{f' of {census.name}' if census.name else ''}"
            yield Caution(0.78, f"{name}: {which}: runs have not come to one equilibrium")


def of_run(counts: Sequence[Census], starts: Sequence[float]) -> Iterator[Caution]:
    """Doubt little data, and a training that depends on its start."""
    longest = max((int(np.bincount(c.run - c.run.min()).max()) for c in counts if len(c.run)), default=0)
    if longest < _FRAMES:
        yield Caution(0.4, f"only {longest} frame{'s' * (longest != 1)} in a run: what is rare or slow is not seen")
    if starts and min(starts) > 0 and max(starts) > _SPREAD * min(starts):
        scores = f"from {min(starts):.3g} to {max(starts):.3g}"
        yield Caution(0.3, f"starts of training reached scores {scores}: try another seed")


def _numbered(what: str, numbers: Sequence[int]) -> str:
    """Write numbers that rise: 'coordinate 0', 'coordinates 0, 1 and 4', 'coordinates 0 to 3 and 7'."""
    after = [i for i in range(1, len(numbers)) if numbers[i] != numbers[i - 1] + 1]
    words: list[str] = []
    for i, j in pairwise([0, *after, len(numbers)]):
        words += [f"{numbers[i]} to {numbers[j - 1]}"] if j - i > 2 else map(str, numbers[i:j])
    return f"{what}{'s' * (len(numbers) > 1)} {listed(words)}"
