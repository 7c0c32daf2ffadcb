"""Groups of atoms that never turn into each other, and yet live in the same environments: which clusters are one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import contingency_matrix

from cgcnn_md.analysis.cluster import SpeciesClusters
from cgcnn_md.analysis.discovery import Discovery, renumber
from cgcnn_md.analysis.halves import STABLE
from cgcnn_md.analysis.kinds import n_bonds
from cgcnn_md.frame import Ints
from cgcnn_md.store import Store

_FRAMES = 50  # of a system that are looked at
_ATOMS = 2_000  # of a group in a system that are looked at
_TOLD = 3  # groups taken together that are named
_PARTNERS = 0.5  # of a group's atoms that have one of the other in their molecule


@dataclass(frozen=True, eq=False)
class Alike:
    """A group whose clusters are those of another.

    Parameters
    ----------
    like
        The other group.
    match
        Which of its own clusters is each of the other's, by their places in either group, shape (n_clusters,).
    agreement
        Adjusted Rand index of the clusters of an atom and of the nearest of the other group in its molecule.
    """

    like: str
    match: Ints
    agreement: float


def find_alike(stores: Sequence[Store], groups: Mapping[str, Ints], species: Mapping[str, str]) -> dict[str, Alike]:
    """Find the groups of a species whose clusters are those of a larger one.

    The beads at a chain's ends and those amid it answer to a crystal along coordinates of their own, so their clusters
    are sought apart; but where one is in the crystal, the next in the chain is. So two groups have the same clusters if
    as many, one to one, tell the cluster of an atom from that of the nearest atom of the other group in its molecule,
    by the order of the atoms in the file. Atoms with other numbers of bonds stay apart, as the oxygen of a carbonyl
    group and that of an ester: what binds the one may leave the other alone, though both know of it.

    Parameters
    ----------
    stores, groups
        The systems, and the numbers of the clusters of each group that was found in them.
    species
        Species of each group.

    Returns
    -------
    dict
        By group; those that are like no larger one are left out.
    """
    parts = Counter(species[name] for name in groups)
    several = [name for name in groups if parts[species[name]] > 1 and len(groups[name]) > 1]
    if not several:
        return {}
    size: Counter[str] = Counter()
    bonds: dict[str, set[int]] = {name: set() for name in several}
    for store in stores:
        member, held = store.groups("found"), n_bonds(store)
        for name in several:
            mine = member == name
            size[name] += int(mine.sum())
            bonds[name] |= set(held[mine].tolist())
    found: dict[str, Alike] = {}
    for name in sorted(several, key=lambda group: (-size[group], group)):
        if -1 in bonds[name]:
            continue
        for other in several:
            same = (species[other], bonds[other], len(groups[other])) == (species[name], bonds[name], len(groups[name]))
            if not same or other in found or (size[other], name) <= (size[name], other):
                continue
            alike = _compare(stores, name, other, groups)
            if alike is not None:
                found[name] = alike
                break
    return found


def joined(discovery: Discovery, stores: Sequence[Store]) -> Discovery:
    """Take groups together whose clusters are the same environments (`find_alike`), in the stores too."""
    alike = find_alike(stores, discovery.numbers, discovery.species)
    if not alike:
        return discovery
    parts: dict[str, list[str]] = {name: [name] for name in discovery.by_group if name not in alike}
    for name, found in alike.items():
        parts[found.like].append(name)
    called = {lead: _called(names, discovery) for lead, names in parts.items()}
    counts = np.zeros(discovery.n_clusters, dtype=np.int64)
    for store in stores:
        for frames in store.done_units():
            labels = store.clusters(frames)
            counts += np.bincount(labels[labels >= 0], minlength=len(counts))
    rank, order, at = np.arange(len(counts)), {}, 0
    by_group, first = {}, {}
    for lead in sorted(parts, key=called.__getitem__):
        n = discovery.by_group[lead].n_clusters
        match = {name: alike[name].match if name in alike else np.arange(n) for name in parts[lead]}
        falling = np.argsort(-sum(counts[discovery.first[name] + match[name]] for name in match), kind="stable")
        for name in match:
            order[name] = match[name][falling]
            rank[discovery.first[name] + order[name]] = at + np.arange(n)
        by_group[called[lead]], first[called[lead]] = _together(parts[lead], discovery, alike), at
        at += n
    renumber(stores, rank, order)
    of = {name: called[lead] for lead, names in parts.items() for name in names}
    for store in stores:
        store.write_groups([of.get(name, name) for name in store.groups("found").tolist()])
    species = {called[lead]: discovery.species[lead] for lead in parts}
    shuffles = {called[name]: found for name, found in discovery.shuffles.items() if name in called}
    return Discovery(by_group, first, species | {name: name for name in species.values()}, shuffles)


def shared_by_all(discovery: Discovery, stores: Sequence[Store], n_clusters: int) -> list[str]:
    """Give the species of several groups that all have the same environments, and as many as that."""
    alike = find_alike(stores, discovery.numbers, discovery.species)
    lead: dict[str, list[str]] = {}
    for name in discovery.by_group:
        if name not in alike:
            lead.setdefault(discovery.species[name], []).append(name)
    several = {discovery.species[name] for name in alike}
    one = {of: names[0] for of, names in lead.items() if len(names) == 1}
    return sorted(of for of in several & one.keys() if discovery.by_group[one[of]].n_clusters == n_clusters)


def _called(names: Sequence[str], discovery: Discovery) -> str:
    """Name groups that are taken together: the species where they are all of it."""
    of = discovery.species[names[0]]
    if len(names) == sum(discovery.species[name] == of for name in discovery.by_group):
        return of
    told = [name.removeprefix(f"{of} ") for name in names]
    more = f" or {len(told) - _TOLD} more" if len(told) > _TOLD else ""
    return f"{of} {' or '.join(told[:_TOLD])}{more}"


def _together(names: Sequence[str], discovery: Discovery, alike: Mapping[str, Alike]) -> SpeciesClusters:
    """Give the clusters of the first of some groups, with the evidence of all, the weakest of it."""
    found = [discovery.by_group[name] for name in names]
    if len(found) == 1:
        return found[0]
    every = [one.evidence for one in found]
    index = min(alike[name].agreement for name in names[1:])
    others = "another kind" if len(names) == 2 else f"{len(names) - 1} other kinds"
    shared = f"and shared by {others} of its atoms (ARI with the nearest in the molecule {index:.2f})"
    evidence = replace(
        every[0],
        valley=max(one.valley for one in every),
        stability=min((one.stability for one in every if one.stability is not None), default=None),
        stays=min((one.stays for one in every if one.stays is not None), default=None),
        surrogates=min((one.surrogates for one in every if one.surrogates is not None), default=None),
        verdict=f"{every[0].verdict}, {shared}",
    )
    return replace(found[0], evidence=evidence)


def _compare(stores: Sequence[Store], name: str, other: str, groups: Mapping[str, Ints]) -> Alike | None:
    """Compare the clusters of two groups, in atoms of the same molecule."""
    own, theirs, met, of = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)], 0, 0
    for store in stores:
        member = store.groups("found")
        every = np.flatnonzero(member == name)
        mine, near = _partners(store, every, np.flatnonzero(member == other))
        met, of = met + len(mine), of + len(every)
        if not len(mine):
            continue
        pick = _some(len(mine), _ATOMS)
        frames = [frame for unit in store.done_units() for frame in range(unit.start, unit.stop)]
        for place in _some(len(frames), _FRAMES).tolist():
            labels = store.clusters(frames[place]).astype(np.int64)
            own.append(labels[mine[pick]])
            theirs.append(labels[near[pick]])
    if met < _PARTNERS * of:
        return None
    here, there = np.concatenate(own), np.concatenate(theirs)
    sure = (here >= 0) & (there >= 0)
    here, there = here[sure], there[sure]
    if len(np.unique(here)) < len(groups[name]) or len(np.unique(there)) < len(groups[other]):
        return None  # a cluster is in no pair
    match = contingency_matrix(there, here).argmax(axis=1)
    agreement = float(adjusted_rand_score(there, here))
    one_to_one = len(np.unique(match)) == len(match)
    return Alike(other, match, agreement) if one_to_one and agreement >= STABLE else None


def _some(n: int, most: int) -> Ints:
    """Give places among n, evenly spread, so many at most."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))


def _partners(store: Store, mine: Ints, others: Ints) -> tuple[Ints, Ints]:
    """Give those of some atoms that have another in their molecule, and the nearest of these in the file's order."""
    if not len(mine) or not len(others):
        return mine[:0], mine[:0]
    molecule, row = store.molecule, np.asarray(store.atom_index, dtype=np.int64)
    span = int(row.max()) + 1
    place = molecule * span + row
    others = others[np.argsort(place[others])]
    after = np.searchsorted(place[others], place[mine])
    sides = np.stack([others[np.clip(after - 1, 0, None)], others[np.clip(after, None, len(others) - 1)]])
    apart = np.where(molecule[sides] == molecule[mine], np.abs(row[sides] - row[mine]), span)
    nearest = sides[apart.argmin(axis=0), np.arange(len(mine))]
    shared = apart.min(axis=0) < span
    return mine[shared], nearest[shared]
