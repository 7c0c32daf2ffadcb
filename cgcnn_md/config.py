"""Every setting of a run, as plain records that go to `config.yaml` and into the model file."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, fields, replace
from math import inf, isfinite
from numbers import Integral, Number, Real
from pathlib import Path
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from cgcnn_md.errors import UsageError

VIEWS = ("time", "space", "noise")
PlotForm = Literal["png", "pdf", "svg"]
ExportTo = Literal["ovito", "vmd", "pymol"]
GroupBy = Literal["species", "identity", "type"]
ATOM, RESIDUE, MOLECULE = "atom", "residue", "molecule"
LIMITS: dict[str, tuple[int, float]] = {
    **dict.fromkeys(["k", "width", "layers", "lag", "steps_per_epoch", "batch_atoms", "seeds", "threads"], (1, inf)),
    **dict.fromkeys(["step", "features", "map_points", "points"], (1, inf)),
    "epochs": (0, inf), "states": (2, inf), "dpi": (20, inf),
    "n": (1, 100),  # clusters: borders are drawn between every two
    "seed": (0, 2**31 - 1),  # some draws count on from it, and scikit-learn takes none from 2**32 on
}  # fmt: skip
"""Least and greatest of the whole numbers that settings, and arguments of `cgcnn_md.revisit`, may be."""

_ABOVE_0 = ("cutoff", "learning_rate", "lag_ps", "dt")
_WORDS = {str: "a text", float: "a finite number", list: "a list", dict: "a dict of texts, as {'1': 'Si', '2': 'O'}"}


@dataclass(frozen=True)
class ReadConfig:
    """What is read and which atoms count.

    Parameters
    ----------
    select
        MDAnalysis selection of the target atoms, which get an embedding: the same in all frames, so that what goes by
        coordinates ("around 9 index 256") is chosen once, at the first frame or where a Universe stands.
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


Section = TypeVar("Section", ReadConfig, ModelConfig, TrainConfig, StoreConfig)


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
        If a name is no setting, or a value is none that it can have.
    """
    config = config or Config()
    if settings.get("validate_run") is not None:
        runs = settings["validate_run"]
        settings["validate_run"] = [str(run) for run in ([runs] if isinstance(runs, Integral | str) else runs)]
    for section in fields(config):
        old = getattr(config, section.name)
        own = {f.name: settings.pop(f.name) for f in fields(old) if f.name in settings}
        config = replace(config, **{section.name: checked_fields(replace(old, **own))})
    if settings:
        known = ", ".join(f.name for section in fields(config) for f in fields(getattr(config, section.name)))
        msg = f"setting {', '.join(settings)}: no such setting; choose among {known}"
        raise UsageError(msg)
    _check(config)
    return config


def _check(config: Config) -> None:
    """Refuse what cannot be right."""
    unknown = set(config.train.view.split("+")) - {*VIEWS}
    if config.train.view != "auto" and unknown:
        wanted = f"auto, or {', '.join(VIEWS)} joined by '+'"
        msg = f"view '{config.train.view}': no view {', '.join(sorted(unknown))}; wanted {wanted}"
        raise UsageError(msg)
    if not 0 <= config.train.validation < 1:
        msg = f"validation {config.train.validation}: wanted a share in [0, 1)"
        raise UsageError(msg)


def checked_fields(record: Section) -> Section:
    """Give a record of settings with every value `checked`."""
    hints = get_type_hints(type(record))
    return replace(record, **{name: checked(name, getattr(record, name), hint) for name, hint in hints.items()})


def checked(name: str, value: Any, hint: Any) -> Any:
    """Give a value as one of Python's own, which files can hold, where it was one of numpy's.

    Parameters
    ----------
    name
        Of a setting, or of an argument in `LIMITS`.
    value
        What was given.
    hint
        Type, or types joined by ``|``.

    Raises
    ------
    UsageError
        If it is not of the type, or beyond the limits that belong to the name.
    """
    kinds = [hint] if get_origin(hint) in (None, Literal) else get_args(hint)
    if not any(_is(name, value, kind) for kind in kinds):
        wanted = ", or ".join(_wanted(name, kind) for kind in kinds if kind is not NoneType)
        msg = f"{name} {value!r}: wanted {wanted}"
        raise UsageError(msg)
    return value.item() if isinstance(value, Number | str) and hasattr(value, "item") else value


def _is(name: str, value: Any, kind: Any) -> bool:
    """Tell whether a value is of one type, and within the limits that belong to its name."""
    if get_origin(kind) is Literal:
        return isinstance(value, str) and value in get_args(kind)
    if kind in (int, float):
        numbers: Any = Integral if kind is int else Real
        least, most = LIMITS.get(name, (-inf, inf))
        number = isinstance(value, numbers) and not isinstance(value, bool) and isfinite(value)
        return number and least <= value <= most and (value > 0 or name not in _ABOVE_0)
    if get_origin(kind) is dict:
        return isinstance(value, dict) and all(isinstance(text, str) for text in (*value, *value.values()))
    return isinstance(value, get_origin(kind) or kind)


def _wanted(name: str, kind: Any) -> str:
    """Say what a value of one type may be."""
    if get_origin(kind) is Literal:
        *several, last = get_args(kind)
        return f"one of {', '.join([*several, last])}" if several else repr(last)
    if kind is int:
        least, most = LIMITS.get(name, (-inf, inf))
        within = f" from {least} to {most}" if most < inf else f" of {least} or more" if least > -inf else ""
        return f"a whole number{within}"
    return "a finite number above 0" if name in _ABOVE_0 else _WORDS[get_origin(kind) or kind]


def read_config(path: Path) -> Config:
    """Read the settings back from config.yaml."""
    import yaml

    tree = yaml.safe_load(path.read_text())
    return Config(
        ReadConfig(**tree["read"]), ModelConfig(**tree["model"]), TrainConfig(**tree["train"]),
        StoreConfig(**tree["store"]),
    )  # fmt: skip
