"""Training from files to a model with its kinetic maps: lag, held-out time, and what it scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from cgcnn_md.config import Config, TrainConfig, called
from cgcnn_md.kernels.threads import one_torch_thread
from cgcnn_md.nn import Model
from cgcnn_md.progress import Progress
from cgcnn_md.readers import Reader
from cgcnn_md.training.held_out import Cut
from cgcnn_md.training.moments import UNTRAINED_NODES, Moments, choose_cut, choose_lag
from cgcnn_md.training.pairs import PairSampler
from cgcnn_md.training.plan import Plan, common_dt, require_pairs
from cgcnn_md.training.records import EpochRecord
from cgcnn_md.training.states import fit_states
from cgcnn_md.training.trainer import Trainer


def hold_out(
    readers: Sequence[Reader], model: Model, plan: Plan, train: TrainConfig,
    draw: Callable[..., PairSampler], say: Callable[[str], None],
) -> tuple[Callable[..., PairSampler], Moments]:  # fmt: skip
    """Choose the lag, which is set, and where time is held out.

    Returns
    -------
    draw, moments
        What makes the sampler of a view, and the moments of the first view's pairs.
    """
    model.dt = dt = common_dt(readers)
    view, in_time = plan.views[0], "time" in plan.views
    choose = partial(choose_lag, readers, model, validation=train.validation)
    model.lag = plan.lag or choose(draw)
    cut, moments = Cut(), None
    if train.validate_run is None:
        cut, moments = choose_cut(model, partial(draw, view=view, lag=model.lag))
    if cut != Cut():
        say(f"a part of the run has slow motion that the rest has not: {cut} is held out")
        draw, moments = partial(draw, cut=cut), None
        model.lag = plan.lag or choose(draw)
    draw = partial(draw, lag=model.lag)
    if in_time and len(readers) > 1 and not dt > 0:
        steps = ", ".join(f"{r.name} {r.dt:g}" for r in readers)
        say(f"frames are {steps} ps apart: the lag is the same number of frames in each, and no timescale follows")
    lag = f"lag {model.lag} frame{'s' * (model.lag != 1)}" + (f" ({model.lag * dt:g} ps)" if dt > 0 else "")
    if in_time and train.lag is None and train.lag_ps is None:
        say(f"{lag}, chosen from the data")
    elif in_time and train.lag_ps is not None and not np.isclose(model.lag * dt, train.lag_ps, rtol=1e-3):
        say(f"{lag}, the nearest to {train.lag_ps:g} ps that whole frames make")
    return draw, moments or Moments.of(model, draw(view=view), UNTRAINED_NODES)


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
    plan = Plan.of(readers, settings)
    model.encoder.to(plan.device)
    model.view = "+".join(plan.views)
    if plan.titles:
        progress.say(f"held out whole, and not trained on: {', '.join(plan.titles)}")
    draw: Callable[..., PairSampler] = partial(
        PairSampler, readers, model, batch_atoms=settings.batch_atoms, validation=settings.validation,
        held_runs=plan.held_runs,
    )  # fmt: skip
    draw, before = hold_out(readers, model, plan, settings, draw, progress.say)
    samplers = [draw(view=view) for view in plan.views]
    sampler = samplers[0]
    require_pairs(sampler.train, sampler.held_out, model.lag, plan.titles)
    if not sampler.held_out:
        why = "too few frames to hold any out" if settings.validation else "no time is held out"
        progress.say(f"{why}: scores below are of fit, not of prediction")
    n = 16 if config.store.features == "hidden" else int(config.store.features)
    # what training brought is told by what it did not see
    untrained = before.maps(n) if settings.epochs and sampler.held_out else {}
    trainer = Trainer(model, samplers, settings, progress, folder)
    records = trainer.run() if settings.epochs else []
    moments = Moments.of(model, sampler)
    model.maps = moments.maps(n)
    model.provenance["held_out_runs"] = plan.titles
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
        what = f"all {called(config.model.level)} alike, too few to make pairs of, or without neighbours"
        progress.say(f"{', '.join(flat)}: {what}: their embedding is zero")
    model.encoder.eval()
    return records
