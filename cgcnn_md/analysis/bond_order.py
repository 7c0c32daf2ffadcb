"""Averaged bond order parameters of chosen atoms."""

from __future__ import annotations

import numpy as np

from cgcnn_md.analysis.images import vectors_around
from cgcnn_md.frame import Floats, Frame, Ints

ORDERS = (4, 6)


def bond_order(frame: Frame, centres: Ints, cutoff: float) -> Floats:
    r"""Give averaged q4 and q6 of some atoms, with bonds to the atoms of their species that are near.

    With :math:`q_{lm}(i)` the mean of :math:`Y_{lm}` over the bonds of atom i and :math:`\bar q_{lm}` the mean of
    these over i and its neighbours, :math:`\bar q_l^2 = \frac{4\pi}{2l+1} \sum_m |\bar q_{lm}|^2` (W. Lechner,
    C. Dellago, J. Chem. Phys. 129, 114707 (2008), doi:10.1063/1.2977970).

    Parameters
    ----------
    frame
        Snapshot.
    centres
        Indices of the atoms, all of one species.
    cutoff
        Longest bond in Å.

    Returns
    -------
    numpy.ndarray
        One row an atom and one column an order; 0 where there are no bonds.
    """
    like = np.flatnonzero(frame.species == frame.species[centres[0]])
    alike = Frame(frame.positions[like], frame.cell, frame.pbc, frame.species[like])
    own = np.searchsorted(like, centres)
    row, other, _ = vectors_around(alike, own, cutoff)
    needed, inverse = np.unique(np.concatenate([own, other]), return_inverse=True)
    start, _, vector = vectors_around(alike, needed, cutoff)
    itself, near = inverse[: len(own)], inverse[len(own) :]
    return np.stack([_averaged(_q(order, start, vector, len(needed)), itself, row, near) for order in ORDERS], axis=1)


def _q(order: int, start: Ints, vector: Floats, n: int) -> np.ndarray:
    """Average the spherical harmonics with m from 0 over the bonds of every atom, shape (n, order + 1)."""
    from scipy.special import gammaln, lpmv

    polar = vector[:, 2] / np.linalg.norm(vector, axis=1)
    turn = np.exp(1j * np.arctan2(vector[:, 1], vector[:, 0]))
    bonds = np.maximum(np.bincount(start, minlength=n), 1)
    q = np.zeros((n, order + 1), dtype=np.complex128)
    for m in range(order + 1):
        # without the factor (2 l + 1) / 4 pi, which is taken away later; twice for m and -m
        norm = np.sqrt((1 + (m > 0)) * np.exp(gammaln(order - m + 1) - gammaln(order + m + 1)))
        value = norm * lpmv(m, order, polar) * turn**m
        q[:, m] = np.bincount(start, value.real, n) + 1j * np.bincount(start, value.imag, n)
    return np.asarray(q / bonds[:, None])


def _averaged(q: np.ndarray, itself: Ints, row: Ints, near: Ints) -> Floats:
    """Average over an atom and its neighbours, and take the length."""
    total = q[itself].copy()
    np.add.at(total, row, q[near])
    mean = total / (1 + np.bincount(row, minlength=len(itself)))[:, None]
    return np.asarray(np.sqrt((np.abs(mean) ** 2).sum(axis=1)))
