"""Measure environments found and vectors made against physical labels, cgcnn_md and its baselines alike.

    python benchmarks/discovery.py DATA [SET ...] [--seeds N] [--only ours|baselines] [--json FILE]

DATA is a folder of sets, each with ``traj*.xtc``, ``topol*.pdb`` and ``labels*.npz`` (`labels`, frames x atoms or
frames x target atoms, -1 = none; `label_names`). Every box of a set is a system of its own in one model, except
in the sets named `nulls` and `water`, whose boxes are run one by one. Labels that name an interface are left out,
but for one score. What is scored how: docs/benchmarks.md; ``discovery_table.py`` makes its tables and its figure.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from baselines import baselines, principal
from labelled import Job, Points, jobs, sample
from scores import Vectors, score

import cgcnn_md
from cgcnn_md.analysis.discover import Coordinates, discover
from cgcnn_md.config import in_time
from cgcnn_md.kinetic_map import read_maps
from cgcnn_md.out_folder import OutFolder
from cgcnn_md.progress import Plain
from cgcnn_md.results import Embedding
from cgcnn_md.store import Store

OURS, UNTRAINED, UNTRAINED_PCA = "cgcnn_md", "untrained", "untrained, PCA"
Row = dict[str, object]


def read(stores: list[Store], points: Points, of: str) -> np.ndarray:
    """Read the stored vectors ("embedding") or labels ("clusters") of some points."""
    starts = np.flatnonzero(np.diff(points.box) | np.diff(points.frame)) + 1
    parts = []
    for rows in np.split(np.arange(len(points)), starts):
        store, frame = stores[points.box[rows[0]]], int(points.frame[rows[0]])
        parts.append(getattr(store, of)(frame)[points.atom[rows]])
    return np.concatenate(parts)


def of_run(result: Embedding, points: Points, species: str, seed: int, *, hidden: bool = False) -> Vectors:
    """Give the slow coordinates that a run stored, its clusters (-1 is between them), and as many as asked for.

    The number given is sought as by `cgcnn-md cluster OUT -n`, which overwrites the clusters stored.
    """
    folder = OutFolder.reopen(result.path)
    stores = folder.stores()
    maps, header = read_maps(folder.model)
    identity = np.array([stores[b].identity[a] for b, a in zip(points.box, points.atom, strict=True)])
    coordinates = Coordinates(maps, header["identities"], hidden=hidden)
    lag = int(header["lag"]) if in_time(header["view"]) else None

    def likeliest() -> np.ndarray:
        return np.nan_to_num(read(stores, points, "membership")).argmax(axis=1)

    def into(n: int) -> np.ndarray:
        if n == 1:
            return np.zeros(len(points), dtype=np.int64)
        discover(stores, coordinates, lag=lag, n_clusters=n, seed=seed)
        return likeliest()

    return Vectors(
        coordinates(species, read(stores, points, "embedding"), identity),
        read(stores, points, "clusters").astype(np.int64),
        into,
        None if stores[0].membership(0) is None else likeliest(),
    )


def encoded(result: Embedding, drawn: dict[str, Points], seed: int, kind: str) -> list[tuple[str, str, Vectors]]:
    """Give what a run of cgcnn_md found for each species, trained ("ours") or not."""
    if kind == "ours":
        return [(OURS, species, of_run(result, points, species, seed)) for species, points in drawn.items()]
    made = []
    for species, points in drawn.items():
        made.append((UNTRAINED, species, of_run(result, points, species, seed, hidden=True)))
        features = read(result.stores(), points, "embedding").astype(np.float64)
        made.append((UNTRAINED_PCA, species, principal(features, seed=seed)))
    return made


def measure(job: Job, seed: int, kind: str) -> Iterator[Row]:
    """Run and score one job with one seed; what needs no encoder is done with the first seed only.

    The seconds are those of the run of cgcnn_md, from files to report.
    """
    readers = job.open()
    drawn = sample(job, readers)
    settings = {} if kind == "ours" else {"epochs": 0, "features": "hidden"}
    with tempfile.TemporaryDirectory() as out:
        began = time.perf_counter()
        result = cgcnn_md.embed(
            job.files, out=f"{out}/run", select=job.select, seed=seed, map_points=200, progress=Plain(3600), **settings
        )
        seconds = round(time.perf_counter() - began)
        made: list[Iterable[tuple[str, str, Vectors]]] = [encoded(result, drawn, seed, kind)]
        if kind == "baselines" and seed == 0:
            made.append(baselines(drawn, readers, lag=int(result.provenance["lag_frames"])))
        for method, species, vectors in chain.from_iterable(made):
            row = {"set": job.name, "species": species, "method": method, "seed": seed}
            yield {**row, **score(drawn[species], vectors), "seconds": seconds}
    for reader in readers:
        reader.close()


def main() -> None:
    """Run every set and print the scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("sets", nargs="*")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", choices=["ours", "baselines"])
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", module="freud|deeptime|sklearn")
    kinds = [kind for kind in ("ours", "baselines") if asked.only in (None, kind)]
    table: list[Row] = []
    for job in jobs(asked.data, asked.sets):
        for seed in range(asked.seeds):
            for kind in kinds:
                for row in measure(job, seed, kind):
                    if not table:
                        print("| " + " | ".join(row) + " |\n" + "|---" * len(row) + "|")
                    table.append(row)
                    print("| " + " | ".join("" if v is None else str(v) for v in row.values()) + " |", flush=True)
                    if asked.json:
                        asked.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
