"""The training loop: cosine schedule, held-out score, best weights kept, early stop."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numba
import numpy as np
import torch

from cgcnn_md.config import Config
from cgcnn_md.errors import InputError, UsageError
from cgcnn_md.nn import Model
from cgcnn_md.objectives import Vamp2
from cgcnn_md.progress import Progress
from cgcnn_md.readers import Reader
from cgcnn_md.training.checkpoint import TrainingState
from cgcnn_md.training.moments import choose_lag, fit_maps, pair_features
from cgcnn_md.training.pairs import PairBatch, PairSampler
from cgcnn_md.training.records import EpochRecord, write_records

CHECKPOINT = "training.safetensors"
_CLIP = 1.0
_THREADS = int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
_PATIENCE = 4  # epochs without a better held-out score
_VALIDATION_NODES = 40_000
_FEWEST_FRAMES = 4  # below, a lagged pair cannot be held out


def use_threads(threads: int | None) -> None:
    """Bound the CPU threads of torch and of the compiled loops; None for all."""
    if threads is not None:
        if not 1 <= threads <= _THREADS:
            msg = f"threads {threads}: this machine offers 1 to {_THREADS}; choose among those"
            raise UsageError(msg)
        torch.set_num_threads(threads)
        numba.set_num_threads(threads)


@contextlib.contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch sum in one order: sums over a batch differ by rounding with its threads, which training amplifies.

    The compiled loops, where most of the time goes, keep their threads: their sums do not depend on them.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def resolve_device(device: str) -> torch.device:
    """Choose where to train: what is asked for, or CUDA where there is one, or the CPU.

    Raises
    ------
    UsageError
        If torch knows no such device, or this machine has none.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as err:
        msg = f"device '{device}': torch cannot use it here ({str(err).splitlines()[0]}); choose auto, cpu or another"
        raise UsageError(msg) from err


def resolve_view(readers: Sequence[Reader], view: str) -> str:
    """Choose the view: `time` where a run has frames enough, else `space`."""
    if view != "auto":
        return view
    longest = max(int(np.bincount(r.runs - r.runs.min()).max()) for r in readers)
    return "time" if longest >= _FEWEST_FRAMES else "space"


def common_dt(readers: Sequence[Reader]) -> float:
    """Give the time between frames in ps that all systems share; nan where they differ or it is unknown."""
    dt = readers[0].dt
    return dt if all(np.isclose(r.dt, dt, rtol=1e-3) for r in readers) else float("nan")


def resolve_lag(readers: Sequence[Reader], model: Model, config: Config, say: Callable[[str], None]) -> int:
    """Choose the lag in frames: what is asked for in frames or ps, or what the data resolve."""
    train = config.train
    dt = common_dt(readers)
    steps = ", ".join(f"{r.name} {r.dt:g}" for r in readers)
    if train.lag_ps is not None and len(readers) > 1 and not dt > 0:
        msg = f"lag {train.lag_ps} ps: frames are {steps} ps apart; give the lag in frames, or one dt in ps"
        raise InputError(msg)
    if len(readers) > 1 and not dt > 0:
        say(f"frames are {steps} ps apart: the lag is the same number of frames in each, and no timescale follows")
    if train.lag_ps is not None:
        if not dt > 0:
            msg = f"lag {train.lag_ps} ps: the time between frames is unknown; give the lag in frames, or dt in ps"
            raise InputError(msg)
        lag = max(round(train.lag_ps / dt), 1)
    elif train.lag is not None:
        lag = train.lag
    else:
        lag = choose_lag(readers, model, batch_atoms=train.batch_atoms, validation=train.validation)
        say(f"lag {lag} frames" + (f" ({lag * dt:g} ps)" if dt > 0 else "") + ", chosen from the data")
    longest = max(int(np.bincount(r.runs - r.runs.min()).max()) for r in readers)
    if not 1 <= lag < longest:
        msg = f"lag {lag} frames: the longest run has {longest} frames, wanted 1 to {longest - 1}; give another lag"
        raise InputError(msg)
    return lag


def _score(model: Model, objective: Vamp2, batches: Sequence[PairBatch]) -> float:
    """Score fixed held-out batches together, so that one small batch does not decide."""
    objective.eval()
    with torch.no_grad():
        ends = [pair_features(model, b) for b in batches]
        x, y = (torch.cat([e[i] for e in ends]).float() for i in range(2))
        species, classes = (
            torch.from_numpy(np.concatenate(of).astype(np.int64)).to(x.device)
            for of in ([b.species for b in batches], [b.classes for b in batches])
        )
        score = float(objective(x, y, species, classes))
    objective.train()
    return score


@one_torch_thread()
def train_model(
    readers: Sequence[Reader], model: Model, config: Config, progress: Progress, *, folder: Path | None = None
) -> list[EpochRecord]:
    """Train a model in place and fit its kinetic maps.

    Parameters
    ----------
    readers
        The systems.
    model
        Untrained model whose species table covers them; its weights, maps, lag and view are set.
    config
        Settings; `config.train` decides.
    progress
        Told the score, the atoms per second and the epochs left.
    folder
        Where ``training.csv`` and, until the end, a checkpoint are written after every epoch; training goes on
        from the checkpoint that it finds there.

    Returns
    -------
    list[EpochRecord]
        One record an epoch; the weights kept are those of the best validation score.
    """
    settings = config.train
    device = resolve_device(settings.device)
    model.encoder.to(device)
    model.view = resolve_view(readers, settings.view)
    model.lag = resolve_lag(readers, model, config, progress.say) if model.view == "time" else 1
    model.dt = common_dt(readers)
    sampler = PairSampler(
        readers, model, view=model.view, lag=model.lag, batch_atoms=settings.batch_atoms,
        validation=settings.validation,
    )  # fmt: skip
    if not sampler.train:
        msg = f"no pair of frames {model.lag} apart in any run; give a shorter lag, or view 'space'"
        raise InputError(msg)
    if not sampler.held_out:
        progress.say("too few frames to hold any out: scores below are of fit, not of prediction")
    records = _optimise(model, sampler, config, device, progress, folder)
    n = settings_features(config)
    model.maps = fit_maps(model, sampler, n)
    wanted = {reader.species[code] for reader in readers for code in np.unique(reader.species_codes[reader.targets])}
    if flat := [name for name in sorted(wanted) if not model.maps[name].weights.any()]:
        progress.say(f"{', '.join(flat)}: all atoms alike, or too few to make pairs of: their embedding is zero")
    model.encoder.eval()
    return records


def settings_features(config: Config) -> int:
    """Coordinates of the kinetic map: as many as are stored, and enough to cluster in."""
    return 16 if config.store.features == "hidden" else int(config.store.features)


def _optimise(
    model: Model, sampler: PairSampler, config: Config, device: torch.device, progress: Progress, folder: Path | None
) -> list[EpochRecord]:
    settings = config.train
    if settings.epochs == 0:
        return []
    objective = Vamp2(model.config.width, len(model.identities)).to(device)
    parameters = [*model.encoder.parameters(), *objective.head.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.epochs * settings.steps_per_epoch)
    mixed = torch.autocast("cuda", dtype=torch.bfloat16) if device.type == "cuda" else contextlib.nullcontext()
    fixed = list(sampler.spread(sampler.held_out or sampler.train, _VALIDATION_NODES, seed=2))
    state = TrainingState(model.encoder, objective, optimiser, schedule, model.lag)
    if folder is not None and state.load(folder / CHECKPOINT):
        progress.say(f"training goes on after epoch {len(state.records)}")
    first = len(state.records) + 1
    progress.start("training", settings.epochs - first + 1)
    for epoch in range(first, settings.epochs + 1):
        if state.stale >= _PATIENCE:
            break
        # a generator of its own for each epoch: a resumed training draws what an unbroken one would have
        rng = np.random.default_rng([settings.seed, epoch])
        began, scores, atoms = time.perf_counter(), [], 0
        for batch in sampler.random(rng, settings.steps_per_epoch):
            with mixed:
                x, y = pair_features(model, batch)
            species, classes = (torch.from_numpy(c.astype(np.int64)).to(device) for c in (batch.species, batch.classes))
            score = objective(x.float(), y.float(), species, classes)
            optimiser.zero_grad()
            (-score).backward()
            torch.nn.utils.clip_grad_norm_(parameters, _CLIP)
            optimiser.step()
            schedule.step()
            scores.append(float(score.detach()))
            atoms += 2 * batch.first.counts[0]
        seconds = time.perf_counter() - began
        rate = float(schedule.get_last_lr()[0])
        validation = _score(model, objective, fixed)
        state.note(EpochRecord(epoch, float(np.mean(scores)), validation, rate, atoms / seconds, seconds))
        progress.advance(loss=-state.records[-1].train, validation=validation, atoms=atoms)
        if folder is not None:
            write_records(folder / "training.csv", state.records)
            state.save(folder / CHECKPOINT)
    progress.finish()
    model.encoder.load_state_dict(state.best)
    return state.records
