"""An untrained model that fits the data: its species, and the range of distances it must resolve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from cgcnn_md.config import Config
from cgcnn_md.kernels.neighbours import CellList
from cgcnn_md.nn import Model
from cgcnn_md.readers import Reader
from cgcnn_md.readers.identity import choose_classes

_SAMPLED_FRAMES = 5
_SLACK = 0.8  # of the shortest distance seen: room for closer contacts in frames not looked at


def new_model(readers: Sequence[Reader], config: Config) -> Model:
    """Make an untrained model for some systems.

    Parameters
    ----------
    readers
        The systems; the species table is the union of theirs, and classes are those with atoms, or groups, enough.
    config
        Settings; `config.train.seed` decides the weights.
    """
    species = sorted(set().union(*(r.species for r in readers)))
    shortest, longest = np.inf, 0.0
    for reader in readers:
        good = np.setdiff1d(np.arange(len(reader)), list(reader.bad_frames)).astype(int)
        numbers = good[np.unique(np.linspace(0, len(good) - 1, min(_SAMPLED_FRAMES, len(good))).astype(int))]
        for frame in reader.frames([int(i) for i in numbers]):
            _, distance, radius = CellList.of(frame, config.model.k).nearest(config.model.k, cutoff=config.model.cutoff)
            shortest = min(shortest, float(distance.min(initial=np.inf)))
            longest = max(longest, float(radius.max()))
    if not np.isfinite(shortest):  # nobody has a neighbour within the cutoff
        shortest = config.model.cutoff / 10
    longest = max(longest, 1.5 * shortest)
    torch.manual_seed(config.train.seed)
    model = Model.new(species, config.model, shortest=max(_SLACK * shortest, 1e-3), longest=longest)
    model.kinds = tuple(sorted(set().union(*(r.groups.kinds for r in readers))))
    model.identities = choose_classes(model.kinds, [r.groups.identity for r in readers])
    return model
