"""Print a dictionary of facts on stdout, as tables or as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

UNITS = {"ps", "Å", "s", "MB"}


def show(facts: Mapping[str, Any], *, as_json: bool = False) -> None:
    """Print facts.

    Parameters
    ----------
    facts
        Value by name; a value may be a mapping or a list of mappings, which become tables of their own.
    as_json
        Print JSON instead, with null for what is not finite.
    """
    if as_json:
        print(json.dumps(_plain(facts), indent=2, allow_nan=False, ensure_ascii=False))
        return
    from rich.console import Console

    # wide enough for a path where the output is not a terminal, which is taken as it is
    console = Console(highlight=False)
    _print_facts(console if console.is_terminal else Console(highlight=False, width=160), "", _plain(facts))


def _print_facts(console: Any, title: str, facts: Mapping[str, Any]) -> None:
    """Print the short values of one mapping as a table, then each longer one under its name."""
    from rich.table import Table

    short = {key: value for key, value in facts.items() if not _is_nested(value)}
    if short:
        table = Table(title=title or None, title_justify="left", show_header=False, box=None, pad_edge=False)
        for key, value in short.items():
            table.add_row(_label(key), _text(value))
        console.print(table)
    for key, value in facts.items():
        if not _is_nested(value):
            continue
        if short or key != next(iter(facts)):
            console.print()
        if isinstance(value, dict):
            _print_facts(console, _label(key), value)
        else:
            _print_rows(console, _label(key), value)


def _print_rows(console: Any, title: str, rows: list[dict[str, Any]]) -> None:
    """Print mappings as the rows of one table, or one after the other where they hold tables."""
    from rich.table import Table

    if any(_is_nested(value) for row in rows for value in row.values()):
        for row in rows:
            _print_facts(console, title, row)
        return
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = Table(*columns, title=title, title_justify="left", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(_text(row.get(column)) for column in columns))
    console.print(table)


def _label(key: str) -> str:
    """Write a name for people, its unit apart."""
    name, _, unit = key.rpartition("_")
    return f"{name.replace('_', ' ')} ({unit})" if name and unit in UNITS else key.replace("_", " ")


def _is_nested(value: Any) -> bool:
    """Tell whether a value needs a table of its own."""
    if isinstance(value, dict):
        return bool(value)
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _text(value: Any) -> str:
    """Write one value for people."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        between = "\n" if any(isinstance(item, str) and len(item) > 20 for item in value) else ", "
        return between.join(_text(item) for item in value) or "-"
    return str(value)


def _plain(value: Any) -> Any:
    """Turn numpy values, paths and tuples into what JSON has."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, float):  # numpy's float64 too
        return float(value) if abs(value) < float("inf") else None
    if isinstance(value, str | int | None):
        return value
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    return str(value)
