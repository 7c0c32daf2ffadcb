"""The section that says what a result rests on."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any


def trust_section(trust: Mapping[str, Any]) -> str:
    """Write what a result rests on as HTML: two tables and the warnings.

    Parameters
    ----------
    trust
        The record that ``run.json`` holds under `trust`.

    Returns
    -------
    str
        HTML.
    """
    groups = _table(
        (
            "group", "slow coordinates", "effective rank", "kept untrained", "kept trained", "starts agree",
            "halves agree", "surrogates",
        ),
        [
            (
                row["group"], str(row["n_coordinates"]), _number(row["effective_rank"]), _number(row["untrained"]),
                _number(row["trained"]), _number(row["agreement"]), _number(row["stability"]),
                "–" if row["surrogates"] is None else f"{row['surrogates']} of 5",
            )
            for row in trust["groups"]
        ],
    )  # fmt: skip
    clusters = _table(
        ("cluster", "group", "frames", "atoms", "transitions in", "transitions out"),
        [
            tuple(str(row[k]) for k in ("cluster", "group", "frames", "atoms", "entered", "left"))
            for row in trust["clusters"]
        ],
    )
    warnings = "".join(f"<li>{escape(line)}</li>" for line in trust["warnings"])
    held = ", ".join(trust.get("held_out", []))  # older records have none
    starts = ", ".join(f"{score:.3g}" for score in trust["starts"])
    return (
        "<h2>Can this be trusted?</h2>"
        + (f"<ul>{warnings}</ul>" if warnings else "<p>Nothing was found that speaks against it.</p>")
        + groups
        + '<p class="note">Kept: kinetic variance that coordinates keep on time that training did not see, with the '
        "untrained and the trained encoder. Effective rank: how many coordinates share it. Starts agree: share of the "
        "slow coordinates that a shorter training from another start leads to as well. Halves agree: adjusted Rand "
        "index of clusters found on halves of the time and of the atoms. Surrogates: how many data sets with the same "
        "covariance and no structure gave one cluster."
        + (f" Training did not see {escape(held)}." if held else "")
        + "</p>"
        + clusters
        + '<p class="note">Frames and atoms that show the cluster, and how often an atom was seen to enter or leave it.'
        + (f" Held-out scores of the starts of training: {escape(starts)}." if starts else "")
        + "</p>"
    )


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Write a table."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _number(value: float | None) -> str:
    """Write a number, a dash where there is none."""
    return "–" if value is None else f"{value:.3g}"
