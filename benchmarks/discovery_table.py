"""Make the tables and the figure of docs/benchmarks.md from what ``discovery.py --json`` wrote.

    python benchmarks/discovery_table.py JSON [JSON ...] [--figure FILE.png]

A cell is the median over seeds, and in brackets the worst seed where it differs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

METHODS = (
    "cgcnn_md", "untrained", "untrained, PCA", "SOAP", "averaged SOAP", "SOAP + TICA", "Steinhardt",
)  # fmt: skip
SCORES = {
    "ari": "Adjusted Rand index, nothing given, of the atoms that are in a cluster",
    "ari_all": "Adjusted Rand index, nothing given, atoms between clusters with their likeliest",
    "balanced": "Balanced accuracy, nothing given",
    "ari_given": "Adjusted Rand index, number given",
    "ari_given_interface": "Adjusted Rand index, number given, the interface as a label of its own",
    "probe": "Linear probe",
}
Rows = list[dict[str, Any]]


def seeds(rows: Rows, key: str, where: tuple[str, str], method: str) -> list[float]:
    """Give one score of one method on one species, a number a seed."""
    mine = (r for r in rows if (r["set"], r["species"], r["method"]) == (*where, method))
    values = (r.get(key, r["ari"]) for r in mine)  # others leave no atom between clusters
    return [value for value in values if value is not None]


def cell(values: list[float]) -> str:
    """Write median and worst."""
    if not values:
        return "–"
    middle, worst = (f"{round(v, 3) + 0.0:.3f}" for v in (float(np.median(values)), min(values)))  # no -0.00
    return middle if middle == worst else f"{middle} ({worst})"


def places(rows: Rows, key: str) -> list[tuple[str, str]]:
    """Name the species that have a score."""
    return sorted({(r["set"], r["species"]) for r in rows if r.get(key, r["ari"]) is not None})


def tables(rows: Rows) -> None:
    """Print a table a score."""
    for key, title in SCORES.items():
        print(f"\n{title}\n\n| set | species | " + " | ".join(METHODS) + " |\n" + "|---" * (2 + len(METHODS)) + "|")
        for where in places(rows, key):
            cells = (cell(seeds(rows, key, where, method)) for method in METHODS)
            print("| " + " | ".join([*where, *cells]) + " |")


def figure(rows: Rows, path: Path) -> None:
    """Draw the adjusted Rand index with nothing given, where labels are several; a bar reaches to the worst seed."""
    from matplotlib.figure import Figure

    from cgcnn_md.plotting.style import GREY, OKABE_ITO, dress, legend_beside, save_figure

    where = places(rows, "ari_given")
    drawn = Figure(figsize=(13.0, 4.8), layout="constrained")
    ax = drawn.subplots()
    middle: Callable[[list[float]], float] = lambda values: float(np.median(values)) if values else np.nan  # noqa: E731
    marks = []
    for m, method in enumerate(METHODS):
        values = [seeds(rows, "ari", place, method) for place in where]
        x = np.arange(len(where)) + 0.11 * (m - (len(METHODS) - 1) / 2)
        y = np.array([middle(v) for v in values])
        ax.vlines(x, [min(v, default=np.nan) for v in values], y, color=OKABE_ITO[m], linewidth=1.5)
        look = {"markersize": 9, "marker": "D"} if m == 0 else {"markersize": 7, "marker": "o"}
        marks += ax.plot(x, y, linestyle="none", color=OKABE_ITO[m], markeredgecolor="white", **look)
    for border in np.arange(len(where) - 1) + 0.5:
        ax.axvline(border, color=GREY, linewidth=0.8, zorder=0)
    ax.set_xlim(-0.5, len(where) - 0.5)
    ax.set_ylim(-0.05, 1.05)
    dress(ax, y="adjusted Rand index, nothing given")
    ax.set_xticks(range(len(where)), [f"{name}\n{species}" for name, species in where])
    legend_beside(ax, marks, list(METHODS))
    save_figure(drawn, path, dpi=150)


def main() -> None:
    """Merge, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("json", type=Path, nargs="+")
    parser.add_argument("--figure", type=Path)
    asked = parser.parse_args()
    rows: Rows = [row for path in asked.json for row in json.loads(path.read_text())]
    tables(rows)
    if asked.figure:
        figure(rows, asked.figure)


if __name__ == "__main__":
    main()
