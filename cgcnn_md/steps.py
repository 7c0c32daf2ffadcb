"""The two steps that take the time: train a model, and embed every frame with it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cgcnn_md.config import ATOM, Config, called
from cgcnn_md.errors import InputError
from cgcnn_md.out_folder import OutFolder
from cgcnn_md.progress import Progress
from cgcnn_md.provenance import versions
from cgcnn_md.readers import Reader
from cgcnn_md.readers.identity import class_counts

if TYPE_CHECKING:
    from cgcnn_md.nn import Model


def announce_compiling(tell: Progress) -> None:
    """Say so where the inner loops have yet to be compiled."""
    from cgcnn_md.kernels import CACHE
    from cgcnn_md.kernels.kept import will_compile

    if will_compile():
        often = (
            "once on this machine" if CACHE else "in every process, since neither the install nor a home can hold them"
        )
        tell.say(f"compiling the inner loops, {often}: about half a minute")


def check_training(readers: Sequence[Reader], config: Config, tell: Progress) -> None:
    """Refuse what no training could follow, before anything is written or replaced; bound the threads.

    Parameters
    ----------
    readers
        The systems.
    config
        All settings.
    tell
        Told where the inner loops have yet to be compiled.

    Raises
    ------
    UsageError, InputError
        If an argument cannot be right, or not for these files.
    """
    from cgcnn_md.training.plan import Plan, require_neighbours, use_threads

    use_threads(config.train.threads)
    Plan.of(readers, config.train)
    announce_compiling(tell)
    require_neighbours(readers, config.model.cutoff)


def check_model(model: Model, readers: Sequence[Reader], config: Config) -> None:
    """Refuse systems that a model does not know, before anything is written or replaced; bound the threads.

    Parameters
    ----------
    model
        The model, which goes to the device asked for.
    readers, config
        As for `check_training`.

    Raises
    ------
    UsageError, SpeciesError
        If there is no such device, or the model never saw a species.
    """
    from cgcnn_md.training.plan import resolve_device, use_threads

    use_threads(config.train.threads)
    model.encoder.to(resolve_device(config.train.device))
    for reader in readers:
        model.codes(reader.species)
        model.rows(reader.groups)


def check_types(readers: Sequence[Reader], config: Config) -> None:
    """Refuse to seek clusters by type where the input tells no types, or what gets a vector is no atom."""
    for reader in readers:
        if reader.types is None or config.model.level != ATOM:
            msg = f"{reader.name}: the input told no type of its {called(config.model.level)}; give group_by species"
            raise InputError(msg)


def trained(readers: Sequence[Reader], config: Config, folder: OutFolder, tell: Progress) -> Model:
    """Train, or take the model that an earlier try has left.

    Parameters
    ----------
    readers
        The systems, which `check_training` has passed.
    config
        All settings.
    folder
        Where model and scores go.
    tell
        Told each step.

    Returns
    -------
    Model
        The model, saved.
    """
    from cgcnn_md.nn import load_model
    from cgcnn_md.training import new_model, train_model
    from cgcnn_md.training.plan import resolve_device
    from cgcnn_md.training.trainer import CHECKPOINT

    if folder.model.is_file():
        tell.say("model is there from before: not trained again")
        model = load_model(folder.model)
        model.encoder.to(resolve_device(config.train.device))
        return model
    began = time.perf_counter()
    model = new_model(readers, config)
    if told := class_counts([r.groups.identity for r in readers], model.identities):
        tell.say(told)
    records = train_model(readers, model, config, tell, folder=folder.path)
    best = max((r.validation for r in records), default=float("nan"))
    model.provenance |= {
        "identity": sorted({r.identity.source for r in readers} - {""}),
        "seed": config.train.seed, "validation_score": best, "epochs": len(records), **versions(),
        "source": [s for r in readers for s in r.sources],
    }  # fmt: skip
    model.save(folder.model)
    (folder.path / CHECKPOINT).unlink(missing_ok=True)
    folder.note(lag_frames=model.lag, view=model.view, training_seconds=round(time.perf_counter() - began, 1))
    return model


def encode_all(
    model: Model, readers: Sequence[Reader], config: Config, folder: OutFolder, tell: Progress
) -> None:  # fmt: skip
    """Embed every system into the store, one group each where there are several.

    Parameters
    ----------
    model
        The model.
    readers, config, folder, tell
        As for `trained`.

    Raises
    ------
    InputError
        If not one frame could be embedded.
    """
    from cgcnn_md.embedding import encode_system

    began = time.perf_counter()
    hidden = config.store.features == "hidden"
    skip = config.read.on_bad_frame == "skip"
    model.encoder.eval()
    embedded, skipped = False, 0
    for reader in readers:
        group = reader.name if len(readers) > 1 else ""
        store = folder.store(model, reader, group, hidden=hidden)
        skipped += encode_system(model, reader, store, tell, hidden=hidden, skip=skip)
        embedded |= bool(store.done.any())
    if not embedded:
        msg = "no frame could be embedded; repair the input"
        raise InputError(msg)
    folder.note(embedding_seconds=round(time.perf_counter() - began, 1), skipped_frames=skipped)
