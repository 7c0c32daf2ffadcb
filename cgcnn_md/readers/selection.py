"""Which atoms are read and which get an embedding, chosen once, on the first frame or where a Universe stands."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.config import ATOM, MOLECULE, RESIDUE
from cgcnn_md.errors import InputError, UsageError
from cgcnn_md.frame import Floats, Ints
from cgcnn_md.readers.species import Species
from cgcnn_md.readers.third_party import third_party
from cgcnn_md.readers.topology import Topology

_GEOMETRIC = re.compile(
    r"\b(around|sphzone|sphlayer|cyzone|cylayer|isolayer|box|point|prop\s+(abs\s+)?[xyz]|same\s+[xyz]\s+as)\b"
)
_STANDS = "{} is taken as it is at frame {}, for all frames"


@dataclass
class Layout:
    """Atoms of every frame that a reader gives.

    Parameters
    ----------
    environment
        Topology indices of the atoms in a frame, shape (atoms,).
    targets
        Places in the frame of the target atoms, shape (targets,).
    names, resnames, resids
        Of the targets.
    codes
        Species code of every atom in the frame.
    species
        Names of the codes.
    masses
        Of every atom in the frame, in some unit.
    types
        Of the targets; None where the topology holds none.
    notes
        What the user should know.
    """

    environment: Ints
    targets: Ints
    names: NDArray[Any]
    resnames: NDArray[Any]
    resids: NDArray[np.int64]
    codes: NDArray[np.int16]
    species: tuple[str, ...]
    masses: Floats
    types: NDArray[Any] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def atom_index(self) -> Ints:
        """Topology indices of the targets."""
        return self.environment[self.targets]


def is_geometric(*texts: str | None) -> bool:
    """Tell whether a selection depends on coordinates.

    Parameters
    ----------
    *texts
        Selections in MDAnalysis' language.
    """
    return any(text and _GEOMETRIC.search(text) for text in texts)


def standing(source: Any) -> list[str]:
    """Say of an AtomGroup that it would be another in other frames, and which one is taken; nothing where it is not."""
    from MDAnalysis.core.groups import UpdatingAtomGroup

    updating = isinstance(source, UpdatingAtomGroup)
    return [_STANDS.format("the updating AtomGroup", source.universe.trajectory.ts.frame)] if updating else []


def lay_out(
    topology: Topology,
    species: Species,
    select: str | None = None,
    environment: str | None = None,
    group: Any = None,
) -> Layout:
    """Choose environment and target atoms.

    Parameters
    ----------
    topology, species
        Atoms and their species.
    select, environment
        MDAnalysis selections of targets and of possible neighbours; default all.
    group
        AtomGroup that targets are chosen from, instead of all atoms.

    Raises
    ------
    UsageError
        If a selection is not in MDAnalysis' language.
    InputError
        If it selects no atom.
    """
    if topology.own:
        _complete(topology, species)
    notes: list[str] = []
    atoms = topology.universe.atoms
    inside = _chosen(atoms, environment, "environment", notes, topology.n_atoms) & ~species.dropped
    if group is not None and not len(group):
        raise InputError("the AtomGroup is empty; wanted at least one atom")
    chosen = _chosen(atoms if group is None else group, select, "select", notes, topology.n_atoms)
    wanted = chosen & ~species.dropped
    if select is None and group is None:
        wanted &= inside
    outside = int((wanted & ~inside).sum())
    if outside:
        notes.append(f"{outside} target atoms are not in the environment selection; they are added to it")
        inside |= wanted
    if not wanted.any():
        text = select or environment or "all"
        offered = _chosen(atoms if group is None else group, None, "select", notes, topology.n_atoms)
        sites = _sites(topology, chosen & species.dropped)
        hint = _hint(topology, species, offered)
        raise InputError(f"selection {text!r}: no atom of {offered.sum()}{sites}; wanted at least one{hint}")
    index = np.flatnonzero(inside)
    targets = np.flatnonzero(wanted[index])
    labels = species.labels[index].astype(str)
    known, codes = np.unique(labels, return_inverse=True)
    kept = index[targets]
    names = topology.names if topology.names is not None else species.labels.astype(str)
    resnames = topology.resnames if topology.resnames is not None else np.full(topology.n_atoms, "")
    return Layout(
        index.astype(np.int64),
        targets.astype(np.int64),
        np.asarray(names)[kept].astype(str),
        np.asarray(resnames)[kept].astype(str),
        topology.resids[kept],
        codes.astype(np.int16),
        tuple(known.tolist()),
        _masses(topology, index, labels.tolist()),
        None if topology.types is None else topology.types[kept],
        notes,
    )


def _masses(topology: Topology, index: Ints, species: list[str]) -> Floats:
    """Give the masses of some atoms in some unit: as read, else of their elements, else all alike."""
    from ase.data import atomic_masses, atomic_numbers

    if topology.masses is not None and (topology.masses[index] > 0).all():
        return np.asarray(topology.masses[index], dtype=np.float64)
    if set(species) - set(atomic_numbers):
        return np.ones(len(index))
    return np.array([float(atomic_masses[atomic_numbers[name]]) for name in species])


def keep_level(topology: Topology, layout: Layout, level: str) -> Layout:
    """Keep the target atoms of the selection that a level is; all where it is none.

    Parameters
    ----------
    topology
        Atoms.
    layout
        Target atoms so far.
    level
        "atom", "residue", "molecule" or a selection.

    Raises
    ------
    UsageError
        If it is not in MDAnalysis' language.
    InputError
        If it selects no target.
    """
    if level in (ATOM, RESIDUE, MOLECULE):
        return layout
    mask = _chosen(topology.universe.atoms, level, "level", layout.notes, topology.n_atoms)
    kept = mask[layout.atom_index]
    if not kept.any():
        raise InputError(f"level {level!r}: no target atom of {len(kept)}; wanted at least one")
    types = None if layout.types is None else layout.types[kept]
    return replace(
        layout, targets=layout.targets[kept], names=layout.names[kept], resnames=layout.resnames[kept],
        resids=layout.resids[kept], types=types,
    )  # fmt: skip


def _complete(topology: Topology, species: Species) -> None:
    """Let selections use names, types and elements although the file holds none: the species stand in."""
    labels = species.labels.astype(str).astype(object)
    with third_party([]):
        for name in ("names", "types", "elements"):
            if not hasattr(topology.universe.atoms, name):
                topology.universe.add_TopologyAttr(name, labels)


def _chosen(atoms: Any, text: str | None, option: str, notes: list[str], n_atoms: int) -> NDArray[np.bool_]:
    """Evaluate a selection to a mask over the topology."""
    mask = np.zeros(n_atoms, bool)
    if text is None:
        mask[atoms.indices] = True
        return mask
    with third_party(notes):
        try:
            mask[atoms.select_atoms(text).indices] = True
        except Exception as error:  # noqa: BLE001 - MDAnalysis has no one class for bad selections
            reason = " ".join(str(error).split())
            others = "atom, residue, molecule or " if option == "level" else ""
            raise UsageError(
                f"--{option} {text!r}: {reason}; wanted {others}a selection in MDAnalysis' language, e.g. 'element Li'"
            ) from None
    if is_geometric(text):
        notes.append(_STANDS.format(f"{option} {text!r}", atoms.universe.trajectory.ts.frame))
    return mask


def _sites(topology: Topology, chosen: NDArray[np.bool_]) -> str:
    """Say which massless sites are left out of a selection."""
    if not chosen.any():
        return ""
    names = "" if topology.names is None else f" ({_listed(topology.names[chosen])})"
    return f", for the {int(chosen.sum())} massless sites{names} in it are left out"


def _hint(topology: Topology, species: Species, offered: NDArray[np.bool_]) -> str:
    """List what could be selected of the atoms that were offered."""
    atoms = offered & ~species.dropped
    text = f"; there are elements {_listed(species.labels[atoms])}"
    residues = np.empty(0, str) if topology.resnames is None else topology.resnames[atoms]
    return text + (f" and residues {_listed(residues)}" if any(residues) else "")


def _listed(values: NDArray[Any]) -> str:
    """List the distinct values, of many the most frequent."""
    counts = Counter(values.tolist())
    shown = sorted(value for value, _ in counts.most_common(8))
    return ", ".join(shown) + (f" and {len(counts) - 8} more" if len(counts) > 8 else "")
