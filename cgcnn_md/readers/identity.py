"""What each atom is in its molecule: classes of a species that differ by topology, not by environment."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.frame import Ints
from cgcnn_md.readers import names
from cgcnn_md.readers.bonds import molecular_bonds
from cgcnn_md.readers.topology import Topology

FEWEST = 5  # atoms: their mean takes a fifth of the variance between them along
_ROUNDS = 10  # bonds that a chain end is felt over, through three layers

_Level = tuple[list[str], Ints]  # names of classes, and the class of each atom


@dataclass(frozen=True, eq=False)
class Identity:
    """Identity classes of atoms, from coarse to fine.

    Parameters
    ----------
    names
        Names of the classes of all levels; the same chemistry has the same name in any file.
    codes
        Class of each atom at each level, as places in `names`, shape (n_levels, n_atoms); level 0 is the species.
    source
        What made the finer levels: "bonds", "names in residues", both, or "" where there are none.
    note
        What the user should know; "" for nothing.
    """

    names: tuple[str, ...]
    codes: NDArray[np.int32]
    source: str = ""
    note: str = ""

    def of(self, atoms: Ints) -> Identity:
        """Take some atoms only."""
        return replace(self, codes=self.codes[:, atoms])

    def finest(self, known: Sequence[str]) -> Ints:
        """Give each atom's finest class among known ones, as places in `known`; -1 where there is none."""
        place = {name: i for i, name in enumerate(known)}
        lookup = np.array([place.get(name, -1) for name in self.names])
        found = np.full(self.codes.shape[1], -1)
        for level in self.codes:
            here = lookup[level]
            found = np.where(here >= 0, here, found)
        return found


def identify(topology: Topology, species: NDArray[np.str_]) -> Identity:
    """Class the atoms of a topology by bonds where they have any, else by names in residues, else by species.

    Classes of bonds are colours of Weisfeiler and Leman, a level each round (B. Weisfeiler, A. Leman, 1968): atoms
    are of one class if they are of one species and so are their neighbours, and theirs. Types and names of residues
    are not looked at: they may name an environment ("bulk", "surface").

    Parameters
    ----------
    topology
        Atoms, with the bonds that its file holds.
    species
        Species of every atom, "" for sites that are left out, shape (n_atoms,).
    """
    kinds, own = _table(species.tolist())
    bonds, crystal = molecular_bonds(topology, species)
    note = "bonds are those of a crystal, not of molecules: they do not tell what an atom is" if crystal else ""
    bonded = np.bincount(bonds.ravel(), minlength=len(species)) > 0
    levels = [(kinds, own), *_by_name(topology, kinds, own, ~bonded)]
    named = len(levels) > 1
    if len(bonds):
        levels = [levels[0], *(_joined(bonded, found, levels[-1]) for found in _by_bonds(kinds, own, bonds))]
    place: dict[str, int] = {}
    codes = [np.array([place.setdefault(n, len(place)) for n in table], np.int32)[level] for table, level in levels]
    told = ["bonds"] * bool(len(bonds)) + ["names in residues"] * named
    return Identity(tuple(place), np.stack(codes), " and ".join(told), note)


def choose_classes(species: Sequence[str], identities: Sequence[Identity]) -> tuple[str, ...]:
    """Choose the classes that are given a mean of their own.

    Parameters
    ----------
    species
        Species, which come first; what is left of a species when its classes are taken out is a class.
    identities
        Of the target atoms of every system.

    Returns
    -------
    tuple of str
        The species, then the finest classes with at least `FEWEST` atoms over all systems; none for a species of
        which all atoms are of one class, or that is classed by bonds in one system and not in another: the class
        would be the system.
    """
    left = [np.ones(identity.codes.shape[1], dtype=np.bool_) for identity in identities]
    chosen: list[str] = []
    for back in range(1, max(len(identity.codes) for identity in identities)):
        counts: Counter[str] = Counter()
        for identity, free in zip(identities, left, strict=True):
            if back < len(identity.codes):
                n = np.bincount(identity.codes[-back][free], minlength=len(identity.names))
                counts.update({identity.names[i]: int(n[i]) for i in np.flatnonzero(n)})
        frequent = {name for name, n in counts.items() if n >= FEWEST} - set(species)
        chosen += sorted(frequent)
        for i, identity in enumerate(identities):
            left[i] &= identity.finest(sorted(frequent)) < 0
    used = _classes_by_species(identities, (*species, *chosen))
    ways = [_ways(identity) for identity in identities]
    alike = {name for name in species if len({way[name] for way in ways if name in way}) == 1}
    kept = {name for own, classes in used.items() if own in alike and len(classes) > 1 for name in classes}
    return (*species, *(name for name in chosen if name in kept))


def class_counts(identities: Sequence[Identity], known: Sequence[str]) -> str:
    """Say how many classes features are centred by, and what made them; nothing where they are the species.

    Parameters
    ----------
    identities
        Of the target atoms of every system.
    known
        The chosen classes.
    """
    classes = _classes_by_species(identities, known)
    counts = {name: len(found) for name, found in sorted(classes.items()) if len(found) > 1}
    if not counts:
        return ""
    made = " and ".join(sorted({identity.source for identity in identities} - {""}))
    each = ", ".join(f"{name} {n}" for name, n in counts.items())
    return f"identity classes: {sum(counts.values())} from {made} ({each}); features are centred by them"


def strangers(identity: Identity, known: Sequence[str]) -> str:
    """Say that atoms are of no class that a model has a mean of, but of a species with classes; else nothing.

    Parameters
    ----------
    identity
        Of the target atoms.
    known
        Classes of the model.
    """
    finest = identity.finest(known)
    species = np.array(identity.names)[identity.codes[0]]
    split = {name for name in set(species.tolist()) if any(k.startswith((f"{name}(", f"{name}:")) for k in known)}
    lost = Counter(s for s, k in zip(species.tolist(), finest.tolist(), strict=True) if known[k] == s and s in split)
    if not lost:
        return ""
    counts = ", ".join(f"{name} {n}" for name, n in sorted(lost.items()))
    return f"atoms of no identity class that the model knows ({counts}) are centred by the mean of their species"


def _classes_by_species(identities: Sequence[Identity], known: Sequence[str]) -> dict[str, set[str]]:
    """Give the classes among known ones that the atoms of each species are of."""
    found: dict[str, set[str]] = {}
    for identity in identities:
        for own, code in set(zip(identity.codes[0].tolist(), identity.finest(known).tolist(), strict=True)):
            found.setdefault(identity.names[own], set()).add(known[code])
    return found


def _ways(identity: Identity) -> dict[str, frozenset[str]]:
    """Tell by what the atoms of each species are classed: "(" for bonds, ":" for names, "" for neither."""
    ways: dict[str, set[str]] = {}
    for own, code in set(zip(identity.codes[0].tolist(), identity.codes[-1].tolist(), strict=True)):
        name = identity.names[own]
        ways.setdefault(name, set()).add(identity.names[code].removeprefix(name)[:1])
    return {name: frozenset(found) for name, found in ways.items()}


def _by_bonds(kinds: list[str], own: Ints, bonds: Ints) -> list[_Level]:
    """Class by bonds, a level each round.

    A colour is a number made of the atom's own and the sum of its neighbours', each well mixed: it depends on
    nothing but the molecule, and needs no sorting.
    """
    colour = _digests(kinds)[own]
    both = np.concatenate([bonds, bonds[:, ::-1]])
    atom, near = both[np.argsort(both[:, 0])].T
    levels: list[_Level] = []
    for round_ in range(_ROUNDS):
        heard = np.zeros_like(colour)
        np.add.at(heard, atom, _mixed(colour)[near])
        colour = _mixed(colour * np.uint64(3) + heard)
        unique, first, inverse = np.unique(colour, return_index=True, return_inverse=True)
        labels = []
        for value, one in zip(unique.tolist(), first.tolist(), strict=True):
            shell = sorted(kinds[own[i]] for i in near[np.searchsorted(atom, one) : np.searchsorted(atom, one + 1)])
            tag = f":{value & 0xFFFFFFFF:08x}" if round_ else ""
            labels.append(f"{kinds[own[one]]}({','.join(shell)}){tag}")
        levels.append((labels, inverse))
    return levels


def _by_name(topology: Topology, kinds: list[str], own: Ints, free: NDArray[np.bool_]) -> list[_Level]:
    """Class free atoms by all names in their residue, then by their own name too; others by species.

    No level where no atom has such a class. The residue's own name is not looked at: it may name an environment
    ("ICE", "LIQ").
    """
    if topology.names is None:
        return []
    texts, name = _table(str(text).strip() for text in topology.names)
    residue = np.asarray(topology.universe.atoms.resindices)
    named = free & _in_molecules(residue, name, kinds, own)
    content = np.zeros(residue.max() + 1, dtype=np.uint64)
    np.add.at(content, residue, _mixed(_digests(texts))[name])
    tags = content[residue] & np.uint64(0xFFFFFFFF)
    rows = list(zip(own.tolist(), name.tolist(), tags.tolist(), named.tolist(), strict=True))
    alike: dict[tuple[int, int], set[str]] = {}  # names of a species in a residue
    for k, n, tag, known in rows:
        if known:
            alike.setdefault((k, tag), set()).add(texts[n])
    joint = {key: "+".join(sorted(found)) for key, found in alike.items()}
    levels = [
        _table(f"{kinds[k]}:{joint[k, tag]}:{tag:08x}" if known else kinds[k] for k, _, tag, known in rows),
        _table(f"{kinds[k]}:{texts[n]}:{tag:08x}" if known else kinds[k] for k, n, tag, known in rows),
    ]
    return levels if named.any() else []


def in_molecules(topology: Topology, species: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Tell which atoms are in residues that are molecules or parts of them; none where atoms have no names.

    Parameters
    ----------
    topology
        Atoms.
    species
        Species of every atom, shape (n_atoms,).
    """
    if topology.names is None:
        return np.zeros(len(species), dtype=np.bool_)
    _, name = _table(str(text).strip() for text in topology.names)
    return _in_molecules(np.asarray(topology.universe.atoms.resindices), name, *_table(species.tolist()))


def _in_molecules(residue: Ints, name: Ints, kinds: list[str], own: Ints) -> NDArray[np.bool_]:
    """Tell which atoms are in residues that are molecules or parts of them.

    Those are not where an atom is alone in its residue, or shares its name with another, as where a writer puts the
    whole box into one residue, or where the residue is a piece of inorganic crystal, whose names number its sites.
    """
    organic = np.array([kind in ("C", "H") or (kind != "" and names.element(kind) is None) for kind in kinds])
    size, found = np.bincount(residue), np.bincount(residue, weights=organic[own])
    n_names = int(name.max()) + 1
    distinct = np.bincount(np.unique(residue * n_names + name) // n_names, minlength=len(size))
    inside: NDArray[np.bool_] = ((size > 1) & (found > 0) & (distinct == size))[residue]
    return inside


def _digests(texts: list[str]) -> NDArray[np.uint64]:
    """Turn texts into 64-bit numbers, the same in any process."""
    digests = (hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.array([int.from_bytes(digest, "little") for digest in digests], dtype=np.uint64)


def mixed_digests(texts: Sequence[str]) -> NDArray[np.uint64]:
    """Turn texts into well mixed 64-bit numbers, the same in any process, whose sum tells which texts there are."""
    return _mixed(_digests(list(texts)))


def _table(labels: Iterable[str]) -> _Level:
    """Give texts numbers in the order in which they come."""
    place: dict[str, int] = {}
    codes = np.array([place.setdefault(label, len(place)) for label in labels], dtype=np.int64)
    return list(place), codes


def _joined(chosen: NDArray[np.bool_], first: _Level, second: _Level) -> _Level:
    """Take the one level's classes for chosen atoms, the other's for the rest."""
    return [*first[0], *second[0]], np.where(chosen, first[1], second[1] + len(first[0]))


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scatter 64-bit numbers (the last step of splitmix64); overflow is meant."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return x ^ (x >> np.uint64(31))
