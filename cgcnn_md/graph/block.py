"""Target atoms of a large frame that lie together, so that they share their surroundings."""

from __future__ import annotations

import numpy as np

from cgcnn_md.errors import InputError
from cgcnn_md.frame import Ints
from cgcnn_md.kernels.neighbours import CellList

_FIRST_GUESS = 1.1  # times the radius of the ball that holds the block, were the targets spread evenly
_WIDER = 1.25


def compact_block(cells: CellList, targets: Ints, size: int, rng: np.random.Generator) -> Ints:
    """Choose the target atoms nearest to a random one.

    Parameters
    ----------
    cells
        The frame's atoms in cells.
    targets
        Atoms to choose from, ascending.
    size
        Atoms wanted; all targets where there are no more.
    rng
        Chooses the place.

    Returns
    -------
    Ints
        The `size` targets nearest (through the periodic box) to a random one, sorted. Cost follows the block, not the
        frame.

    Raises
    ------
    InputError
        If there is no target atom.
    """
    if len(targets) == 0:
        msg = "0 target atoms, wanted at least 1; choose another selection"
        raise InputError(msg)
    if len(targets) <= size:
        return targets
    centre = int(cells.place[targets[rng.integers(len(targets))]])
    volume = abs(float(np.linalg.det(cells.cell))) * size / len(targets)
    reach = _FIRST_GUESS * (0.75 / np.pi * volume) ** (1 / 3)
    while True:
        places, distance = cells.around(centre, reach)
        atoms = cells.order[places]
        if len(targets) < len(cells.order):
            at = np.minimum(np.searchsorted(targets, atoms), len(targets) - 1)
            wanted = targets[at] == atoms
            atoms, distance = atoms[wanted], distance[wanted]
        if len(atoms) == len(targets) or np.count_nonzero(distance <= reach) >= size:
            return np.sort(atoms[np.argpartition(distance, size - 1)[:size]])
        reach *= _WIDER
