"""The table of clusters in HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from cgcnn_md.plotting.style import looks, percent
from cgcnn_md.words import duration

if TYPE_CHECKING:
    import pandas as pd

_COORDINATION = "coordination_"


def cluster_table(clusters: pd.DataFrame) -> str:
    """Write clusters as an HTML table with a note on what the columns mean.

    Parameters
    ----------
    clusters
        The table of ``clusters.csv``.

    Returns
    -------
    str
        HTML.
    """
    if len(clusters) == 0:
        return '<p class="note">No clusters were sought.</p>'
    neighbours = [str(c) for c in clusters.columns if str(c).startswith(_COORDINATION)]
    grouped = "group" in clusters
    heads = ["cluster", "species", *(["group"] if grouped else []), "population", "lifetime", "atom-frames"]
    heads += [f"{name.removeprefix(_COORDINATION)} neighbours" for name in neighbours]
    whose = "group’s" if grouped else "species’"
    style = looks(clusters)
    rows = []
    for row in clusters.to_dict("records"):
        number = int(row["cluster"])
        cells = [
            f'<span class="chip" style="background:{style[number].colour}"></span>{number}',
            escape(str(row["species"])),
            *([escape(str(row["group"]))] if grouped else []),
            population_text(row),
            escape(lifetime_text(row)),
            _count(row.get("n_atom_frames")),
            *(_number(row[name]) for name in neighbours),
        ]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
        f'<p class="note">Population: share of the {whose} atom-frames, with its 95 % interval. Lifetime: '
        "mean stay of an atom; “at least” where none was seen to leave. Neighbours: mean number "
        "inside the first minimum of g(r); a dash where there is no clear first shell, "
        "or most of it is not in direct contact.</p>"
    )


def population_text(row: dict[str, Any]) -> str:
    """Write a population with its interval, as HTML."""
    low, high = (float(row.get(f"population_{end}", np.nan)) for end in ("low", "high"))
    share = escape(percent(float(row["population"])))
    if not np.isfinite(low + high):
        return share
    return f"{share} <small>({100 * low:.3g} to {100 * high:.3g})</small>"


def lifetime_text(row: dict[str, Any]) -> str:
    """Write a lifetime: '12.3 ps', 'at least 40 ps', or a dash where the time step is unknown."""
    lifetime = float(row.get("lifetime_ps", np.nan))
    if np.isfinite(lifetime):
        return duration(lifetime)
    longest = float(row.get("longest_stay_ps", np.nan))
    if np.isnan(lifetime):
        return "–"
    return f"at least {duration(longest)}" if np.isfinite(longest) and longest > 0 else "not left"


def _number(value: Any) -> str:
    """Write a mean number of neighbours."""
    return f"{float(value):.2f}" if np.isfinite(float(value)) else "–"


def _count(value: Any) -> str:
    """Write a count with thin spaces."""
    return "–" if value is None or not np.isfinite(value) else f"{int(value):,}".replace(",", " ")
