"""Every setting of a run, as plain records that go to `config.yaml` and into the model file."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, fields, replace
from numbers import Real
from pathlib import Path
from typing import Any, Literal, get_args

from cgcnn_md.errors import UsageError

VIEWS = ("time", "space", "noise")
PlotForm = Literal["png", "pdf", "svg"]
ExportTo = Literal["ovito", "vmd", "pymol"]
GroupBy = Literal["species", "identity", "type"]
ATOM, RESIDUE, MOLECULE = "atom", "residue", "molecule"


@dataclass(frozen=True)
class ReadConfig:
    """What is read and which atoms count.

    Parameters
    ----------
    select
        MDAnalysis selection of the target atoms, which get an embedding.
    environment
        MDAnalysis selection of the atoms that may be neighbours; default all.
    start, stop, step
        Frames, as in a Python slice.
    begin, end
        First and last time in ps; `end` is included.
    dt
        Time between stored frames in ps, where the file does not hold it.
    species_from
        Where species come from: "auto", "element", "mass", "name" or "type".
    type_map
        Species by atom type or name, e.g. ``{"1": "Si", "2": "O"}``.
    pbc
        Directions (of the box's vectors, called x, y and z) in which it repeats, as "xy", or "none", where the file
        would have it that all do; None takes the file's word.
    on_bad_frame
        What to do at a frame that cannot be read: "error" or "skip".
    """

    select: str | None = None
    environment: str | None = None
    start: int | None = None
    stop: int | None = None
    step: int | None = None
    begin: float | None = None
    end: float | None = None
    dt: float | None = None
    species_from: Literal["auto", "element", "mass", "name", "type"] = "auto"
    type_map: dict[str, str] | None = None
    pbc: str | None = None
    on_bad_frame: Literal["error", "skip"] = "error"


@dataclass(frozen=True)
class ModelConfig:
    """Shape of the graphs and of the encoder.

    Parameters
    ----------
    k
        Neighbours per atom.
    cutoff
        Largest neighbour distance in Å.
    width
        Hidden features per atom.
    layers
        Gated convolutions, hence hops that an atom sees.
    level
        What gets a vector: "atom", "residue", "molecule" (what bonds hold together), or an MDAnalysis selection, of
        which every piece that bonds hold together is one.
    """

    k: int = 20
    cutoff: float = 10.0
    width: int = 64
    layers: int = 3
    level: str = ATOM

    @property
    def n_hidden(self) -> int:
        """Features that the encoder gives: of a group, a mean and a weighted mean of its atoms' side by side."""
        return self.width if self.level == ATOM else 2 * self.width


@dataclass(frozen=True)
class TrainConfig:
    """How the encoder is trained.

    Parameters
    ----------
    objective
        What is made large: "vamp2", "vicreg" or "infonce".
    view
        What makes a pair: "time", "space", "noise", several joined by "+", or "auto" for time where there are frames
        enough.
    lag
        Lag in frames; None lets the data choose.
    lag_ps
        Lag in ps, instead of `lag`.
    epochs
        Largest number of epochs; training stops early when validation no longer improves.
    steps_per_epoch
        Optimiser steps in an epoch.
    batch_atoms
        Budget of atoms in one view of a batch.
    learning_rate
        Peak of the rate: it rises over the first steps, and falls by a cosine.
    validation
        Share of the frames that is held out: contiguous blocks, the ends of up to three stretches of each run.
    validate_run
        Runs that are held out whole, in place of these ends: numbers (from 1) of files in their systems, or names.
    seed
        Seed of weights and sampling.
    seeds
        Starts that are tried for two epochs; the best on held-out time is trained on.
    device
        "auto", "cpu", "cuda" or any torch device.
    threads
        CPU threads; None for all.
    states
        Soft states per species that are trained on the slow coordinates and taken for its clusters; None for none.
    """

    objective: Literal["vamp2", "vicreg", "infonce"] = "vamp2"
    view: str = "auto"
    lag: int | None = None
    lag_ps: float | None = None
    epochs: int = 12
    steps_per_epoch: int = 40
    batch_atoms: int = 4000
    learning_rate: float = 3e-3
    validation: float = 0.3
    validate_run: list[str] | None = None
    seed: int = 0
    seeds: int = 2
    device: str = "auto"
    threads: int | None = None
    states: int | None = None


@dataclass(frozen=True)
class StoreConfig:
    """What is written.

    Parameters
    ----------
    features
        Slow coordinates stored per atom, or "hidden" for the encoder's raw features.
    dtype
        "float32" or "float16".
    map_points
        Atom-frames drawn in the 2-D map.
    group_by
        Atoms among which clusters are sought: those of a species (kinds apart, where they live in different clusters),
        of an identity class, or of a topology type.
    """

    features: int | Literal["hidden"] = 16
    dtype: Literal["float32", "float16"] = "float32"
    map_points: int = 5000
    group_by: GroupBy = "species"


@dataclass(frozen=True)
class Config:
    """All settings of one run."""

    read: ReadConfig = field(default_factory=ReadConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    store: StoreConfig = field(default_factory=StoreConfig)

    def to_dict(self) -> dict[str, Any]:
        """Give the settings as nested plain types, for YAML or JSON."""
        return asdict(self)


def in_time(view: str) -> bool:
    """Tell whether pairs were made by time, which a lag and timescales follow from, perhaps beside other views."""
    return view.startswith(VIEWS[0])


def called(level: str) -> str:
    """Name what gets a vector at a level: "atoms", "residues", "molecules" or "fragments"."""
    return f"{level}s" if level in (ATOM, RESIDUE, MOLECULE) else "fragments"


def reword(text: str, level: str) -> str:
    """Say of molecules, residues or fragments what is worded for atoms.

    Examples
    --------
    >>> reword("an atom of 3 atoms, 5 atom-frames", "molecule")
    'a molecule of 3 molecules, 5 molecule-frames'
    """
    if level == ATOM:
        return text
    return re.sub(r"\b(an )?atom(s?)\b", lambda m: f"{'a ' if m[1] else ''}{called(level)[:-1]}{m[2]}", text)


def make_config(config: Config | None, settings: dict[str, Any]) -> Config:
    """Join a configuration with settings given by their own names.

    Raises
    ------
    UsageError
        If a name is no setting.
    """
    config = config or Config()
    if settings.get("validate_run") is not None:
        runs = settings["validate_run"]
        settings["validate_run"] = [str(run) for run in ([runs] if isinstance(runs, int | str) else runs)]
    for section, kind in (
        ("read", ReadConfig),
        ("model", ModelConfig),
        ("train", TrainConfig),
        ("store", StoreConfig),
    ):
        own = {f.name: settings.pop(f.name) for f in fields(kind) if f.name in settings}
        config = replace(config, **{section: replace(getattr(config, section), **own)})
    if settings:
        known = ", ".join(f.name for k in (ReadConfig, ModelConfig, TrainConfig, StoreConfig) for f in fields(k))
        msg = f"setting {', '.join(settings)}: no such setting; choose among {known}"
        raise UsageError(msg)
    _check(config)
    return config


def _check(config: Config) -> None:
    """Refuse what cannot be right."""
    if config.store.group_by not in get_args(GroupBy):
        msg = f"group_by {config.store.group_by}: wanted one of {', '.join(get_args(GroupBy))}"
        raise UsageError(msg)
    positive: dict[str, Any] = {
        "k": config.model.k, "cutoff": config.model.cutoff, "width": config.model.width,
        "layers": config.model.layers, "batch_atoms": config.train.batch_atoms,
        "steps_per_epoch": config.train.steps_per_epoch, "learning_rate": config.train.learning_rate,
        "lag": config.train.lag, "lag_ps": config.train.lag_ps, "step": config.read.step, "dt": config.read.dt,
        "seeds": config.train.seeds, "threads": config.train.threads, "map_points": config.store.map_points,
        "features": None if config.store.features == "hidden" else config.store.features,
    }  # fmt: skip
    for name, value in positive.items():
        if value is not None and not (_is_number(value) and value > 0):
            msg = f"{name} {value}: wanted a number above 0"
            raise UsageError(msg)
    if config.train.states is not None and config.train.states < 2:
        msg = f"states {config.train.states}: wanted 2 or more"
        raise UsageError(msg)
    unknown = set(config.train.view.split("+")) - {*VIEWS}
    if config.train.view != "auto" and unknown:
        wanted = f"auto, or {', '.join(VIEWS)} joined by '+'"
        msg = f"view '{config.train.view}': no view {', '.join(sorted(unknown))}; wanted {wanted}"
        raise UsageError(msg)
    epochs: Any = config.train.epochs
    validation: Any = config.train.validation
    if not (_is_number(epochs) and _is_number(validation)) or epochs < 0 or not 0 <= validation < 1:
        msg = f"epochs {epochs}, validation {validation}: wanted >= 0, and a share in [0, 1)"
        raise UsageError(msg)


def _is_number(value: object) -> bool:
    return isinstance(value, Real)


def read_config(path: Path) -> Config:
    """Read the settings back from config.yaml."""
    import yaml

    tree = yaml.safe_load(path.read_text())
    return Config(
        ReadConfig(**tree["read"]), ModelConfig(**tree["model"]), TrainConfig(**tree["train"]),
        StoreConfig(**tree["store"]),
    )  # fmt: skip
