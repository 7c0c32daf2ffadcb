"""What the model attends to: importance of the neighbours of sampled atoms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cgcnn_md.analysis.gates import Edges
from cgcnn_md.analysis.samples import sample_frames

if TYPE_CHECKING:
    from cgcnn_md.nn import Model
    from cgcnn_md.readers import Reader
    from cgcnn_md.store import Store

_FRAMES = 20  # over all systems
_CENTRES = 2000  # atom-frames of a species


def sample_edges(model: Model, readers: Sequence[Reader], stores: Sequence[Store], *, seed: int = 0) -> Edges:
    """Weigh the neighbours of some atoms of every species, in frames spread over every system.

    Parameters
    ----------
    model
        The model that made the stores.
    readers, stores
        The systems.
    seed
        Seed of the draw of atoms.
    """
    rng = np.random.default_rng(seed)
    pairs = zip(readers, stores, strict=True)
    n_frames = max(_FRAMES // len(stores), 1)
    most = -(-_CENTRES // (n_frames * len(stores)))
    return Edges.joined([part for pair in pairs for part in _of_system(model, *pair, n_frames, most, rng)])


def _of_system(
    model: Model, reader: Reader, store: Store, n_frames: int, most: int, rng: np.random.Generator
) -> Iterator[Edges]:
    """Weigh at most so many atoms of every species in so many frames."""
    from cgcnn_md.nn import edge_importance

    codes, names = model.codes(reader.species), np.array(model.species)
    for sample in sample_frames(reader, store, n_frames):
        species = sample.frame.species[reader.targets]
        mine = [reader.targets[species == code] for code in np.unique(species)]
        picked = [atoms if len(atoms) <= most else rng.choice(atoms, most, replace=False) for atoms in mine]
        targets = np.sort(np.concatenate(picked))
        graph = model.graph(sample.frame, targets, codes)
        rows = graph.rows
        yield Edges(
            names[graph.target_species], sample.labels[targets], names[graph.species[graph.index[rows]]],
            graph.distance[rows].astype(np.float64), graph.weight[rows].astype(np.float64),
            edge_importance(model, graph),
        )  # fmt: skip
