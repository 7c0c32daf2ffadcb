"""Who is what: the species of every atom, from the surest thing that the input says."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.errors import SpeciesError
from cgcnn_md.readers import masses, names
from cgcnn_md.readers.topology import Topology

_BEAD_SHARE = 0.05
"""Share of atoms without an element from which a system without hydrogen is taken as beads."""


class Kind(NamedTuple):
    """Everything that a topology may say about an atom; atoms alike are resolved once."""

    element: str
    mass: float | None
    name: str
    type: str
    resname: str


class Answer(NamedTuple):
    """A species, and what told it; no label for a massless site."""

    label: str | None
    source: str


@dataclass
class Species:
    """Species of every atom of a topology.

    Parameters
    ----------
    labels
        Species per atom, shape (atoms,); empty for dropped sites.
    dropped
        Massless sites, which are no atoms.
    sources
        What told each species.
    examples
        Some atom names of each species.
    notes
        What the user should know.
    """

    labels: NDArray[Any]
    dropped: NDArray[np.bool_]
    sources: dict[str, str]
    examples: dict[str, tuple[str, ...]]
    notes: list[str] = field(default_factory=list)


def assign(topology: Topology, source: str = "auto", type_map: Mapping[str, str] | None = None) -> Species:
    """Tell the species of every atom: explicit map, then elements, masses, names, bead types.

    Parameters
    ----------
    topology
        Atoms.
    source
        "auto" for that order, or the one thing to use: "element" or "mass"; "name" or "type" take names
        or types as they are, with "type" before a mere number.
    type_map
        Species by atom type or name; comes before all else.

    Raises
    ------
    SpeciesError
        If an atom's species cannot be told.
    """
    kinds, inverse = _kinds(topology)
    counts = np.bincount(inverse, minlength=len(kinds))
    resolver = _Resolver(topology, kinds, counts, source, dict(type_map or {}))
    answers = [resolver.resolve(kind) for kind in kinds]
    unknown = [i for i, answer in enumerate(answers) if answer is None]
    if unknown and source == "auto" and resolver.are_beads(answers):
        answers = [resolver.bead(kind) for kind in kinds]
        unknown = [i for i, answer in enumerate(answers) if answer is None]
    if unknown:
        raise SpeciesError(_refusal([kinds[i] for i in unknown], int(counts[unknown].sum()), source))
    return _collect([answer for answer in answers if answer], kinds, counts, inverse, resolver)


def _kinds(topology: Topology) -> tuple[list[Kind], NDArray[np.intp]]:
    """Find the distinct kinds of atoms and which each atom is."""
    empty = [""] * topology.n_atoms

    def text(values: NDArray[Any] | None) -> list[str]:
        return empty if values is None else [str(value).strip() for value in values]

    mass = [None] * topology.n_atoms if topology.masses is None else [round(float(m), 4) for m in topology.masses]
    rows = zip(
        text(topology.elements),
        mass,
        text(topology.names),
        text(topology.types),
        text(topology.resnames),
        strict=True,
    )
    index: dict[Any, int] = {}
    inverse = np.fromiter((index.setdefault(row, len(index)) for row in rows), np.intp, topology.n_atoms)
    return [Kind(*row) for row in index], inverse


class _Resolver:
    """Answers for one system, whose residues and masses are judged as a whole."""

    def __init__(
        self,
        topology: Topology,
        kinds: list[Kind],
        counts: NDArray[Any],
        source: str,
        type_map: dict[str, str],
    ) -> None:
        self.source, self.type_map, self.counts = source, type_map, counts
        self.siblings: dict[str, set[str]] = defaultdict(set)
        for kind in kinds:
            self.siblings[kind.resname].add(kind.name)
        self.lone = _lone_residues(topology)
        self.bonded = topology.bonds is not None and len(topology.bonds) > 0
        self.has_masses = any(kind.mass for kind in kinds)
        self.scale = masses.judge([(kind.mass, kind.name) for kind in kinds])
        atom_names = {kind.name for kind in kinds}
        # Some writers fill a PDB's element column from bead names: GL1 has none, NC3 becomes nitrogen.
        self.beads_by_name = source == "auto" and names.looks_coarse(atom_names, set())
        by_element = all(names.element(kind.element) or kind.mass == 0 for kind in kinds)
        self.notes = [] if by_element or source not in ("auto", "mass") else self.scale.notes
        self.coarse = self.scale.coarse or (
            not self.scale.usable and names.looks_coarse(atom_names, set(self.siblings))
        )

    def resolve(self, kind: Kind) -> Answer | None:
        """Resolve one kind of atom by the rules asked for; None if nothing tells it."""
        mapped = self._mapped(kind)
        if mapped:
            return mapped
        symbol = None if self.beads_by_name else names.element(kind.element)
        if symbol is None and self._is_site(kind):
            return Answer(None, names.VIRTUAL)
        if self.source in ("name", "type"):
            label = kind.name if self.source == "name" else _called(kind.type)
            return Answer(label, f"atom {self.source}") if label else None
        if symbol and self.source in ("auto", "element"):
            return Answer(symbol, "element")
        if self.source == "element":
            return None
        label_by_mass = self.scale.label(kind.mass)
        if label_by_mass:
            return Answer(label_by_mass, "mass")
        if self.source == "mass":
            return None
        if self.coarse:
            return self.bead(kind)
        named = self._named(kind)
        if named:
            return Answer(named, "atom name")
        return None if kind.name else self.bead(kind)

    def _mapped(self, kind: Kind) -> Answer | None:
        """Look the type, then the name, up in the user's map."""
        for key in (kind.type, kind.name):
            if key and key in self.type_map:
                return Answer(self.type_map[key], "type map")
        return None

    def bead(self, kind: Kind) -> Answer | None:
        """Take the bead's type as its species, or its name where types are mere numbers; "type1" where it has none."""
        mapped = self._mapped(kind)
        if mapped or self._is_site(kind):
            return mapped or Answer(None, names.VIRTUAL)
        if kind.type and not (kind.type.isdigit() and kind.name):
            return Answer(_called(kind.type), "atom type")
        return Answer(kind.name, "atom name as bead") if kind.name else None

    def are_beads(self, answers: list[Answer | None]) -> bool:
        """Tell a coarse-grained system by many atoms without element and none that is hydrogen."""
        lost = sum(count for answer, count in zip(answers, self.counts, strict=True) if answer is None)
        hydrogen = any(answer is not None and answer.label == "H" for answer in answers)
        return not hydrogen and lost >= _BEAD_SHARE * self.counts.sum()

    def _named(self, kind: Kind) -> str | None:
        """Resolve by name and residue."""
        lone = kind.resname in self.lone
        return names.from_name(kind.name, kind.resname, self.siblings[kind.resname], lone) if kind.name else None

    def _is_site(self, kind: Kind) -> bool:
        """Tell a massless site from an atom."""
        site = bool(kind.name) and names.is_virtual_name(kind.name, kind.resname)
        if kind.mass is None or not self.has_masses:
            return site
        if kind.mass != 0:
            return False
        return site or (not self.coarse and self._named(kind) is None)  # a frozen atom keeps its name


def _lone_residues(topology: Topology) -> set[str]:
    """Find the names of residues that hold a single atom each."""
    if topology.resnames is None:
        return set()
    residues = np.asarray(topology.universe.atoms.resindices)
    size = np.bincount(residues)[residues]
    return set(np.unique(topology.resnames).tolist()) - set(np.unique(topology.resnames[size > 1]).tolist())


def _refusal(kinds: list[Kind], count: int, source: str) -> str:
    """Say which atoms are of no known species, and what to do."""
    first = kinds[0]
    what = "names" if first.name else "types"
    keys = sorted({(kind.name or kind.type or "?") for kind in kinds})
    shown = ", ".join(keys[:6]) + (f" and {len(keys) - 6} more" if len(keys) > 6 else "")
    residues = sorted({kind.resname for kind in kinds if kind.resname})
    where = f" in {', '.join(residues[:4])}" if residues else ""
    wanted = "an element or bead for every atom" if source == "auto" else f"a species by {source} for every atom"
    other = "name" if first.name else "type"
    return (
        f"{count} atoms ({what} {shown}{where}) have no known species; wanted {wanted}; pass --type-map "
        f"{keys[0]}=ELEMENT,... or --species-from {other} to take each atom's {other} as its species"
    )


def _collect(
    answers: list[Answer],
    kinds: list[Kind],
    counts: NDArray[Any],
    inverse: NDArray[np.intp],
    resolver: _Resolver,
) -> Species:
    """Spread the answers over the atoms and say where they came from."""
    notes = list(resolver.notes)
    sources: dict[str, set[str]] = defaultdict(set)
    examples: dict[str, list[str]] = defaultdict(list)
    sites: Counter[str] = Counter()
    for answer, kind, count in zip(answers, kinds, counts, strict=True):
        if answer.label is None:
            sites[kind.name or kind.type] += int(count)
            continue
        sources[answer.label].add(answer.source)
        example = kind.name or kind.type or kind.element
        if example not in examples[answer.label] and len(examples[answer.label]) < 5:
            examples[answer.label].append(example)
    if sites:
        which = ", ".join(sorted(name for name in sites if name)) or "unnamed"
        notes.append(f"{sites.total()} massless sites ({which}) are left out")
    if not any(answer.label for answer in answers):
        raise SpeciesError("every atom is a massless site; wanted atoms; pass --species-from name to keep them")
    raw = [label for label, found in sources.items() if found & {"atom type", "atom name as bead"}]
    if raw and resolver.source == "auto":
        which = f" of {', '.join(raw)}" if len(raw) < len(sources) else ""
        notes.append(f"no elements are known{which}: type or bead name is the species; --type-map renames it")
    unused = sorted(set(resolver.type_map) - {key for kind in kinds for key in (kind.type, kind.name)})
    if unused:
        notes.append(f"the type map names {', '.join(unused)}, but no atom has that type or name")
    if not resolver.bonded:
        notes += [
            f"types {', '.join(types)} all have the mass of {label} and are one species; --type-map tells them apart"
            for label, types in examples.items()
            if sources[label] == {"mass"} and len(types) > 1 and all(name.isdigit() for name in types)
        ]
    labels = np.array([answer.label or "" for answer in answers], dtype=object)[inverse]
    dropped = np.array([answer.label is None for answer in answers])[inverse]
    told = {label: ", ".join(sorted(found)) for label, found in sources.items()}
    return Species(labels, dropped, told, {label: tuple(found) for label, found in examples.items()}, notes)


def _called(kind: str) -> str:
    """Give a type a name that reads as one where it is a mere number."""
    return f"type{kind}" if kind.isdigit() else kind
