"""Measure the default clusters against physical labels, nothing given.

    python benchmarks/discovery.py DATA [SET ...] [--seeds N] [--json FILE]

DATA is a folder of sets, each with ``traj*.xtc``, ``topol*.pdb`` and ``labels*.npz`` (`labels`, frames x atoms or
frames x labelled atoms, -1 = none; `label_names`). Every box of a set is a system of its own in one model, except
in the sets named `nulls` and `water`, whose boxes are run one by one. Labels that name an interface are left out.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.metrics import adjusted_rand_score, homogeneity_score

import cgcnn_md
from cgcnn_md.progress import Plain

ALONE = {"nulls", "water"}
LEFT_OUT = {"interface"}


def jobs(data: Path, only: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Give what is run: a name, and the tags of the boxes that take part."""
    for folder in sorted(p for p in data.iterdir() if p.is_dir() and list(p.glob("labels*.npz"))):
        if only and folder.name not in only:
            continue
        tags = sorted(p.stem.removeprefix("labels") for p in folder.glob("labels*.npz"))
        if folder.name in ALONE:
            yield from ((f"{folder.name}{tag}", [f"{folder}:{tag}"]) for tag in tags)
        else:
            yield folder.name, [f"{folder}:{tag}" for tag in tags]


def labels_of(box: str) -> tuple[np.ndarray, list[str]]:
    """Read the labels of a box and their names."""
    folder, tag = box.rsplit(":", 1)
    with np.load(Path(folder) / f"labels{tag}.npz", allow_pickle=False) as file:
        names = [str(n) for n in file["label_names"]] if "label_names" in file else []
        return file["labels"], names


def measure(name: str, boxes: list[str], seed: int) -> list[dict[str, object]]:
    """Embed one set with the defaults and compare each species' clusters with the labels."""
    files, select = [], "element Li" if name.startswith("li_") else None
    for box in boxes:
        folder, tag = box.rsplit(":", 1)
        files += [f"{folder}/traj{tag}.xtc", f"{folder}/topol{tag}.pdb"]
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        result = cgcnn_md.embed(files, out=f"{out}/run", select=select, seed=seed, map_points=200, progress=Plain(3600))
        seconds = time.perf_counter() - began
        truth: dict[str, list[np.ndarray]] = {}
        found: dict[str, list[np.ndarray]] = {}
        for box, store in zip(boxes, result.stores(), strict=True):
            labels, names = labels_of(box)
            known = {i for i, n in enumerate(names) if n in LEFT_OUT}
            clusters = store.clusters(slice(0, store.n_frames))
            if labels.shape != clusters.shape:
                labels = labels[:, store.atom_index] if labels.shape[1] > store.n_atoms else labels
            if labels.shape != clusters.shape:
                continue
            for species in np.unique(store.species):
                mine = store.species == species
                a, b = labels[:, mine].ravel(), clusters[:, mine].ravel()
                good = (a >= 0) & (b >= 0) & ~np.isin(a, list(known))
                truth.setdefault(str(species), []).append(a[good])
                found.setdefault(str(species), []).append(b[good])
        rows: list[dict[str, object]] = []
        spectrum = result.timescales
        for species in truth:
            a, b = np.concatenate(truth[species]), np.concatenate(found[species])
            if len(a) == 0:
                continue
            held = spectrum[spectrum["species"] == species]["autocorrelation"].to_numpy()[:3]
            rows.append({
                "set": name, "species": species, "seed": seed, "labels": len(np.unique(a)),
                "clusters": len(np.unique(b)), "ari": round(float(adjusted_rand_score(a, b)), 3),
                "homogeneity": round(float(homogeneity_score(a, b)), 3),
                "spectrum": [round(float(h), 2) for h in held], "seconds": round(seconds),
            })  # fmt: skip
        return rows


def main() -> None:
    """Run every set and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("sets", nargs="*")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    table: list[dict[str, object]] = []
    print("| set | species | seed | labels | clusters | ARI | homogeneity | held-out autocorrelation | s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, boxes in jobs(asked.data, asked.sets):
        for seed in range(asked.seeds):
            for row in measure(name, boxes, seed):
                table.append(row)
                print("| " + " | ".join(str(v) for v in row.values()) + " |", flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
