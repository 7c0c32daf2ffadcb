"""Which files make a system: trajectories first, the topology that closes it last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cgcnn_md.errors import UsageError
from cgcnn_md.readers.roles import InputFile


@dataclass(frozen=True)
class SystemFiles:
    """The files of one system.

    Parameters
    ----------
    trajectories
        One a run.
    topology
        File that says what the atoms are; may be the only trajectory itself.
    notes
        What the user should know about the roles.
    """

    trajectories: tuple[InputFile, ...]
    topology: InputFile
    notes: tuple[str, ...] = field(default=())


def group(files: Sequence[InputFile]) -> list[SystemFiles]:
    """Put files in the order of the command line together to systems: a topology closes a system.

    Parameters
    ----------
    files
        Trajectories, each system's topology after them; or topologies first.

    Raises
    ------
    UsageError
        If a trajectory has no topology or a topology no trajectory.
    """
    first, last = files[0], files[-1]
    dump_last = first.role == "structure" and last.format == "LAMMPSDUMP"
    if len(files) > 1 and (
        (last.role == "trajectory" and first.role != "trajectory") or first.role == "topology" or dump_last
    ):
        return _topology_first(files)
    systems: list[SystemFiles] = []
    pending: list[InputFile] = []
    for i, file in enumerate(files):
        if file.role == "trajectory" or (file.role != "topology" and _waits(file, files[i + 1 :], pending)):
            pending.append(file)
            continue
        if not pending and file.role == "topology":
            raise UsageError(f"{file.path}: holds no coordinates; give its trajectory before it")
        systems.append(SystemFiles(tuple(pending) or (file,), file))
        pending = []
    if pending:
        names = " ".join(file.path for file in pending)
        raise UsageError(
            f"{names}: no topology after it; give a file that says what the atoms are (PDB, GRO, PSF, TPR)"
        )
    return systems


def _waits(file: InputFile, later: Sequence[InputFile], pending: list[InputFile]) -> bool:
    """Tell whether a file that could stand alone is the trajectory of a topology after it."""
    if pending and pending[-1].format != file.format:
        return False
    for other in later:
        if other.format == file.format and file.role == "movie":
            continue
        # a dump knows types at best, a plain xyz no box: a structure after it is its topology
        poor = file.format in ("LAMMPSDUMP", "xyz")
        return other.role == "topology" or (poor and other.role == "structure")
    return False


def _topology_first(files: Sequence[InputFile]) -> list[SystemFiles]:
    """Group files of which each topology comes before its trajectories."""
    groups: list[list[InputFile]] = []
    for file in files:
        joins = file.role == "trajectory"
        if groups and file.role in ("structure", "movie"):
            head, *rest = groups[-1]
            alike = not rest or rest[-1].format == file.format
            joins = alike and (head.role == "topology" or (head.role == "structure" and file.format == "LAMMPSDUMP"))
        if joins:
            groups[-1].append(file)
        else:
            groups.append([file])
    systems = []
    for head, *rest in groups:
        if not rest and head.role == "topology":
            raise UsageError(f"{head.path}: holds no coordinates; give its trajectory before it")
        systems.append(_swapped(rest, head) if rest else SystemFiles((head,), head))
    return systems


def _swapped(trajectories: Sequence[InputFile], topology: InputFile) -> SystemFiles:
    """Make a system whose files came the other way round, with a note."""
    names = ", ".join(Path(file.path).name for file in trajectories)
    note = f"{Path(topology.path).name} is taken as topology of {names}, although it was given first"
    return SystemFiles(tuple(trajectories), topology, (note,))


def pair(trajectories: Sequence[InputFile], topology: InputFile) -> SystemFiles:
    """Make one system of files whose roles were named, swapping them where they cannot be right.

    Parameters
    ----------
    trajectories
        Files given as trajectories.
    topology
        File given as topology.

    Raises
    ------
    UsageError
        If no file says what the atoms are, or none holds coordinates.
    """
    misplaced = [file for file in trajectories if file.role == "topology"]
    if topology.role == "trajectory" and not misplaced:
        misplaced = [file for file in trajectories if file.role != "trajectory"][:1]
    if not misplaced and topology.role == "trajectory":
        raise UsageError(f"{topology.path}: holds coordinates only; wanted a topology (PDB, GRO, PSF, TPR)")
    if not misplaced:
        return SystemFiles(tuple(trajectories), topology)
    rest = [file for file in trajectories if file != misplaced[0]] + [topology]
    if len(misplaced) > 1 or any(file.role == "topology" for file in rest):
        raise UsageError(f"{misplaced[0].path}: holds no coordinates; wanted a trajectory")
    return _swapped(rest, misplaced[0])


def check_repeats(systems: Sequence[SystemFiles]) -> None:
    """Refuse a trajectory that is given twice with the same topology, so that its frames would count twice.

    Parameters
    ----------
    systems
        Systems in order.

    Raises
    ------
    UsageError
        If there is one.
    """
    seen = set()
    for system in systems:
        topology = Path(system.topology.path).resolve()
        for file in system.trajectories:
            pair = Path(file.path).resolve(), topology
            if pair in seen:
                raise UsageError(f"{file.path} is given twice; wanted each trajectory once")
            seen.add(pair)


def named(systems: Sequence[SystemFiles]) -> list[str]:
    """Give every system a name of its own: its first trajectory's stem, with the folder where two are alike.

    Parameters
    ----------
    systems
        Systems in order.
    """
    names = [system.trajectories[0].stem for system in systems]
    folders = [Path(system.trajectories[0].path).resolve().parent.name for system in systems]
    longer = [f"{folder}_{name}" for folder, name in zip(folders, names, strict=True)]
    names = [
        long if names.count(name) > 1 and longer.count(long) == 1 else name
        for name, long in zip(names, longer, strict=True)
    ]
    seen: dict[str, int] = {}
    for i, name in enumerate(names):
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            names[i] = f"{name}_{seen[name]}"
    return names
