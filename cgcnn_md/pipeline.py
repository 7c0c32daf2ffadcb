"""What the command line and a notebook call: read, train, embed, analyse, report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cgcnn_md.config import ATOM, Config, ReadConfig, in_time, make_config, reword
from cgcnn_md.errors import CgcnnMdError, ResumeError
from cgcnn_md.out_folder import OutFolder
from cgcnn_md.outcome import analyse
from cgcnn_md.progress import Progress, Silent
from cgcnn_md.readers import Reader, describe, open_systems
from cgcnn_md.readers.identity import strangers
from cgcnn_md.steps import announce_compiling, check_model, check_training, check_types, encode_all, trained

if TYPE_CHECKING:
    from cgcnn_md.nn import Model
    from cgcnn_md.results import Embedding

# seconds on two cores: an atom in a training step (more in a box so large that blocks are cut from it), an atom
# embedded, and what does not depend on size
_TRAINED, _CUT, _EMBEDDED, _REST = 8e-6, 2.5, 4e-6, 30.0
Source = Any  # paths, an MDAnalysis Universe or AtomGroup, or a list of ase.Atoms


def embed(
    source: Source, topology: Any = None, *, out: str | Path, config: Config | None = None, resume: bool = False,
    overwrite: bool = False, progress: Progress | None = None, **settings: Any,
) -> Embedding:  # fmt: skip
    """Read, train, embed, cluster, draw and report.

    Parameters
    ----------
    source
        Trajectory file or files (a topology closes a system), a Universe or AtomGroup, or a list of ase.Atoms.
    topology
        Topology of a single system.
    out
        Folder for the results.
    config
        Settings as a record.
    resume
        Go on with what `out` holds, where the settings are the same.
    overwrite
        Replace what `out` holds.
    progress
        Where to say what happens; silent by default.
    **settings
        Any field of `ReadConfig`, `ModelConfig`, `TrainConfig` and `StoreConfig` by its name.

    Returns
    -------
    Embedding
        The opened result.
    """
    config = make_config(config, settings)
    with OutFolder.open(out, "embed", config, resume=resume, overwrite=overwrite) as folder:
        tell = folder.listen(progress or Silent())
        readers = _open(source, topology, config, folder, tell, partial(check_training, tell=tell))
        try:
            model = trained(readers, config, folder, tell)
            encode_all(model, readers, config, folder, tell)
            analyse(folder, readers, config, tell)
        finally:
            _close(readers)
        return folder.result()


def train(
    source: Source, topology: Any = None, *, out: str | Path, config: Config | None = None, resume: bool = False,
    overwrite: bool = False, progress: Progress | None = None, **settings: Any,
) -> Path:  # fmt: skip
    """Train a model only; arguments as for `embed`.

    Returns
    -------
    Path
        The model file.
    """
    config = make_config(config, settings)
    with OutFolder.open(out, "train", config, resume=resume, overwrite=overwrite) as folder:
        tell = folder.listen(progress or Silent())
        readers = _open(source, topology, config, folder, tell, partial(check_training, tell=tell))
        try:
            trained(readers, config, folder, tell)
        finally:
            _close(readers)
        return folder.model


def encode(
    model: str | Path, source: Source, topology: Any = None, *, out: str | Path, config: Config | None = None,
    resume: bool = False, overwrite: bool = False, progress: Progress | None = None, **settings: Any,
) -> Embedding:  # fmt: skip
    """Embed files with a trained model.

    Parameters
    ----------
    model
        A model file, or the folder that holds one.
    source, topology, out, config, resume, overwrite, progress, **settings
        As for `embed`.
    """
    from cgcnn_md.nn import load_model

    config = make_config(config, settings)
    loaded = load_model(model)
    config = replace(config, model=loaded.config)
    with OutFolder.open(out, "encode", config, resume=resume, overwrite=overwrite) as folder:
        if folder.resumed and folder.model.is_file() and not loaded.has_weights_of(load_model(folder.model)):
            msg = f"{folder.path}: was encoded by another model than {model}; pass that one, or --overwrite"
            raise ResumeError(msg)
        tell = folder.listen(progress or Silent())
        readers = _open(source, topology, config, folder, tell, partial(check_model, loaded))
        try:
            announce_compiling(tell)
            for reader in readers:
                if strange := strangers(reader.groups.identity, loaded.identities):
                    tell.say(f"{reader.name}: {reword(strange, loaded.config.level)}")
                if told := _other_lag(loaded, reader):
                    tell.say(told)
            loaded.save(folder.model)
            encode_all(loaded, readers, config, folder, tell)
            analyse(folder, readers, config, tell)
        finally:
            _close(readers)
        return folder.result()


def _other_lag(model: Model, reader: Reader) -> str:
    """Say what the lag of training is in frames that are further apart, or less; nothing where they are not."""
    n, wanted = model.lag_at(reader.dt), model.lag * model.dt
    same = np.isclose(n * reader.dt, wanted, rtol=0.1) or not (reader.dt > 0 and wanted > 0)
    if not in_time(model.view) or (same and n == model.lag):
        return ""
    told = f"{reader.name}: frames are {reader.dt:g} ps apart, so the lag of {wanted:g} ps is {n} of them"
    return told if same else f"{told} ({n * reader.dt:g} ps)"


def info(source: Source, topology: Any = None, *, read: ReadConfig | None = None, scan: bool = True) -> dict[str, Any]:
    """Describe files: frames, time step, box, species, and the first frame that cannot be read."""
    # damage is to be described, not raised
    readers = open_systems(source, topology, replace(read or ReadConfig(), on_bad_frame="skip"))
    try:
        return {r.name: describe(r, scan=scan) for r in readers}
    finally:
        _close(readers)


def dry_run(source: Source, topology: Any = None, *, config: Config | None = None, **settings: Any) -> dict[str, Any]:
    """Say what `embed` would do: frames, atoms, species, box, and about how long and how large."""
    config = make_config(config, settings)
    facts: dict[str, Any] = {}
    readers = open_systems(source, topology, config.read, level=config.model.level)
    try:
        check_training(readers, config, tell=Silent())
        visits = rows = 0
        for reader in readers:
            facts[reader.name] = describe(reader, scan=False)
            if config.model.level != ATOM:
                facts[reader.name]["vectors"] = reader.groups.text()
            visits += len(reader) * len(reader.targets)
            rows += len(reader) * len(reader.groups)
        width = config.model.n_hidden if config.store.features == "hidden" else int(config.store.features)
        size = rows * width * np.dtype(config.store.dtype).itemsize
        train = config.train
        large = max(len(r.targets) for r in readers) > train.batch_atoms
        trained = 2 * train.epochs * train.steps_per_epoch * train.batch_atoms * (_CUT if large else 1.0)
        minutes = (_REST + trained * _TRAINED + visits * _EMBEDDED) / 60
    finally:
        _close(readers)
    facts["would do"] = {
        "atom-frames": visits,
        "embedding": f"at most {size / 1e6:,.1f} MB",
        "time": f"about {max(minutes, 1):.0f} min on two cores, less where training stops early",
    }
    return facts


def _open(
    source: Source, topology: Any, config: Config, folder: OutFolder, tell: Progress,
    check: Callable[[Sequence[Reader], Config], None],
) -> list[Reader]:  # fmt: skip
    """Open the systems, and take the folder where nothing is to be refused."""
    readers = open_systems(source, topology, config.read, level=config.model.level)
    try:
        check(readers, config)
        if config.store.group_by == "type":
            check_types(readers, config)
        folder.inputs(readers)
    except CgcnnMdError:
        _close(readers)
        raise
    for reader in readers:
        for note in reader.notes:
            tell.say(f"{reader.name}: {note}")
        counts = ", ".join(f"{row.species} {row.atoms} (by {row.source})" for row in reader.species_table())
        frames = f"{len(reader)} frame{'s' * (len(reader) != 1)}"
        tell.say(f"{reader.name}: {frames}, {len(reader.targets)} of {reader.n_atoms} atoms, species {counts}")
        if config.model.level != ATOM:
            tell.say(f"{reader.name}: a vector for each of {reader.groups.text()}")
    if config.read.on_bad_frame == "skip":
        from cgcnn_md.embedding import frames_or_holes

        for reader in readers:  # so that training knows which frames to leave out
            for _ in frames_or_holes(reader, range(len(reader)), skip=True):
                pass
    return readers


def _close(readers: Sequence[Reader]) -> None:
    for reader in readers:
        reader.close()
