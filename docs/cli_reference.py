"""Write the reference of the command line from the commands themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from cgcnn_md.cli import app
from cgcnn_md.cli._flags import PANELS

HEAD = """# Command line

<!-- written by cli_reference.py at every build of these pages: do not edit -->

Trajectory first, topology last. What a command makes goes to stdout (the path of OUT), everything else
to stderr.

| exit code | means |
|---|---|
| 0 | fine |
| 1 | a bug: please report it with the traceback |
| 2 | usage: an option that cannot be right |
| 3 | input that cannot be read or contradicts itself, or a result that cannot be written |
| 4 | a bad frame, with `--on-bad-frame error` |
| 5 | OUT does not match what is asked to resume |
| 6 | an extra is not installed |
| 130 | interrupted; what was done is saved |
"""


BAR = r"\|"  # a bar would end a table's cell


def write(path: Path) -> None:
    """Write the page, unless it is there already and the same."""
    group = typer.main.get_command(app)
    context: Any = group.make_context("cgcnn-md", [], resilient_parsing=True)
    parts = [HEAD]
    for name in group.list_commands(context):
        parts.append(_command(name, group.get_command(context, name), context))
    text = "\n".join(parts)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _command(name: str, command: Any, parent: Any) -> str:
    """Write one command: what it does, its arguments, its options by panel."""
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    usage = " ".join(["cgcnn-md", name, *(str(p.metavar) for p in arguments), "[OPTIONS]"])
    lines = [
        f"## {name}",
        "",
        _prose(command.help),
        "",
        "```",
        usage,
        "```",
        "",
        "| argument | is |",
        "|---|---|",
    ]
    lines += [f"| `{p.metavar}` | {_prose(p.help)} |" for p in arguments]
    for panel in (None, *PANELS):
        rows = [_option(p, parent) for p in options if p.rich_help_panel == panel and "--help" not in p.opts]
        if rows:
            lines += [
                "",
                f"**{panel or 'Options'}**",
                "",
                "| option | is | default |",
                "|---|---|---|",
                *rows,
            ]
    return "\n".join([*lines, ""])


def _option(option: Any, context: Any) -> str:
    """Write one option as a row."""
    names = ", ".join(f"`{name}`" for name in sorted(option.opts, key=len))
    kind = "" if option.is_flag else f" `{option.metavar or option.display_type(context)}`"
    default = (
        "required" if option.required else "" if option.is_flag or option.default is None else f"`{option.default}`"
    )
    return f"| {names}{kind.replace('|', BAR)} | {_prose(option.help)} | {default} |"


def _prose(text: str | None) -> str:
    """Join lines."""
    return " ".join((text or "").split()).replace("|", BAR)
