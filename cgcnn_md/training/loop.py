"""Training from files to a model with its kinetic maps: device, views, lag, and what it scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numba
import numpy as np
import torch

from cgcnn_md.config import VIEWS, Config, TrainConfig, called
from cgcnn_md.errors import InputError, UsageError
from cgcnn_md.kernels.threads import one_torch_thread
from cgcnn_md.nn import Model
from cgcnn_md.progress import Progress
from cgcnn_md.readers import Reader
from cgcnn_md.readers.runs import choose_runs, run_titles
from cgcnn_md.training.held_out import Cut
from cgcnn_md.training.moments import UNTRAINED_NODES, Moments, choose_cut, choose_lag
from cgcnn_md.training.pairs import PairSampler
from cgcnn_md.training.records import EpochRecord
from cgcnn_md.training.states import fit_states
from cgcnn_md.training.trainer import Trainer

_THREADS = int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
_FEWEST_FRAMES = 4  # below, a lagged pair cannot be held out


def use_threads(threads: int | None) -> None:
    """Bound the CPU threads of torch and of the compiled loops; None for all."""
    if threads is not None:
        if not 1 <= threads <= _THREADS:
            msg = f"threads {threads}: this machine offers 1 to {_THREADS}; choose among those"
            raise UsageError(msg)
        torch.set_num_threads(threads)
        numba.set_num_threads(threads)


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


def resolve_views(readers: Sequence[Reader], view: str) -> list[str]:
    """Choose the views, that of the maps first; "auto" is `time` where a run has frames enough, else `space`."""
    if view != "auto":
        return [name for name in VIEWS if name in view.split("+")]
    longest = max(int(np.bincount(r.runs - r.runs.min()).max()) for r in readers)
    return ["time" if longest >= _FEWEST_FRAMES else "space"]


def common_dt(readers: Sequence[Reader]) -> float:
    """Give the time between frames in ps that all systems share; nan where they differ or it is unknown."""
    dt = readers[0].dt
    return dt if all(np.isclose(r.dt, dt, rtol=1e-3) for r in readers) else float("nan")


def resolve_lag(
    readers: Sequence[Reader], model: Model, train: TrainConfig, draw: Callable[..., PairSampler]
) -> int:  # fmt: skip
    """Choose the lag in frames: what is asked for in frames or ps, or what the data resolve."""
    dt = common_dt(readers)
    steps = ", ".join(f"{r.name} {r.dt:g}" for r in readers)
    if train.lag_ps is not None and len(readers) > 1 and not dt > 0:
        msg = f"lag {train.lag_ps} ps: frames are {steps} ps apart; give the lag in frames, or one dt in ps"
        raise InputError(msg)
    if train.lag_ps is not None:
        if not dt > 0:
            msg = f"lag {train.lag_ps} ps: the time between frames is unknown; give the lag in frames, or dt in ps"
            raise InputError(msg)
        lag = max(round(train.lag_ps / dt), 1)
    elif train.lag is not None:
        lag = train.lag
    else:
        lag = choose_lag(readers, model, draw, validation=train.validation)
    longest = max(int(np.bincount(r.runs - r.runs.min()).max()) for r in readers)
    if not 1 <= lag < longest:
        msg = f"lag {lag} frames: the longest run has {longest} frames, wanted 1 to {longest - 1}; give another lag"
        raise InputError(msg)
    return lag


def hold_out(
    readers: Sequence[Reader], model: Model, views: Sequence[str], train: TrainConfig,
    draw: Callable[..., PairSampler], say: Callable[[str], None],
) -> tuple[Callable[..., PairSampler], Moments]:  # fmt: skip
    """Choose the lag, which is set, and where time is held out.

    Returns
    -------
    draw, moments
        What makes the sampler of a view, and the moments of the first view's pairs.
    """
    model.dt = dt = common_dt(readers)
    in_time = "time" in views
    model.lag = resolve_lag(readers, model, train, draw) if in_time else 1
    cut, moments = Cut(), None
    if train.validate_run is None:
        cut, moments = choose_cut(model, partial(draw, view=views[0], lag=model.lag))
    if cut != Cut():
        say(f"a part of the run has slow motion that the rest has not: {cut} is held out")
        draw, moments = partial(draw, cut=cut), None
        model.lag = resolve_lag(readers, model, train, draw) if in_time else 1
    draw = partial(draw, lag=model.lag)
    if in_time and len(readers) > 1 and not dt > 0:
        steps = ", ".join(f"{r.name} {r.dt:g}" for r in readers)
        say(f"frames are {steps} ps apart: the lag is the same number of frames in each, and no timescale follows")
    lag = f"lag {model.lag} frame{'s' * (model.lag != 1)}" + (f" ({model.lag * dt:g} ps)" if dt > 0 else "")
    if in_time and train.lag is None and train.lag_ps is None:
        say(f"{lag}, chosen from the data")
    elif in_time and train.lag_ps is not None and not np.isclose(model.lag * dt, train.lag_ps, rtol=1e-3):
        say(f"{lag}, the nearest to {train.lag_ps:g} ps that whole frames make")
    return draw, moments or Moments.of(model, draw(view=views[0]), UNTRAINED_NODES)


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
        Untrained model whose species table covers them; its weights, maps, lag, view and provenance are set.
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
    model.encoder.to(resolve_device(settings.device))
    views = resolve_views(readers, settings.view)
    if settings.states is not None and views[0] != "time":
        msg = (
            f"states {settings.states}: states are told by time, and pairs are made by view '{'+'.join(views)}'; "
            f"give a run of {_FEWEST_FRAMES} frames or more and view time, or leave states out"
        )
        raise UsageError(msg)
    model.view = "+".join(views)
    held_runs = choose_runs(readers, settings.validate_run) if settings.validate_run else None
    titles = run_titles(readers, held_runs) if held_runs else []
    if titles:
        progress.say(f"held out whole, and not trained on: {', '.join(titles)}")
    draw: Callable[..., PairSampler] = partial(
        PairSampler, readers, model, batch_atoms=settings.batch_atoms, validation=settings.validation,
        held_runs=held_runs,
    )  # fmt: skip
    draw, before = hold_out(readers, model, views, settings, draw, progress.say)
    samplers = [draw(view=view) for view in views]
    sampler = samplers[0]
    if not sampler.train:
        msg = f"no pair of frames {model.lag} apart in any run; give a shorter lag, or view 'space'"
        raise InputError(msg)
    if titles and not sampler.held_out:
        msg = f"{', '.join(titles)}: no pair of frames {model.lag} apart; hold out a longer run, or give a shorter lag"
        raise InputError(msg)
    if not sampler.held_out:
        progress.say("too few frames to hold any out: scores below are of fit, not of prediction")
    n = 16 if config.store.features == "hidden" else int(config.store.features)
    untrained = before.maps(n) if settings.epochs else {}
    trainer = Trainer(model, samplers, settings, progress, folder)
    records = trainer.run() if settings.epochs else []
    moments = Moments.of(model, sampler)
    model.maps = moments.maps(n)
    model.provenance["held_out_runs"] = titles
    if settings.states is not None:
        model.states = fit_states(model, sampler, settings.states, seed=settings.seed)
        for name, found in model.states.items():
            least, best = float(found.starts.min()), found.score
            scores = f"{least:.3f} to {best:.3f} of {found.n_states - 1}"
            progress.say(f"{name}: {found.n_states} states, held-out scores of {len(found.starts)} starts {scores}")
    model.provenance |= {"starts": [round(s, 4) for s in trainer.scores], "agreement": trainer.agreement()}
    slowest = moments.slowest()
    model.provenance["scores"] = {
        name: {
            "trained": round(model.maps[name].kept, 4), "untrained": round(untrained[name].kept, 4),
            "slowest": [round(x, 4) for x in slowest[name][0]] if slowest[name] else None,
        }
        for name in untrained
    }  # fmt: skip
    wanted = set().union(*(reader.groups.names.tolist() for reader in readers))
    if flat := [name for name in sorted(wanted) if not model.maps[name].weights.any()]:
        what = f"all {called(config.model.level)} alike, or too few to make pairs of"
        progress.say(f"{', '.join(flat)}: {what}: their embedding is zero")
    model.encoder.eval()
    return records
