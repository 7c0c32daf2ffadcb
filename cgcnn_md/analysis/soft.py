"""Soft counts: products of memberships now and later, and the counts between crisp states that they amount to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.analysis.bootstrap import bodies
from cgcnn_md.analysis.census import frames_joined
from cgcnn_md.analysis.counts import MOLECULE_GROUPS, NO_EXAMPLES, Counts, cut_into_blocks
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


def gather_soft_counts(
    store: Store, groups: Mapping[str, Ints], *, by: str, lags: Ints, rng: np.random.Generator
) -> dict[str, Counts]:
    r"""Multiply memberships in one pass.

    Element (i, j) of a product is :math:`\sum_t \chi_i(t) \chi_j(t + \tau)`, over all pairs of frames one lag apart. No
    pair joins two atoms or two runs, or spans frames that are not there. Below it stands the product at one time, the
    mean of both ends of the same pairs.

    Parameters
    ----------
    store
        One system, with memberships.
    groups
        Clusters of each group of atoms.
    by
        What `Store.groups` groups the atoms by.
    lags
        Lags in frames, shape (n_lags,).
    rng
        Draws groups of atoms.

    Returns
    -------
    dict
        Products of each group that the system holds, in the place of counts: shape (n_lags, n_pieces, 2 n, n).
    """
    labels_of = store.groups(by)
    blocks, run_of_block = cut_into_blocks(store)
    made = {
        name: _Multiplier(
            np.flatnonzero(labels_of == name), store.molecule, len(clusters), lags, len(run_of_block), rng
        )
        for name, clusters in groups.items()
        if (labels_of == name).any()
    }
    seen = np.zeros(len(run_of_block), dtype=np.int64)
    for first, chi, follows in _stretches(store, blocks):
        seen[blocks[first]] += len(chi)
        for multiplier in made.values():
            multiplier.add(chi, int(blocks[first]), follows=follows)
    return {name: multiplier.result(run_of_block, seen) for name, multiplier in made.items()}


def soft_lags(stores: Sequence[Store], lags: Ints, n: int) -> Ints:
    """Give those of some lags in frames at which memberships in n states still fit into memory; at least one."""
    fits = min(_MEMORY / (4 * n * max(store.n_atoms, 1)) for store in stores)
    return lags[: max(1, int((lags <= fits).sum()))]


def _stretches(store: Store, blocks: Ints) -> Iterator[tuple[int, NDArray[np.float32], bool]]:
    """Give memberships in order, cut where the block ends or a frame is missing, and whether they follow the last."""
    joined, last = frames_joined(store), -2
    for unit in store.done_units():
        chi = store.membership(unit)
        if chi is None:
            continue
        usable = np.asarray(np.isfinite(chi).any(axis=(1, 2)), dtype=np.bool_)
        step = joined[unit] & (np.diff(blocks[unit], prepend=blocks[unit.start]) == 0)
        step[1:] &= usable[:-1]
        rows = np.flatnonzero(usable)
        for part in np.split(rows, np.flatnonzero(~step[rows])) if len(rows) else []:
            if len(part):
                first = unit.start + int(part[0])
                yield first, chi[part[0] : part[-1] + 1], last == first - 1 and bool(joined[first])
                last = unit.start + int(part[-1])


@dataclass(eq=False)
class _Multiplier:
    """Products of one group as the frames go by."""

    atoms: Ints
    molecule: Ints
    n: int
    lags: Ints
    n_blocks: int
    rng: np.random.Generator
    by_molecules: Floats = field(init=False)
    by_blocks: Floats = field(init=False)

    def __post_init__(self) -> None:
        body = bodies(self.molecule[self.atoms])
        n, n_bodies = self.n, int(body.max()) + 1
        n_groups = min(n_bodies, MOLECULE_GROUPS)
        self._group = (self.rng.permutation(n_bodies) % n_groups)[body]
        self.by_molecules = np.zeros((len(self.lags), n_groups, 2 * n, n))
        self.by_blocks = np.zeros((len(self.lags), self.n_blocks, 2 * n, n))
        self._past = np.zeros((len(self.atoms), 0, n), dtype=np.float32)

    def add(self, chi: NDArray[np.float32], block: int, *, follows: bool) -> None:
        """Add frames that follow each other, and perhaps the last ones; shape (n_frames, n_atoms, n_own)."""
        new = np.nan_to_num(np.swapaxes(chi[:, self.atoms, : self.n], 0, 1))
        new /= np.maximum(new.sum(axis=2, keepdims=True), 1e-9)  # stored in half precision
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
        nobody, never = (np.zeros((*by.shape[:2], self.n), dtype=np.int64) for by in (self.by_molecules, blocks))
        run = run_of_block[held]
        return Counts(self.lags, self.by_molecules, blocks, nobody, never, run, seen[held], NO_EXAMPLES)
