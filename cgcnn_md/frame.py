"""One snapshot of a periodic system, in Å and ps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Frame:
    """Snapshot of every environment atom.

    Parameters
    ----------
    positions
        Cartesian coordinates in Å, shape (n_atoms, 3); wrapped or not.
    cell
        Row vectors of the box in Å, shape (3, 3); rows of non-periodic directions may be zero.
    pbc
        Which cell vectors are periodic, shape (3,).
    species
        Code of each atom's species in the reader's species table, shape (n_atoms,).
    time
        Time in ps; nan where the input holds none.
    number
        Frame number in its file.
    run
        Which run (file) of the system the frame belongs to.
    """

    positions: Floats
    cell: Floats
    pbc: NDArray[np.bool_]
    species: NDArray[np.int16]
    time: float = float("nan")
    number: int = 0
    run: int = 0

    def __len__(self) -> int:
        return len(self.positions)
