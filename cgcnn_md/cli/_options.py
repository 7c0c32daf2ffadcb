"""Turn flags into a `Config`, and give a command the flags of the settings that it uses."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from cgcnn_md.cli._flags import FLAGS, MACHINE, OUTPUT, PANELS, Flag
from cgcnn_md.config import LIMITS, Config, ModelConfig, ReadConfig, StoreConfig, TrainConfig

SECTIONS: dict[str, type] = {
    "read": ReadConfig,
    "model": ModelConfig,
    "train": TrainConfig,
    "store": StoreConfig,
}
PS = {"fs": 1e-3, "ps": 1.0, "ns": 1e3, "us": 1e6}

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="TRAJ... [TOPOL]",
        show_default=False,
        help="Trajectories, then their topology, where they need one. Several trajectories before one "
        "topology are runs of one system; a topology closes a system, and another may follow.",
    ),
]
Result = Annotated[Path, typer.Argument(metavar="OUT", show_default=False, help="Folder that `embed` wrote.")]
Out = Annotated[
    Path,
    typer.Option("-o", "--out", metavar="OUT", show_default=False, help="Folder to write.", rich_help_panel=OUTPUT),
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on where an interrupted run into OUT stopped.", rich_help_panel=OUTPUT),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what OUT holds.", rich_help_panel=OUTPUT)]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Say what would be done and what it would take; write nothing.",
        rich_help_panel=OUTPUT,
    ),
]
Quiet = Annotated[
    bool, typer.Option("-q", "--quiet", help="No progress, only errors and notes.", rich_help_panel=MACHINE)
]


def settings(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace a command's `config` parameter by one flag for each setting.

    Parameters
    ----------
    *names
        Panels (all their settings) or single settings that the command uses.

    Returns
    -------
    callable
        Decorator; the command it makes has the flags, and calls the function with a `Config`.
    """
    chosen = {key: flag for key, flag in FLAGS.items() if key in names or flag.panel in names}

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(function, eval_str=True).parameters.values() if p.name != "config"]
        flags = [_parameter(key, flag) for key, flag in chosen.items()]
        parameters = sorted([*own, *flags], key=_rank)

        @wraps(function)
        def command(**values: Any) -> None:
            config = to_config({key: values.pop(key) for key in chosen})
            function(**values, config=config)

        command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # typer reads it
            [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
        )
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        return command

    return decorate


def to_config(values: dict[str, Any]) -> Config:
    """Build the settings from the values of flags.

    Parameters
    ----------
    values
        Value by setting; texts (`lag`, `features`, `type_map`) as they were typed.

    Returns
    -------
    Config
        Settings, with the defaults of `cgcnn_md.config` for all that is not given.

    Raises
    ------
    typer.BadParameter
        If a text cannot be understood.
    """
    values = dict(values)
    if values.get("lag") is not None:
        values.update(parse_lag(values["lag"]))
    if "validate_run" in values:
        values["validate_run"] = values["validate_run"] or None
    if "features" in values:
        values["features"] = parse_features(values["features"])
    if values.get("type_map") is not None:
        values["type_map"] = parse_type_map(values["type_map"])
    return Config(
        **{
            section: record(**{f.name: values[f.name] for f in fields(record) if f.name in values})
            for section, record in SECTIONS.items()
        }
    )


def parse_lag(text: str) -> dict[str, int | float | None]:
    """Read a lag: a number of frames, or a time with its unit.

    Parameters
    ----------
    text
        As typed.

    Returns
    -------
    dict
        Values of the settings `lag` (frames) and `lag_ps` (ps), one of them None.

    Raises
    ------
    typer.BadParameter
        If it is neither, or not above zero.

    Examples
    --------
    >>> parse_lag("10"), parse_lag("0.5 ns")
    ({'lag': 10, 'lag_ps': None}, {'lag': None, 'lag_ps': 500.0})
    """
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*([a-z]*)", text.strip().lower())
    number, unit = (float(match[1]), match[2]) if match else (0.0, "")
    if number > 0 and unit in PS:
        return {"lag": None, "lag_ps": number * PS[unit]}
    if number >= 1 and number.is_integer() and unit in {"", "frame", "frames"}:
        return {"lag": int(number), "lag_ps": None}
    raise typer.BadParameter(
        f"got {text!r}, wanted a whole number of frames ('10') or a time with its unit ('5ps', '0.1ns')",
        param_hint="--lag",
    )


def parse_features(text: str) -> Any:
    """Read the number of features to store, or the word `hidden`."""
    if text == "hidden":
        return text
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise typer.BadParameter(f"got {text!r}, wanted a whole number above 0, or 'hidden'", param_hint="--features")


def parse_type_map(text: str) -> dict[str, str]:
    """Read species by type from text.

    Examples
    --------
    >>> parse_type_map("1=Si, 2=O")
    {'1': 'Si', '2': 'O'}
    """
    pairs = [item.partition("=") for item in text.split(",") if item.strip()]
    species_of = {kind.strip(): species.strip() for kind, _, species in pairs}
    if not species_of or not all(species_of) or any(not s or "=" in s for s in species_of.values()):
        raise typer.BadParameter(
            f"got {text!r}, wanted TYPE=SPECIES pairs with commas between, as '1=Si,2=O'",
            param_hint="--type-map",
        )
    return species_of


def _parameter(key: str, flag: Flag) -> inspect.Parameter:
    """Make the parameter that typer turns into the flag of one setting."""
    record = next(r for r in SECTIONS.values() if key in {f.name for f in fields(r)})
    default = getattr(record(), key)
    hint = get_type_hints(record)[key]
    if flag.text is not None:
        hint = str | None if type(None) in get_args(hint) else str
        default = None if default is None else str(default)
    option = typer.Option(*flag.names, metavar=flag.text, help=flag.help, rich_help_panel=flag.panel, **limits(key))
    return inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[hint, option])


def limits(name: str) -> dict[str, Any]:
    """Give the `min` and `max` of a flag that a setting, or an argument of `cgcnn_md.revisit`, has."""
    return {key: bound for key, bound in zip(("min", "max"), LIMITS.get(name, ())) if math.isfinite(bound)}


def _rank(parameter: inspect.Parameter) -> int:
    """Place arguments first, then the panels in their order."""
    panel = getattr(parameter.annotation.__metadata__[0], "rich_help_panel", None)
    return PANELS.index(panel) + 1 if panel in PANELS else 0
