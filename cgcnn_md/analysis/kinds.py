"""Atoms of a group that never turn into each other: kinds, by what they are bonded to."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.frame import Ints
from cgcnn_md.store import Store
from cgcnn_md.words import listed

_LIVES = 0.01  # of a kind's atom-frames in a cluster: with less it is only taken for one of it
_SHARED = 0.05  # of an identity class in a cluster: with less it has no cluster in common with those that live there
_VARIED = 0.1  # difference between the shares of a kind in two clusters that is worth saying
_NAMED = 4  # atom names that are spelled out


@dataclass(frozen=True, eq=False)
class Kind:
    """Atoms that are followed together, and the clusters they live in.

    Parameters
    ----------
    name
        Name of the group, and which of its atoms these are where they are not all.
    clusters
        Numbers of the clusters, shape (n,).
    columns
        Places of these among the clusters of the group, shape (n,).
    atoms
        Columns of the atoms in every system that holds some, by its name.
    """

    name: str
    clusters: Ints
    columns: Ints
    atoms: dict[str, Ints]

    def rng(self, seed: int) -> np.random.Generator:
        """Give random numbers of its own, so that what is drawn does not depend on what else is there."""
        return np.random.default_rng([seed, zlib.crc32(self.name.encode())])


def find_kinds(
    stores: Sequence[Store], groups: Mapping[str, Ints], *, by: str = "species", fine: bool = False
) -> list[Kind]:
    """Part groups of atoms by what never changes, where it decides which clusters atoms live in.

    A carbon of CH2 never becomes one of CF3: though both may be in a common cluster, a model of the two together would
    lead from one to the other. So atoms bonded to other elements, or of residues with other names of atoms, are
    parted, and taken together again where they live in the same clusters (1 % of their atom-frames or more).

    If `fine`, identity classes are parted, but only those that have no cluster in common (5 %), not by way of others:
    the third carbon of octane and the fourth are bonded alike, and turn about other bonds. A polymer's many classes,
    which live in the same few clusters with here and there a rare one, are not.

    Parameters
    ----------
    stores
        The systems.
    groups
        Numbers of the clusters of each group.
    by
        What `Store.groups` groups the atoms by.
    fine
        Whether to part by identity class.

    Returns
    -------
    list of Kind
        The kinds of every group; the group where they all live in the same clusters.
    """
    found: list[Kind] = []
    for parts in _Parts.of_groups(stores, groups, by, fine=fine):
        found += parts.apart(stores) if fine else parts.kinds(stores)
    return [kind for kind in found if kind.atoms]


def identity_names(stores: Sequence[Store]) -> dict[str, str]:
    """Call identity classes in words: "O bonded to 2 C like atom 4", the atom where nothing else tells them apart.

    Parameters
    ----------
    stores
        The systems.

    Returns
    -------
    dict
        Name of every class that some atom is of.
    """
    first: dict[str, str] = {}
    words: dict[str, str] = {}
    for store in stores:
        keys = _keys(store)
        for identity, atom in zip(*np.unique(store.identity, return_index=True), strict=True):
            if identity not in words:
                name, key = str(store.species[atom]), keys[atom]
                told = f" {_words([key], {store.name: np.array([atom])}, [store])}" if key else ""
                first[str(identity)], words[str(identity)] = _like(store, int(atom), stores), name + told
    shared = Counter(words.values())
    return {i: text + (f" {first[i]}" if shared[text] > 1 else "") for i, text in words.items()}


def bonded_words(stores: Sequence[Store], groups: Mapping[str, Ints], *, by: str = "species") -> dict[int, str]:
    """Say what the atoms of each cluster are bonded to, where this differs between the clusters of a group.

    Parameters
    ----------
    stores, groups, by
        As of `find_kinds`.

    Returns
    -------
    dict
        By cluster: "bonded to C, 2 H and O (93 %) or to 3 F and S (6 %)", without those of less than 1 %.
    """
    found: dict[int, str] = {}
    for parts in _Parts.of_groups(stores, groups, by):
        if sum(key.startswith("(") for key in parts.keys) > 1 and len(parts.whole.clusters) > 1:
            shares = parts.held / np.maximum(parts.held.sum(axis=0), 1)
            if np.ptp(shares, axis=1).max() < _VARIED:
                continue
            for cluster, share in zip(parts.whole.clusters.tolist(), shares.T):
                many = [i for i in np.argsort(-share, kind="stable") if share[i] >= _LIVES]
                kinds = [_bonded(parts.keys[i]) for i in many]
                if len(many) > 1:
                    kinds = [f"{kind} ({100 * share[i]:.2g} %)" for i, kind in zip(many, kinds)]
                if many:
                    found[cluster] = "bonded to " + " or to ".join(kinds)
    return found


@dataclass(frozen=True, eq=False)
class _Parts:
    """A group of atoms by what never changes: the key and the clusters of its atoms.

    Keys are "(C,H)", bonded elements, or ":1a2b3c4d", names in the residue, or "". `code` is the place of each atom's
    key, by system; `held` counts atom-frames, shape (n_keys, n_clusters).
    """

    whole: Kind
    keys: list[str]
    code: dict[str, Ints]
    held: Ints

    @classmethod
    def of_groups(
        cls, stores: Sequence[Store], groups: Mapping[str, Ints], by: str, *, fine: bool = False
    ) -> Iterator[_Parts]:
        """Look at groups one by one."""
        member = {store.name: store.groups(by) for store in stores}
        key = {store.name: _keys(store, whole=fine) for store in stores}
        for name, clusters in groups.items():
            mine = {system: np.flatnonzero(of == name) for system, of in member.items()}
            whole = Kind(
                name, clusters, np.arange(len(clusters)), {s: atoms for s, atoms in mine.items() if len(atoms)}
            )
            every = sorted({k for system, atoms in whole.atoms.items() for k in key[system][atoms].tolist()})
            place = {k: i for i, k in enumerate(every)}
            code = {s: np.array([place[k] for k in key[s][atoms]]) for s, atoms in whole.atoms.items()}
            held = np.zeros((len(every), len(clusters)), dtype=np.int64)
            if len(every) > 1 and len(clusters) > 1:
                held += sum(_held(store, whole, code[store.name], len(every)) for store in stores if store.name in code)
            yield cls(whole, every, code, held)

    def kinds(self, stores: Sequence[Store]) -> list[Kind]:
        """Take those that live in the same clusters together."""
        places: dict[tuple[int, ...], list[int]] = {}
        for i, row in enumerate(self._lives(_LIVES)):
            places.setdefault(tuple(np.flatnonzero(row).tolist()), []).append(i)
        if len(places) < 2:
            return [self.whole]
        found: list[Kind] = []
        alike: Counter[str] = Counter()
        for columns, codes in places.items():
            atoms = self._atoms(codes)
            name = f"{self.whole.name} {_words([self.keys[i] for i in codes], atoms, stores)}"
            alike[name] += 1  # residues may share the names that are spelled out
            name += f" ({alike[name]})" if alike[name] > 1 else ""
            found.append(Kind(name, self.whole.clusters[list(columns)], np.asarray(columns, dtype=np.int64), atoms))
        return found

    def apart(self, stores: Sequence[Store]) -> list[Kind]:
        """Take those together that have clusters in common, or with others in common."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import connected_components

        lives = self._lives(_SHARED)
        n, piece = connected_components(csr_array(lives.astype(float) @ lives.T), directed=False)
        piece[~lives.any(axis=1)] = np.bincount(piece).argmax()  # never in a cluster
        kinds = [codes for i in range(n) if (codes := np.flatnonzero(piece == i).tolist())]
        if len(kinds) < 2:
            return [self.whole]
        found: list[Kind] = []
        for codes in kinds:
            columns, atoms = np.flatnonzero(lives[codes].any(axis=0)), self._atoms(codes)
            store = next(store for store in stores if store.name in atoms)
            name = f"{self.whole.name} {_like(store, int(atoms[store.name][0]), stores)}"
            found.append(Kind(name, self.whole.clusters[columns], columns, atoms))
        return found

    def _lives(self, least: float) -> NDArray[np.bool_]:
        """Tell which clusters hold such a share of the atoms of each key, shape (n_keys, n_clusters)."""
        lives: NDArray[np.bool_] = self.held >= least * np.maximum(self.held.sum(axis=1, keepdims=True), 1)
        return lives

    def _atoms(self, codes: list[int]) -> dict[str, Ints]:
        """Give the atoms of some keys, by system."""
        atoms = {s: self.whole.atoms[s][np.isin(of, codes)] for s, of in self.code.items()}
        return {s: some for s, some in atoms.items() if len(some)}


def _like(store: Store, row: int, stores: Sequence[Store]) -> str:
    """Say which row of a store something is like: "like atom 4", of several systems "like atom 4 of melt"."""
    what = "atom" if store.attrs.get("level", "atom") == "atom" else "that of atom"
    return f"like {what} {store.atom_index[row]}" + (f" of {store.name}" if len(stores) > 1 else "")


def _held(store: Store, whole: Kind, code: Ints, n_kinds: int) -> Ints:
    """Count the atom-frames of every kind in every cluster, shape (n_kinds, n_clusters)."""
    n, place = len(whole.clusters), places(whole.clusters)
    total = np.zeros(n_kinds * (n + 1), dtype=np.int64)
    for unit in store.done_units():
        labels = place[store.clusters(unit)[:, whole.atoms[store.name]]]
        total += np.bincount((code * (n + 1) + labels).ravel(), minlength=len(total))
    return total.reshape(n_kinds, n + 1)[:, :n]


def places(clusters: Ints) -> NDArray[Any]:
    """Make the table that gives a cluster's place among n of them, and n for any other number and for -1.

    It is as small a type as holds n, so that what is looked up takes little memory.
    """
    n = len(clusters)
    place = np.full(np.iinfo(np.int16).max + 2, n, dtype=np.int8 if n < 127 else np.int16)
    place[clusters] = np.arange(n)
    return place


def _keys(store: Store, *, whole: bool = False) -> np.ndarray:
    """Give what tells the kind of every atom, or its whole identity class; nothing for groups of atoms."""
    if store.attrs.get("level", "atom") != "atom":
        return np.full(store.n_atoms, "", dtype=object)
    if whole:
        return store.identity.astype(object)
    return np.array([_key(i.removeprefix(s)) for s, i in zip(store.species.tolist(), store.identity.tolist())], object)


def n_bonds(store: Store) -> Ints:
    """Count the bonds of every atom, shape (n_atoms,); -1 where they are not known."""
    kinds, of = np.unique(_keys(store).astype(np.str_), return_inverse=True)
    counts = [key.count(",") + 1 if key.startswith("(") else -1 for key in kinds.tolist()]
    return np.array(counts, dtype=np.int64)[of]


def _key(text: str) -> str:
    if text.startswith("("):
        return text[: text.find(")") + 1]
    return ":" + text.rsplit(":", 1)[1] if text.startswith(":") else ""


def _words(kinds: list[str], atoms: Mapping[str, Ints], stores: Sequence[Store]) -> str:
    """Say which atoms of a group are meant."""
    bonded = [_bonded(key) for key in kinds if key.startswith("(")]
    told = ["bonded to " + " or to ".join(bonded)] if bonded else []
    if any(key.startswith(":") for key in kinds):
        held = [store.identity[atoms[store.name]].tolist() for store in stores if store.name in atoms]
        held_names = (i.split(":")[1].split("+") for found in held for i in found if ":" in i and "(" not in i)
        names = sorted({name for some in held_names for name in some}, key=lambda name: (len(name), name))
        told.append("named " + ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else ""))
    return " or ".join([*told, *(["of rare kinds"] if "" in kinds else [])])


def _bonded(key: str) -> str:
    """Write bonded elements with their numbers, "C, 2 H and O"; "others" where they are not known."""
    counts = Counter(key[1:-1].split(",")) if key.startswith("(") else {"others": 1}
    items = [f"{n} {element}" if n > 1 else element for element, n in sorted(counts.items())]
    return listed(items)
