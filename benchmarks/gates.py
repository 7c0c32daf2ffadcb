"""Measure whether the importance of edges tells the first shell, and what it adds to distance and to random weights.

    python benchmarks/gates.py OUT SYSTEM=N ... [--untrained OUT]

OUT is what ``cgcnn-md embed`` wrote, with its input files where they were; each SYSTEM in it is a crystal of two
species whose atoms have N unlike nearest neighbours: ``traj_NaCl_B1=6 traj_KCl_B2=8``. The area under the ROC curve is
that of "one of the N nearest unlike atoms" among the k neighbours of every atom; the effective coordination is the
participation number, mean and standard deviation over atoms. Rivals: the importance from an OUT of the same files with
``--epochs 0``, the weight that the graph gives, 1 / distance, and gates. The second table says how far the embedding
moves when all of the first shell, or all of the rest, is not heard.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from cgcnn_md.analysis.gates import effective_coordination
from cgcnn_md.analysis.samples import sample_frames
from cgcnn_md.graph import KnnGraph
from cgcnn_md.nn import Model, edge_importance, load_model, moves
from cgcnn_md.out_folder import OutFolder
from cgcnn_md.readers import Reader
from cgcnn_md.store import Store

FRAMES, CENTRES = 10, 100  # frames of a system; atoms of a species in each


def sample(model: Model, reader: Reader, store: Store) -> Iterator[tuple[str, KnnGraph]]:
    """Give graphs of some atoms of each species in evenly spaced frames."""
    codes, rng = model.codes(reader.species), np.random.default_rng(0)
    for labelled in sample_frames(reader, store, FRAMES):
        species = labelled.frame.species[reader.targets]
        for code in np.unique(species):
            mine = reader.targets[species == code]
            targets = np.sort(rng.choice(mine, min(CENTRES, len(mine)), replace=False))
            yield reader.species[code], model.graph(labelled.frame, targets, codes)


def ways(model: Model, untrained: Model | None, graph: KnnGraph) -> dict[str, np.ndarray]:
    """Give every definition of what an edge counts for, shape (n_targets, k) each."""
    weight, distance = graph.weight[graph.rows].astype(float), graph.distance[graph.rows].astype(float)
    with torch.no_grad():
        gate = model.encoder.gates(graph)[0].numpy()[graph.rows]
    found = {"importance, trained": edge_importance(model, graph)}
    if untrained is not None:
        found["importance, untrained"] = edge_importance(untrained, graph)
    inverse = np.divide(1.0, distance, out=np.zeros_like(distance), where=weight > 0)
    return found | {"weight": weight, "1 / distance": inverse, "gate of layer 1": gate, "weight x gate": weight * gate}


def first_shell(graph: KnnGraph, n: int) -> np.ndarray:
    """Tell the n nearest unlike neighbours of every target, shape (n_targets, k)."""
    unlike = graph.species[graph.index[graph.rows]] != graph.target_species[:, None]
    unlike &= graph.weight[graph.rows] > 0
    return unlike & (np.cumsum(unlike, axis=1) <= n)


def main() -> None:
    """Measure every system and species, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("systems", nargs="+", metavar="SYSTEM=N")
    parser.add_argument("--untrained", type=Path, metavar="OUT")
    asked = parser.parse_args()
    wanted = {name: int(n) for name, n in (text.split("=") for text in asked.systems)}
    folder = OutFolder.reopen(asked.out)
    model = load_model(asked.out)
    untrained = load_model(asked.untrained) if asked.untrained else None
    found: dict[tuple[str, str, str], list[np.ndarray]] = {}
    shells: dict[tuple[str, str], list[np.ndarray]] = {}
    moved: dict[tuple[str, str], list[np.ndarray]] = {}
    for reader, store in zip(folder.sources(), folder.stores(), strict=True):
        if reader.name in wanted:
            for species, graph in sample(model, reader, store):
                key = reader.name, species
                first = first_shell(graph, wanted[reader.name])
                shells.setdefault(key, []).append(first)
                moved.setdefault(key, []).append(moves(model, graph, np.stack([~first, first], axis=1)))
                for way, values in ways(model, untrained, graph).items():
                    found.setdefault((*key, way), []).append(values)
        reader.close()
    print("| system | centre | importance is | ROC AUC | effective coordination |\n|---|---|---|---|---|")
    for (system, species, way), parts in found.items():
        values, shell = np.concatenate(parts), np.concatenate(shells[system, species])
        auc, number = roc_auc_score(shell.ravel(), values.ravel()), effective_coordination(values)
        print(f"| {system} | {species} | {way} | {auc:.3f} | {number.mean():.1f} ± {number.std():.1f} |")
    print("\n| system | centre | moves without first shell | without the rest |\n|---|---|---|---|")
    for key, parts in moved.items():
        print("| {} | {} | {:.2f} | {:.2f} |".format(*key, *np.concatenate(parts).mean(axis=0)))


if __name__ == "__main__":
    main()
