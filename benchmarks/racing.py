"""What the benchmarks share: a liquid to measure on, turns taken by the rivals, a table and a JSON file."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import torch

from cgcnn_md.frame import Frame

DENSITY = 0.1  # atoms per Å^3, as in water or an organic liquid


def liquid(n: int, *, species: int = 1, skew: float = 0.2, seed: int = 0) -> Frame:
    """Make a dense disordered frame: a jittered lattice whose atoms come in random order."""
    rng = np.random.default_rng(seed)
    length = (n / DENSITY) ** (1 / 3)
    cell = length * np.array([[1.0, 0, 0], [skew, 1.0, 0], [-skew / 2, skew * 0.7, 1.0]])
    m = int(np.ceil(n ** (1 / 3)))
    lattice = np.stack(np.meshgrid(*[np.arange(m)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    scaled = (rng.permutation(lattice)[:n] + rng.normal(0.0, 0.25, (n, 3))) / m
    codes = rng.integers(0, species, n).astype(np.int16)
    return Frame((scaled % 1.0) @ cell, cell, np.ones(3, bool), codes)


def arguments(doc: str | None) -> argparse.Namespace:
    """Read --threads, --repeats and --json, and set the threads."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    numba.set_num_threads(asked.threads)
    return asked


def race(rivals: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Run each rival in turn, once to warm up and then `repeats` times; give the median seconds of each."""
    times: dict[str, list[float]] = {name: [] for name in rivals}
    for turn in range(repeats + 1):
        for name, work in rivals.items():
            began = time.perf_counter()
            work()
            if turn:
                times[name].append(time.perf_counter() - began)
    return {name: float(np.median(taken)) for name, taken in times.items()}


def report(rows: list[dict[str, object]], path: Path | None) -> None:
    """Print rows as a table, and write them as JSON where a path is given."""
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()) + " |")
    if path is not None:
        path.write_text(json.dumps(rows, indent=1) + "\n")


def against(times: dict[str, float], atoms: int, ours: str, **what: object) -> list[dict[str, object]]:
    """Make rows of a race: microseconds an atom, and how many times ours the others take."""
    return [
        {**what, "atoms": atoms, "who": name, "us per atom": 1e6 * taken / atoms, "times ours": taken / times[ours]}
        for name, taken in times.items()
    ]
