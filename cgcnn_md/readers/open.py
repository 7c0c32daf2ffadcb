"""The way in: from paths or objects in memory to readers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.config import ATOM, ReadConfig, checked_fields
from cgcnn_md.errors import BadFrameError, CgcnnMdError, InputError, UsageError
from cgcnn_md.readers import grouping, groups, identity, molecules, roles, selection, species, timeline, topology
from cgcnn_md.readers.base import Reader
from cgcnn_md.readers.checks import box_kind, meets_itself, periodic_directions
from cgcnn_md.readers.decoders import MemoryDecoder, WorkerDecoder
from cgcnn_md.readers.prefetch import FrameWorker
from cgcnn_md.readers.source import along_x
from cgcnn_md.readers.third_party import third_party

Path = str | os.PathLike[str]


def open_trajectory(traj: Any, topol: Path | None = None, *, level: str = ATOM, **settings: Any) -> Reader:
    """Open one system.

    Parameters
    ----------
    traj
        Trajectory, several of them (runs of the system), or an MDAnalysis Universe or AtomGroup, or
        ``ase.Atoms``, one or a list.
    topol
        File that says what the atoms are, where the trajectory does not.
    level
        What gets a vector: "atom", "residue", "molecule" or a selection.
    **settings
        Fields of `ReadConfig`.

    Returns
    -------
    Reader
        Its frames; close it, or use it in a ``with`` block.

    Raises
    ------
    UsageError
        If a setting or the roles of the files cannot be right, or they are several systems.
    InputError
        If files cannot be read or do not fit each other.
    """
    known = [field.name for field in fields(ReadConfig)]
    if strange := [name for name in settings if name not in known]:
        raise UsageError(f"setting {', '.join(strange)}: no such setting of reading; choose among {', '.join(known)}")
    config = checked_fields(replace(ReadConfig(), **settings))
    if topol is None and _are_paths(traj) and len(traj) > 1:
        kinds = [roles.classify(path) for path in traj]
        if kinds[0].role == "movie" and all(kind.format == kinds[0].format for kind in kinds):
            topol = traj[0]  # runs that describe themselves
    readers = open_systems(traj, topol, config, level=level)
    if len(readers) > 1:
        for reader in readers:
            reader.close()
        raise UsageError(f"{len(readers)} systems were given; wanted one; use open_systems for several")
    return readers[0]


def open_systems(
    source: Any, topology: Path | None = None, read: ReadConfig | None = None, *, level: str = ATOM
) -> list[Reader]:  # fmt: skip
    """Open one or more systems.

    Parameters
    ----------
    source
        Paths in the order of the command line (``a.xtc b.xtc top.pdb c.xtc top2.pdb``), or one path, or
        an MDAnalysis Universe or AtomGroup, or ``ase.Atoms``, one or a list.
    topology
        Topology of all trajectories in `source`, instead of its last one.
    read
        What is read and which atoms count.
    level
        What gets a vector: "atom", "residue", "molecule" or a selection.

    Returns
    -------
    list of Reader
        One for each system.

    Raises
    ------
    UsageError
        If settings or the roles of the files cannot be right.
    InputError
        If files cannot be read or do not fit each other.
    """
    config = checked_fields(read or ReadConfig())
    periodic_directions(config.pbc)
    if not isinstance(source, str | os.PathLike) and not _are_paths(source):
        return [_in_memory(source, topology, config, level)]
    paths = [source] if isinstance(source, str | os.PathLike) else list(source)
    files = [roles.classify(path) for path in paths]
    systems = [grouping.pair(files, roles.classify(topology))] if topology is not None else grouping.group(files)
    grouping.check_repeats(systems)
    readers: list[Reader] = []
    try:
        for system, name in zip(systems, grouping.named(systems), strict=True):
            readers.append(_from_files(system, name, config, level))
    except BaseException:
        for reader in readers:
            reader.close()
        raise
    return readers


def _are_paths(source: Any) -> bool:
    """Tell a list of paths from a list of Atoms."""
    if not isinstance(source, list | tuple):
        return False
    if not source:
        raise UsageError("no trajectory was given; wanted a path, a Universe, an AtomGroup or ase.Atoms")
    return all(isinstance(item, str | os.PathLike) for item in source)


def _from_files(system: grouping.SystemFiles, name: str, config: ReadConfig, level: str) -> Reader:
    """Open the files of one system in a worker of its own."""
    trajectories = list(system.trajectories)
    described_by_ase = system.topology.backend == "ase"
    files = trajectories + [system.topology] * (described_by_ase and system.topology not in trajectories)
    worker = FrameWorker(files)  # its imports run while the topology is parsed here
    try:
        n_atoms, units, angle = 0, None, None
        if not described_by_ase:
            atoms = topology.of_file(system.topology)
            n_atoms, units, angle = atoms.n_atoms, atoms.units, atoms.angle
        worker.open(n_atoms, units, angle)
        if described_by_ase:
            labels = worker.meta[files.index(system.topology)]["labels"]
            atoms = topology.of_labels(labels, system.topology.path)
        for file, meta in zip(trajectories, worker.meta, strict=False):
            if meta["n_atoms"] != atoms.n_atoms:
                raise InputError(
                    f"{file.path} has {meta['n_atoms']} atoms, {system.topology.path} {atoms.n_atoms}; "
                    "give the topology that the trajectory was written with"
                )
            if described_by_ase and meta["labels"] and meta["labels"] != labels:
                raise InputError(f"{file.path}: its species are not those of {system.topology.path}, in the same order")
        paths = [file.path for file in trajectories]
        decoder = WorkerDecoder(worker, paths)
        metas = worker.meta[: len(trajectories)]
        notes = [*system.notes, *(note for meta in metas for note in meta["notes"])]
        sources = list(dict.fromkeys([*paths, system.topology.path]))
        lengths, has_time = [meta["n_frames"] for meta in metas], [meta["has_time"] for meta in metas]
        return _assemble(name, sources, decoder, atoms, lengths, has_time, config, level, notes)
    except BaseException:
        worker.close()
        raise


def _in_memory(source: Any, top: Path | None, config: ReadConfig, level: str) -> Reader:
    """Read from objects of MDAnalysis or ASE."""
    if top is not None:
        raise UsageError(f"{os.fspath(top)}: a topology is for files; {type(source).__name__} holds its own")
    if hasattr(source, "universe") and hasattr(source, "atoms"):
        from cgcnn_md.readers.mdanalysis import MDAnalysisSource, file_numbers

        universe = source.universe
        with third_party([]):
            frames = MDAnalysisSource(universe.trajectory)
            runs, _ = file_numbers(universe.trajectory)
        group = None if len(source.atoms) == len(universe.atoms) else source.atoms
        lengths = np.bincount(runs).tolist()
        path = getattr(universe.trajectory, "filename", None)
        name = roles.InputFile(path, "mdanalysis", "", "movie").stem if isinstance(path, str) else "frames"
        back = partial(universe.trajectory.__getitem__, universe.trajectory.ts.frame)
        decoder = MemoryDecoder(frames, lengths, [name] * len(lengths), back)
        atoms, times = topology.of_universe(universe), [bool(frames.has_time)] * len(lengths)
        try:
            notes = [*selection.standing(source), *frames.notes]
            return _assemble(name, (), decoder, atoms, lengths, times, config, level, notes, group)
        except BaseException:
            decoder.close()
            raise
    images = [source] if hasattr(source, "get_chemical_symbols") else source
    if not isinstance(images, list | tuple) or not all(hasattr(image, "get_chemical_symbols") for image in images):
        kind = type(source).__name__
        raise UsageError(f"{kind}: wanted a path, a list of paths, a Universe, an AtomGroup or ase.Atoms")
    from cgcnn_md.readers.ase import AtomsSource

    memory = AtomsSource(images)
    atoms = topology.of_labels(memory.labels or [])
    decoder = MemoryDecoder(memory, [memory.n_frames], ["the list of Atoms"])
    return _assemble("frames", (), decoder, atoms, [memory.n_frames], [False], config, level, [])


def _assemble(
    name: str,
    sources: Sequence[str],
    decoder: WorkerDecoder | MemoryDecoder,
    atoms: topology.Topology,
    lengths: list[int],
    has_time: list[bool],
    config: ReadConfig,
    level: str,
    notes: list[str],
    group: Any = None,
) -> Reader:
    """Put species, selections and frames together."""
    periodic = periodic_directions(config.pbc)
    found = _located(name, sources, lambda: species.assign(atoms, config.species_from, config.type_map))
    if atoms.own and selection.is_geometric(config.select, config.environment, level):
        _place(atoms, decoder, periodic)
    layout = selection.lay_out(atoms, found, config.select, config.environment, group)
    layout = selection.keep_level(atoms, layout, level)
    decoder.keep(layout.environment)
    labels = np.where(found.dropped, "", found.labels.astype(str))
    classes = identity.identify(atoms, labels)
    held = molecules.find_molecules(atoms, labels).of(layout.environment)
    inside = classes.of(layout.environment)
    of_targets = inside.of(layout.targets)
    rows, told = _located(name, sources, lambda: groups.find_groups(atoms, labels, layout, level, of_targets))
    seen: dict[tuple[int, int], float | None] = {}

    def time_of(run: int, number: int) -> float | None:
        if (run, number) not in seen:
            (raw,) = decoder.fetch([(run, number)])
            seen[run, number] = None if isinstance(raw, BadFrameError) else raw.time
        return seen[run, number]

    line = timeline.build(lengths, has_time, time_of, config, decoder.paths)
    everything = [*notes, *atoms.notes, *found.notes, *layout.notes, *line.notes, *filter(None, [classes.note]), *told]
    skip = config.on_bad_frame == "skip"
    reader = Reader(
        name, sources, decoder, layout, found, line, inside, held, rows, periodic, skip_bad=skip, notes=everything
    )  # fmt: skip
    first = reader.first()  # before all others, which must be periodic as it is
    if not skip:
        # Truncation shows in the last frame of a run: better now than after an hour of training.
        for position in np.flatnonzero(np.diff(reader.runs, append=-1)):
            reader[int(position)]
    if first is not None and box_kind(first) == "none":
        reader.notes.append("there is no box: the system is taken as not periodic")
    elif first is not None and config.pbc is None and (asked := meets_itself(first)):
        reader.notes.append(asked)
    return reader


def _located(name: str, sources: Sequence[str], work: Any) -> Any:
    """Run something and put the file that it is about before its error."""
    try:
        return work()
    except CgcnnMdError as error:
        raise type(error)(f"{sources[-1] if sources else name}: {error}") from None


def _place(atoms: topology.Topology, decoder: WorkerDecoder | MemoryDecoder, periodic: NDArray[np.bool_]) -> None:
    """Give the Universe the first frame's coordinates, which a geometric selection needs."""
    frame = decoder.whole(0, 0)
    if isinstance(frame, BadFrameError):
        raise frame
    with third_party([]):
        positions, box = frame.positions, None
        if (frame.pbc & periodic).all():
            positions, box = along_x(positions, frame.cell)
        atoms.universe.load_new(positions[None].astype(np.float32), order="fac", dimensions=box)
