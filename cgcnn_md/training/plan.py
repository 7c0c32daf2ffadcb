"""What a training is to do, as far as settings and readers tell it, and what is refused before anything is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
import torch

from cgcnn_md.config import VIEWS, TrainConfig
from cgcnn_md.errors import InputError, UsageError
from cgcnn_md.kernels.neighbours import CellList
from cgcnn_md.readers import Reader
from cgcnn_md.readers.runs import Runs, choose_runs, run_titles
from cgcnn_md.training.held_out import Anchor, Cut, split

_THREADS = int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
_FEWEST_FRAMES = 4  # below, a lagged pair cannot be held out


@dataclass(frozen=True)
class Plan:
    """Where to train, and on which pairs.

    Parameters
    ----------
    device
        Where the encoder is.
    views
        What makes pairs; the first is that of the maps.
    held_runs
        Runs of every system that are held out whole; None for none.
    titles
        What these are called.
    lag
        Frames between both ends of a pair in time, 1 where none is made so; None where the data decide.
    """

    device: torch.device
    views: list[str]
    held_runs: Runs | None
    titles: list[str]
    lag: int | None

    @classmethod
    def of(cls, readers: Sequence[Reader], settings: TrainConfig) -> Plan:
        """Resolve settings.

        Parameters
        ----------
        readers
            The systems.
        settings
            What is asked.

        Raises
        ------
        UsageError
            If there is no such device or run, or states are asked for without time.
        InputError
            If runs are too short for the lag.
        """
        device = resolve_device(settings.device)
        views = _views(readers, settings)
        held_runs = choose_runs(readers, settings.validate_run) if settings.validate_run else None
        titles = run_titles(readers, held_runs) if held_runs else []
        lag = _lag(readers, settings) if "time" in views else 1
        reach = (lag or 1) if views[0] == "time" else 0
        require_pairs(*split(readers, reach, settings.validation, Cut(), held_runs), reach, titles)
        return cls(device, views, held_runs, titles, lag)


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


def common_dt(readers: Sequence[Reader]) -> float:
    """Give the time between frames in ps that all systems share; nan where they differ or it is unknown."""
    dt = readers[0].dt
    return dt if all(np.isclose(r.dt, dt, rtol=1e-3) for r in readers) else float("nan")


def require_pairs(train: Sequence[Anchor], held_out: Sequence[Anchor], reach: int, titles: Sequence[str]) -> None:
    """Refuse to train where no pair of frames is left to train on, or in the runs that are held out whole.

    Parameters
    ----------
    train, held_out
        First ends of the pairs.
    reach
        Frames between both ends.
    titles
        What runs that are held out whole are called.
    """
    if not train:
        msg = f"no pair of frames {reach} apart in any run; give a shorter lag, or view 'space'"
        raise InputError(msg)
    if titles and not held_out:
        msg = f"{', '.join(titles)}: no pair of frames {reach} apart; hold out a longer run, or give a shorter lag"
        raise InputError(msg)


def require_neighbours(readers: Sequence[Reader], cutoff: float) -> None:
    """Refuse a cutoff within which no atom has a neighbour in the first frame of any system."""
    for reader in readers:
        frame = reader.first()
        if frame is None:
            return  # what is wrong with it is told where it is read to train on
        if np.isfinite(CellList.of(frame, 1).nearest(1, cutoff=cutoff, centres=reader.targets)[1]).any():
            return
    names = sorted({reader.species[code] for reader in readers for code in reader.species_codes[reader.targets]})
    msg = (
        f"cutoff {cutoff:g} Å: no atom of the first frame ({', '.join(names)}) has a neighbour so near; "
        "lengths are in Å, not nm: give a larger cutoff"
    )
    raise InputError(msg)


def _views(readers: Sequence[Reader], settings: TrainConfig) -> list[str]:
    """Choose the views, that of the maps first; "auto" is `time` where a run has frames enough, else `space`."""
    longest = _longest(readers)
    if settings.view == "auto":
        views = ["time" if longest >= _FEWEST_FRAMES else "space"]
    else:
        views = [name for name in VIEWS if name in settings.view.split("+")]
    if settings.states is not None and views[0] != "time":
        msg = (
            f"states {settings.states}: states are told by time, and pairs are made by view '{'+'.join(views)}'; "
            f"give a run of {_FEWEST_FRAMES} frames or more and view time, or leave states out"
        )
        raise UsageError(msg)
    if "time" in views and longest < 2:
        msg = f"view '{settings.view}': every run has one frame, and pairs in time need two; give view space or noise"
        raise InputError(msg)
    return views


def _lag(readers: Sequence[Reader], settings: TrainConfig) -> int | None:
    """Give the lag in frames that is asked for in frames or ps; None where the data decide."""
    dt, lag = common_dt(readers), settings.lag
    if settings.lag_ps is not None and not dt > 0:
        if len(readers) > 1:
            steps = ", ".join(f"{r.name} {r.dt:g}" for r in readers)
            msg = f"lag {settings.lag_ps} ps: frames are {steps} ps apart; give the lag in frames, or one dt in ps"
        else:
            msg = f"lag {settings.lag_ps} ps: the time between frames is unknown; give the lag in frames, or dt in ps"
        raise InputError(msg)
    if settings.lag_ps is not None:
        lag = max(round(settings.lag_ps / dt), 1)
    longest = _longest(readers)
    if lag is not None and not 1 <= lag < longest:
        msg = f"lag {lag} frames: the longest run has {longest} frames, wanted 1 to {longest - 1}; give another lag"
        raise InputError(msg)
    return lag


def _longest(readers: Sequence[Reader]) -> int:
    """Count the frames of the longest run."""
    return max(int(np.bincount(r.runs - r.runs.min()).max()) for r in readers)
