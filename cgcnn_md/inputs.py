"""What a run is made from: noted in its record, told from anything else when it is resumed, and opened again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cgcnn_md.config import Config
from cgcnn_md.errors import BadFrameError, ResumeError
from cgcnn_md.provenance import SAME, fingerprint, plain

if TYPE_CHECKING:
    from cgcnn_md.readers import Reader

_TRAJECTORY, _TOPOLOGY, _BOTH = "trajectory", "topology", "trajectory and topology"


def taken_from(readers: Sequence[Reader]) -> dict[str, Any]:
    """Note what systems are read from.

    Parameters
    ----------
    readers
        The systems.

    Returns
    -------
    dict
        `inputs`: the fingerprints of each system's files, each with its `role`; `in_memory`: the hash of each system
        that has no files.
    """
    return {
        "inputs": {reader.name: _files(reader) for reader in readers},
        "in_memory": {reader.name: _hash(reader) for reader in readers if not reader.sources},
    }


def require_same(record: Mapping[str, Any], now: Mapping[str, Any], where: Path) -> None:
    """Refuse to go on with what was made from something else.

    Parameters
    ----------
    record
        What ``run.json`` holds; nothing is refused where it holds no inputs.
    now
        As `taken_from` gives it.
    where
        Folder of the run.

    Raises
    ------
    ResumeError
        If files, or what was in memory, are others, or what was in memory was not noted.
    """
    if "inputs" not in record:
        return
    if _what(record["inputs"]) != _what(now["inputs"]):
        msg = f"{where}: was made from other files than those given; pass the same files, or --overwrite"
        raise ResumeError(msg)
    if now["in_memory"] and "in_memory" not in record:
        msg = f"{where}: was made from what was in memory, and does not tell from what; pass --overwrite"
        raise ResumeError(msg)
    if record.get("in_memory", {}) != now["in_memory"]:
        msg = f"{where}: was made from other atoms or frames in memory than those given; pass the same, or --overwrite"
        raise ResumeError(msg)


def open_again(record: Mapping[str, Any], config: Config) -> list[Reader]:
    """Open the files of a run again, each in the role that it had.

    Parameters
    ----------
    record
        What ``run.json`` holds.
    config
        Settings of the run.

    Returns
    -------
    list of Reader
        One for each system; empty where a file is gone, or is another now.
    """
    from cgcnn_md.readers import open_systems

    systems: dict[str, list[dict[str, Any]]] = record.get("inputs", {})
    files = [file for of_system in systems.values() for file in of_system]
    if not files or not all(Path(file["path"]).is_file() for file in files):
        return []
    if any(fingerprint(Path(file["path"]))[SAME] != file[SAME] for file in files):
        return []
    if not all("role" in file for file in files):  # of an earlier version
        return open_systems([file["path"] for file in files], None, config.read, level=config.model.level)
    readers: list[Reader] = []
    try:
        for name, of_system in systems.items():
            trajectories = [file["path"] for file in of_system if file["role"] != _TOPOLOGY]
            topology = next(file["path"] for file in of_system if file["role"] != _TRAJECTORY)
            readers += open_systems(trajectories, topology, config.read, level=config.model.level)
            readers[-1].name = name  # which tells it from others whose files are called alike
    except BaseException:
        for reader in readers:
            reader.close()
        raise
    return readers


def _files(reader: Reader) -> list[dict[str, Any]]:
    """Give name, size, hash and role of each file of a system."""
    runs, sources = set(reader.run_names), reader.sources
    # one of several runs that describe themselves says what the atoms are: they all say the same
    topology = next((path for path in sources if path not in runs), sources[0] if sources else "")
    found = []
    for path in sources:
        role = _TRAJECTORY if path != topology else _BOTH if path in runs else _TOPOLOGY
        found.append({**fingerprint(Path(path)), "role": role})
    return found


def _hash(reader: Reader) -> str:
    """Hash what tells a system in memory from others: its atoms, its frames' numbers, the first and the last frame."""
    groups = reader.groups
    words = [reader.species, reader.dt, groups.names, groups.identity.names, reader.types]
    digest = hashlib.sha256(json.dumps(words, default=plain).encode())
    numbers = (
        reader.environment_index, reader.species_codes, groups.atoms, groups.group, groups.identity.codes,
        reader.runs, reader.frame_numbers,
    )  # fmt: skip
    for array in numbers:
        digest.update(np.asarray(array, dtype=np.int64).tobytes())
    for position in (0, len(reader) - 1):
        with suppress(BadFrameError):  # left out by whoever embeds
            frame = reader[position]
            for values in (frame.positions, frame.cell, frame.pbc):
                digest.update(np.asarray(values, dtype=np.float64).tobytes())
    return digest.hexdigest()


def _what(inputs: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, list[str]]:
    """Give what tells the files of every system apart, whatever they are called."""
    return {system: [file[SAME] for file in files] for system, files in inputs.items()}
