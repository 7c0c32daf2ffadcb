"""What a topology says about each atom, and which of it was read rather than guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.errors import CgcnnMdError, InputError, MissingExtraError
from cgcnn_md.readers import amber, lammps
from cgcnn_md.readers.roles import InputFile
from cgcnn_md.readers.third_party import third_party


@dataclass
class Topology:
    """Atoms of a system.

    Parameters
    ----------
    universe
        MDAnalysis Universe that selections are made in.
    n_atoms
        Number of atoms.
    elements, masses, names, types, resnames
        One value an atom, or None where the file does not hold them.
    bonds
        Atoms of each bond that the file holds, shape (n_bonds, 2), or None.
    units
        LAMMPS' name of the units that the file says it is in, or None.
    angle
        All three angles of the box in degrees, where the file says that it is a truncated octahedron, or None.
    own
        Whether the Universe is ours to extend, not the user's.
    notes
        What the user should know.
    """

    universe: Any
    n_atoms: int
    elements: NDArray[Any] | None = None
    masses: NDArray[Any] | None = None
    names: NDArray[Any] | None = None
    types: NDArray[Any] | None = None
    resnames: NDArray[Any] | None = None
    bonds: NDArray[np.int64] | None = None
    units: str | None = None
    angle: float | None = None
    own: bool = True
    notes: list[str] = field(default_factory=list)

    @property
    def resids(self) -> NDArray[np.int64]:
        """Residue number of each atom, 1 where there are none."""
        atoms = self.universe.atoms
        return np.array(atoms.resids if hasattr(atoms, "resids") else np.ones(self.n_atoms), np.int64)


def of_file(file: InputFile) -> Topology:
    """Read a topology by MDAnalysis, without any guess and without its coordinates.

    Parameters
    ----------
    file
        Topology file.

    Raises
    ------
    InputError
        If it cannot be parsed.
    """
    notes: list[str] = []
    with third_party(notes):
        import MDAnalysis
        from MDAnalysis.topology.core import get_parser_for

        options: dict[str, Any] = {}
        columns: tuple[str, ...] | None = None
        if file.format == "DATA" and (style := lammps.atom_style(file.path)):
            options["atom_style"] = style
        if file.format == "LAMMPSDUMP":
            columns = lammps.dump_header(file.path).columns
        try:
            with get_parser_for(file.path, format=file.format)(file.path) as parser:
                universe = MDAnalysis.Universe(parser.parse(**options), to_guess=())
        except CgcnnMdError:
            raise
        except ImportError as error:
            raise MissingExtraError(f"{file.path}: {' '.join(str(error).split())}") from None
        except Exception as error:
            reason = " ".join(str(error).split()) or "no reason given"
            raise InputError(
                f"{file.path}: cannot be read as {file.format} topology: {reason} ({type(error).__name__}); "
                "check or convert the file"
            ) from error
    topology = of_universe(universe)
    topology.own, topology.notes = True, notes
    if file.format == "DATA":
        topology.units = lammps.units(file.path)
        if topology.units is not None and topology.units not in lammps.TIMES:
            said = "their unit of length is called Å in all that follows, and times are not known: --dt"
            notes.append(f"LAMMPS units {topology.units}: {said}")
    if file.format in amber.FORMATS:
        topology.angle = amber.octahedral_angle(file.path)
    if columns is not None:
        if "mass" not in columns:
            topology.masses = None  # MDAnalysis fills in 1.0
        if "type" not in columns:
            topology.types = None
    return topology


def of_universe(universe: Any) -> Topology:
    """Take what a Universe read from its files, and nothing that it guessed.

    Parameters
    ----------
    universe
        MDAnalysis Universe.
    """
    read = {attribute.attrname for attribute in universe._topology.read_attributes}

    def values(name: str) -> NDArray[Any] | None:
        return np.array(getattr(universe.atoms, name)) if name in read else None

    def text(name: str) -> NDArray[Any] | None:
        found = values(name)
        return None if found is None else found.astype(str)

    topology = Topology(universe, len(universe.atoms), own=False)
    topology.elements, topology.names, topology.types = text("elements"), text("names"), text("types")
    topology.resnames, topology.masses = text("resnames"), values("masses")
    if "bonds" in read:
        held = universe._topology.bonds
        pairs = [bond for bond, guessed in zip(held.values, held._guessed, strict=True) if not guessed]
        ends = np.sort(np.array(pairs, dtype=np.int64).reshape(-1, 2), axis=1)
        code = np.unique(ends[:, 0] * topology.n_atoms + ends[:, 1])  # a PDB names each bond twice
        topology.bonds = np.stack(np.divmod(code, topology.n_atoms), axis=1)
    return topology


def of_labels(labels: Sequence[str], path: str = "") -> Topology:
    """Make the topology of a file that holds no more than a label per atom.

    Parameters
    ----------
    labels
        Element symbols, bead names or type numbers.
    path
        Where they come from, for notes.
    """
    from cgcnn_md.readers.names import element

    notes: list[str] = []
    with third_party(notes):
        import MDAnalysis

        universe = MDAnalysis.Universe.empty(len(labels), trajectory=False)
    symbols = {label: element(label) for label in set(labels)}
    if labels and all(label.isdigit() for label in symbols):
        where = Path(path).name
        notes.append(f"{where}: the species column holds numbers; they are taken as atom types, not as elements")
    known = bool(symbols) and all(symbols.values())
    text = np.array(labels).astype(str)
    numeric = bool(notes)
    for name in ("types",) if numeric else ("names", "types"):
        universe.add_TopologyAttr(name, text.astype(object))
    universe.add_TopologyAttr("resids", [1])
    topology = Topology(universe, len(labels), notes=notes)
    topology.types = text if numeric else None
    topology.names = None if numeric else text
    if known:
        topology.elements = np.array([symbols[label] for label in labels]).astype(str)
        universe.add_TopologyAttr("elements", topology.elements.astype(object))
    return topology
