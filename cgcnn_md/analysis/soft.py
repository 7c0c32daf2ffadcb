"""Soft counts: products of memberships now and later, and the counts between crisp states that they amount to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.analysis.bootstrap import dealt
from cgcnn_md.analysis.counts import NO_EXAMPLES, Counts
from cgcnn_md.analysis.kinds import Kind
from cgcnn_md.analysis.one_pass import MOLECULE_GROUPS, in_one_pass
from cgcnn_md.frame import Floats, Ints
from cgcnn_md.store import Store

_MEMORY = 256e6  # bytes of memberships kept to look back
_SMALLEST = 1e-9  # part of the largest eigenvalue below which memberships hold no more states


def among(systems: Sequence[Counts], states: Ints) -> list[Counts]:
    """Keep products among some states, at places of shape (n,)."""
    n = systems[0].by_molecules.shape[-1]
    rows = np.concatenate([states, n + states])[:, None]
    return [
        replace(c, by_molecules=c.by_molecules[:, :, rows, states], by_blocks=c.by_blocks[:, :, rows, states])
        for c in systems
    ]


def crisp_counts(products: Floats) -> Floats:
    r"""Turn products of memberships into the counts between crisp states that would give the same relaxation.

    With :math:`C_0` and :math:`C_\tau` the products at one time and one lag apart, relaxation times follow from the
    eigenvalues of the Koopman matrix :math:`K = C_0^{-1} C_\tau`, in which memberships that overlap are no transitions.
    K may have negative elements and obeys no detailed balance. The counts are :math:`A C_\tau A^T` with
    :math:`A = \Pi^{1/2} R C_0^{-1/2}`: of all rotations R for which the counts have the populations :math:`\pi` of the
    memberships, the one that leaves the states nearest to what they were. The reversible transition matrix of these
    counts has the eigenvalues of K, and memberships of 0 and 1 are counted as they are.

    Parameters
    ----------
    products
        Products one lag apart, below them those at one time, shape (..., 2 n, n).

    Returns
    -------
    ndarray
        Counts, shape (..., n, n); an element may be slightly below 0.
    """
    n = products.shape[-1]
    lagged, same = products[..., :n, :], products[..., n:, :]
    turn = np.stack([_turn(one) for one in same.reshape(-1, n, n)]).reshape(same.shape)
    return np.asarray(turn @ lagged @ np.swapaxes(turn, -1, -2))


def _turn(same: Floats) -> Floats:
    """Give the matrix A of `crisp_counts` for products at one time, shape (n, n)."""
    from scipy.linalg import null_space

    values, vectors = np.linalg.eigh(same)
    values = np.maximum(values, _SMALLEST * values[-1])
    root, inverse = ((vectors * values**power) @ vectors.T for power in (0.5, -0.5))
    size = np.sqrt(root.sum(axis=1) @ root.sum(axis=1))
    populations = np.clip(same.sum(axis=1), 1e-12 * size**2, None)
    u, v = np.sqrt(populations) / np.sqrt(populations.sum()), root.sum(axis=1) / size
    beside_u, beside_v = null_space(u[None]), null_space(v[None])
    left, _, right = np.linalg.svd(beside_u.T * np.sqrt(populations) @ root @ beside_v)
    rotation = np.outer(u, v) + beside_u @ left @ right @ beside_v.T
    return np.asarray(np.sqrt(populations)[:, None] * rotation @ inverse)


def gather_soft_counts(store: Store, kinds: Sequence[Kind], *, lags: Ints, seed: int) -> dict[str, Counts]:
    r"""Multiply memberships in one pass.

    Element (i, j) of a product is :math:`\sum_t \chi_i(t) \chi_j(t + \tau)`, over all pairs of frames one lag apart. No
    pair joins two atoms or two runs, or spans frames that are not there. Below it stands the product at one time, the
    mean of both ends of the same pairs.

    Parameters
    ----------
    store
        One system, with memberships.
    kinds
        Kinds of atoms.
    lags
        Lags in frames, shape (n_lags,).
    seed
        Of groups of atoms.

    Returns
    -------
    dict
        Products of each kind that the system holds, in the place of counts: shape (n_lags, n_pieces, 2 n, n).
    """

    def multiplier(kind: Kind, atoms: Ints, n_blocks: int) -> _Multiplier:
        return _Multiplier(atoms, store.molecule, kind.columns, lags, n_blocks, kind.rng(seed))

    return in_one_pass(store, kinds, _memberships, multiplier)


def soft_lags(stores: Sequence[Store], lags: Ints, n: int) -> Ints:
    """Give those of some lags in frames at which memberships in n states still fit into memory; at least one."""
    fits = min(_MEMORY / (4 * n * max(store.n_atoms, 1)) for store in stores)
    return lags[: max(1, int((lags <= fits).sum()))]


def _memberships(store: Store, unit: slice) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Read the memberships of a unit, and which of its frames have any."""
    chi = store.membership(unit)
    if chi is None:
        n = unit.stop - unit.start
        return np.zeros((n, store.n_atoms, 0), dtype=np.float32), np.zeros(n, dtype=np.bool_)
    return chi, np.asarray(np.isfinite(chi).any(axis=(1, 2)), dtype=np.bool_)


@dataclass(eq=False)
class _Multiplier:
    """Products of one kind as the frames go by."""

    atoms: Ints
    molecule: Ints
    columns: Ints
    lags: Ints
    n_blocks: int
    rng: np.random.Generator
    by_molecules: Floats = field(init=False)
    by_blocks: Floats = field(init=False)

    def __post_init__(self) -> None:
        n, self._group = len(self.columns), dealt(self.molecule[self.atoms], MOLECULE_GROUPS, self.rng)
        self.by_molecules = np.zeros((len(self.lags), int(self._group.max()) + 1, 2 * n, n))
        self.by_blocks = np.zeros((len(self.lags), self.n_blocks, 2 * n, n))
        self._past = np.zeros((len(self.atoms), 0, n), dtype=np.float32)

    def add(self, _first: int, chi: NDArray[np.float32], block: int, *, follows: bool) -> None:
        """Add frames that follow each other, and perhaps the last ones; shape (n_frames, n_atoms, n_own)."""
        new = np.nan_to_num(np.swapaxes(chi[:, self.atoms][:, :, self.columns], 0, 1))
        new /= np.maximum(new.sum(axis=2, keepdims=True), 1e-9)  # stored in half precision, and not all of them
        past = self._past if follows else self._past[:, :0]
        both = np.concatenate([past, new], axis=1)
        for place, lag in enumerate(self.lags.tolist()):
            if lag < both.shape[1]:
                begin = max(past.shape[1], lag)
                self._multiply(place, both[:, begin - lag : both.shape[1] - lag], both[:, begin:], block)
        self._past = both[:, -int(self.lags[-1]) :]

    def _multiply(self, place: int, before: NDArray[np.float32], after: NDArray[np.float32], block: int) -> None:
        """Add the pairs of one lag that end in one block."""
        now, later = before.astype(np.float64), after.astype(np.float64)
        lagged = np.swapaxes(now, 1, 2) @ later
        same = (np.swapaxes(now, 1, 2) @ now + np.swapaxes(later, 1, 2) @ later) / 2
        products = np.concatenate([lagged, same], axis=1)
        np.add.at(self.by_molecules[place], self._group, products)
        self.by_blocks[place, block] += products.sum(axis=0)

    def result(self, run_of_block: Ints, seen: Ints) -> Counts:
        """Give the products, without stretches that hold no frame."""
        held = seen > 0
        blocks = self.by_blocks[:, held]
        nobody, never = (
            np.zeros((*by.shape[:2], len(self.columns)), dtype=np.int64) for by in (self.by_molecules, blocks)
        )
        run = run_of_block[held]
        return Counts(self.lags, self.by_molecules, blocks, nobody, never, run, seen[held], NO_EXAMPLES)
