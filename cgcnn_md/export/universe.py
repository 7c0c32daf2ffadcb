"""A Universe of what is shown, for the files that MDAnalysis writes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from cgcnn_md.errors import UsageError
from cgcnn_md.export.scene import Scene
from cgcnn_md.frame import Frame
from cgcnn_md.readers.source import along_x

_MOST = 9999.0  # Å, beyond which a PDB file has no room
_ROOM = 4  # letters for a name
_RESIDUES = 9999  # numbers, after which they begin again


def universe_of(scene: Scene) -> Any:
    """Make a Universe of all atoms of a frame, named by their species, in residues that are their molecules."""
    import MDAnalysis
    from ase.data import atomic_numbers

    held, n = scene.reader.molecules, scene.n_atoms
    body = np.where(held.index >= 0, held.index, len(held.index) + np.arange(n))
    _, first, residue = np.unique(body, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))  # residues as they come in the file
    residue, first = order[residue], np.sort(first)
    kinds = ["UNK" if held.kind[atom] < 0 else held.names[held.kind[atom]][:_ROOM].upper() for atom in first]
    universe = MDAnalysis.Universe.empty(n, len(first), atom_resindex=residue, trajectory=True)
    short = {name: _short(name) for name in scene.reader.species}
    element = {name: name if name in atomic_numbers else "" for name in scene.reader.species}
    species = scene.species.tolist()
    for attribute, values in {
        "names": [short[name] for name in species], "types": species, "elements": [element[name] for name in species],
        "resnames": kinds, "resids": np.arange(len(first)) % _RESIDUES + 1, "tempfactors": np.zeros(n),
        "occupancies": np.ones(n),
    }.items():  # fmt: skip
        universe.add_TopologyAttr(attribute, values)
    return universe


def place(universe: Any, frame: Frame) -> None:
    """Move the atoms of a Universe to a frame's places, the first vector of its box turned along x.

    Raises
    ------
    UsageError
        If a coordinate is beyond what a PDB file holds.
    """
    positions, box = frame.positions, None
    if frame.pbc.all():
        positions, box = along_x(positions, frame.cell)
    if np.abs(positions).max(initial=0.0) > _MOST:
        msg = f"frame {frame.number}: an atom is beyond {_MOST:g} Å, where a PDB file has no room; export --to ovito"
        raise UsageError(msg)
    universe.atoms.positions = positions
    universe.dimensions = box


def _short(name: str) -> str:
    """Shorten a name to the room it has, keeping the number at its end: 'type12' is 't12'."""
    number = re.search(r"\d*$", name)
    end = number.group() if number else ""
    return name if len(name) <= _ROOM else (name[: max(_ROOM - len(end), 1)] + end)[:_ROOM]
