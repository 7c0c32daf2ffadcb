"""Directions in which things happen on their own: lagged covariances at several lags, diagonalised together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cgcnn_md.frame import Floats

_LAGS = (0.25, 0.5, 1.0, 2.0)
_SWEEPS = 100
_SMALL = 1e-8  # sine of an angle that is not worth a turn


def lags_around(lag: int) -> list[int]:
    """Give the lags in frames at which processes are told apart: a quarter, half, all and twice of four or more."""
    return [round(max(lag, 4) * part) for part in _LAGS]


def find_processes(pairs: Sequence[tuple[Floats, Floats]]) -> Floats:
    r"""Find the directions along which the coordinates are uncorrelated at every lag.

    At one lag, processes that relax as fast as each other are any mixture of themselves; at others they are not alike.
    So the lagged covariances of the whitened coordinates are diagonalised together, as near as one rotation can: A.
    Belouchrani, K. Abed-Meraim, J.-F. Cardoso, E. Moulines, IEEE Trans. Signal Process. 45, 434 (1997),
    doi:10.1109/78.554307.

    Parameters
    ----------
    pairs
        For each lag, coordinates of atoms now and that much later, each of shape (n_pairs, n).

    Returns
    -------
    Floats
        Directions as columns, shape (n, n), the slowest first; coordinates times these have unit variance.
    """
    ends = np.concatenate([end for pair in pairs for end in pair])
    middle = ends.mean(axis=0)
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(ends.T, bias=True)))
    whiten = vectors / np.sqrt(np.maximum(values, 1e-12 * values.max()))
    lagged = []
    for now, later in pairs:
        cross = ((now - middle) @ whiten).T @ ((later - middle) @ whiten) / len(now)
        lagged.append((cross + cross.T) / 2)
    turn = diagonalise(np.stack(lagged))
    stay = np.einsum("if,kij,jf->f", turn, np.stack(lagged), turn)
    directions: Floats = (whiten @ turn)[:, np.argsort(-stay, kind="stable")]
    return directions


def diagonalise(matrices: Floats) -> Floats:
    """Find the rotation that makes symmetric matrices as near to diagonal as one can, by turns of two axes at a time.

    J.-F. Cardoso, A. Souloumiac, SIAM J. Matrix Anal. Appl. 17, 161 (1996), doi:10.1137/S0895479893259546.

    Parameters
    ----------
    matrices
        Symmetric, shape (n_matrices, n, n).

    Returns
    -------
    Floats
        Orthogonal matrix of shape (n, n), for which the sum of squares off the diagonals of ``turn.T @ matrix @ turn``
        is least.
    """
    held = np.array(matrices, dtype=np.float64)
    n = held.shape[1]
    turn = np.eye(n)
    for _ in range(_SWEEPS):
        largest = 0.0
        for p in range(n - 1):
            for q in range(p + 1, n):
                unlike, shared = held[:, p, p] - held[:, q, q], 2.0 * held[:, p, q]
                on, off = unlike @ unlike - shared @ shared, 2.0 * float(unlike @ shared)
                angle = 0.5 * np.arctan2(off, on + np.hypot(on, off))
                c, s = np.cos(angle), np.sin(angle)
                largest = max(largest, abs(float(s)))
                plane = np.array([[c, -s], [s, c]])
                held[:, :, [p, q]] = held[:, :, [p, q]] @ plane
                held[:, [p, q]] = plane.T @ held[:, [p, q]]
                turn[:, [p, q]] = turn[:, [p, q]] @ plane
        if largest < _SMALL:
            break
    return turn
