"""The page: sentences, table of clusters, figures and provenance in one HTML file."""

from __future__ import annotations

import base64
import json
import mimetypes
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cgcnn_md.config import ATOM, called, reword
from cgcnn_md.errors import MissingFileError, StorageError
from cgcnn_md.report.summary import summary_section
from cgcnn_md.report.table import cluster_table
from cgcnn_md.report.trust import trust_section

if TYPE_CHECKING:
    import pandas as pd

NAME = "report.html"

_STYLE = """
:root { --ink: #222; --soft: #666; --line: #ddd; --back: #fff; --shade: #f6f7f9; --accent: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: var(--shade);
  font: 17px/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 70rem; min-height: 100vh; margin: 0 auto; padding: 2.5rem 3rem 4rem;
  background: var(--back); }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .2rem; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .8rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
.source { color: var(--soft); margin: 0 0 1.6rem; overflow-wrap: anywhere; }
.summary { background: var(--shade); border-left: 4px solid var(--accent); padding: .9rem 1.2rem; }
.summary p { margin: .35rem 0; }
.summary ul { margin: 0 0 .9rem; padding-left: 1.2rem; font-size: .95rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .95rem; }
th, td { padding: .4rem .9rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; color: var(--soft); vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
td small { color: var(--soft); }
.chip { display: inline-block; width: .8em; height: .8em; border-radius: 50%; margin-right: .5em; }
.note { color: var(--soft); font-size: .9rem; }
figure { margin: 1.6rem 0; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption { color: var(--soft); font-size: .92rem; margin-top: .4rem; max-width: 48rem; }
table.facts td, table.facts th { text-align: left; vertical-align: top; }
table.facts td { white-space: normal; overflow-wrap: anywhere; }
pre { margin: 0; padding: .8rem 1rem; background: var(--shade); overflow-x: auto; font-size: .82rem;
  line-height: 1.45; }
details summary { cursor: pointer; color: var(--accent); }
@media print { body { background: none; } main { padding: 0; } figure, tr { break-inside: avoid; } }
@media (max-width: 45rem) { main { padding: 1.4rem 1.1rem; } }
"""


def write_report(
    out: str | os.PathLike[str],
    *,
    summary: Sequence[str],
    clusters: pd.DataFrame,
    figures: Sequence[tuple[Path, str]],
    provenance: Mapping[str, Any],
    trust: Mapping[str, Any] | None = None,
    level: str = ATOM,
    title: str = "Local environments",
) -> Path:
    """Write ``report.html``: no script, no network, everything inside.

    Parameters
    ----------
    out
        Folder to write to.
    summary
        What was found, a sentence each.
    clusters
        The table of ``clusters.csv``.
    figures
        Picture files, each with its caption, in order.
    provenance
        Where it comes from: versions, inputs, settings. The names of "inputs" are shown below the title; what is
        nested opens on a click.
    trust
        The record of what the result rests on, as ``run.json`` holds it under `trust`.
    level
        What has a vector: "atom", "residue", "molecule" or a selection.
    title
        Heading of the page.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    MissingFileError
        If a picture is not there.
    StorageError
        If the page cannot be written.
    """
    inputs = provenance.get("inputs", {})
    named = ", ".join(str(file["name"]) for files in inputs.values() for file in files)
    body = [
        f"<h1>{escape(title)}{'' if level == ATOM else f' of {called(level)}'}</h1>",
        f'<p class="source">{escape(named)}</p>' if named else "",
        summary_section(summary, _names(clusters)),
        "<h2>Clusters</h2>",
        reword(cluster_table(clusters), level),
        reword(trust_section(trust), level) if trust else "",
        "<h2>Figures</h2>" if figures else "",
        *(_figure(Path(path), caption) for path, caption in figures),
        "<h2>Provenance</h2>",
        _facts(provenance),
    ]
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in body if part)
        + "\n</main>\n</body>\n</html>\n"
    )
    place = Path(out) / NAME
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(page, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{place}: cannot write the report: {error}; make room or check permissions") from error
    return place


def _names(clusters: pd.DataFrame) -> set[str]:
    """Give the names of species and of groups of atoms."""
    return {str(name) for column in ("group", "species") if column in clusters for name in clusters[column]}


def _figure(path: Path, caption: str) -> str:
    """Put a picture into the page."""
    if not path.is_file():
        raise MissingFileError(f"{path}: no such figure; draw it before the report")
    kind = mimetypes.guess_type(path.name)[0] or "image/png"
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    text = escape(caption)
    return (
        f'<figure><img alt="{escape(caption, quote=True)}" src="data:{kind};base64,{data}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def _facts(facts: Mapping[str, Any]) -> str:
    """Write facts as a table; what is nested opens on a click."""
    rows = "".join(f"<tr><th>{escape(str(key))}</th><td>{_fact(value)}</td></tr>" for key, value in facts.items())
    return f'<table class="facts">{rows}</table>'


def _fact(value: Any) -> str:
    """Write one value."""
    if isinstance(value, Mapping) or (isinstance(value, list | tuple) and any(isinstance(v, Mapping) for v in value)):
        text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
        return f"<details><summary>show</summary><pre>{escape(text)}</pre></details>"
    if isinstance(value, list | tuple):
        return escape(", ".join(map(str, value)))
    return escape(str(value))
