"""Reversible Markov models of transition counts, and how sure they are. Times are in frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cgcnn_md.analysis.bootstrap import enough
from cgcnn_md.analysis.counts import Counts
from cgcnn_md.errors import MissingExtraError
from cgcnn_md.frame import Floats, Ints

RESAMPLES = 200
_BLOCKS = 20
_FEWEST = 4  # blocks of time that are left when they are made longer
_MEMORY = 3.0  # relaxation times that a block should last
_KEPT = 1e-3  # part of all counts in every replica, so that each stays connected
_BOUNDED = 100.0  # a limit that many times off is none
_STEPS, _STEPS_OF_REPLICA = 100_000, 1000  # of the estimator; states that hardly exchange would take minutes
_SMALL = 1e-3  # eigenvalues below have no logarithm worth the name


def estimation() -> Any:
    """Load deeptime's estimators of transition matrices, which takes seconds.

    Returns
    -------
    module
        ``deeptime.markov.tools.estimation``.

    Raises
    ------
    MissingExtraError
        If deeptime is not installed.
    """
    try:
        from deeptime.markov.tools import estimation as module
    except ImportError as err:
        msg = f"kinetics need deeptime, which is not installed ({err}); pip install 'cgcnn-md[kinetics]'"
        raise MissingExtraError(msg) from None
    return module


@dataclass(frozen=True, eq=False)
class Chains:
    """Markov models at one lag: one, or a stack of replicas.

    Parameters
    ----------
    transition
        Probability to be in the column's state a lag later, shape (..., n, n).
    populations
        Stationary distribution, shape (..., n).
    lag
        Lag in frames.
    """

    transition: Floats
    populations: Floats
    lag: int

    @cached_property
    def _modes(self) -> tuple[Floats, Floats]:
        """Eigenvalues, largest first, and eigenvectors of the symmetric form."""
        root = np.sqrt(self.populations)
        form = self.transition * root[..., :, None] / root[..., None, :]
        values, vectors = np.linalg.eigh((form + np.swapaxes(form, -1, -2)) / 2)
        return values[..., ::-1], vectors[..., ::-1]

    @property
    def eigenvalues(self) -> Floats:
        """Eigenvalues, largest first, shape (..., n)."""
        return self._modes[0]

    @property
    def timescales(self) -> Floats:
        """Relaxation times, slowest first, shape (..., n - 1); 0 where nothing is left after a lag."""
        values = np.clip(self.eigenvalues[..., 1:], 0.0, 1 - 1e-15)
        with np.errstate(divide="ignore"):
            return np.asarray(-self.lag / np.log(values))

    @property
    def has_logarithm(self) -> bool:
        """Whether all eigenvalues are clearly positive, so that the transitions follow from rates."""
        return bool((self.eigenvalues > _SMALL).all())

    def rates(self, *, logarithm: bool) -> Floats:
        r"""Rates per frame, rows sum to 0, shape (..., n, n).

        They are those of :math:`K = \ln(T) / \tau`, negative ones put to 0, or of the first order,
        :math:`K = (T - 1) / \tau`.
        """
        if logarithm:
            values, vectors = self._modes
            root = np.sqrt(self.populations)
            form = (vectors * np.log(np.clip(values, _SMALL, 1.0))[..., None, :]) @ np.swapaxes(vectors, -1, -2)
            rates = form * root[..., None, :] / root[..., :, None] / self.lag
        else:
            rates = self.transition / self.lag
        n = rates.shape[-1]
        rates = np.where(np.eye(n, dtype=bool), 0.0, np.clip(rates, 0.0, None))
        return np.asarray(rates - np.eye(n) * rates.sum(axis=-1)[..., None])

    @property
    def first_passage(self) -> Floats:
        """Mean time until the column's state is first reached, shape (..., n, n)."""
        n = self.transition.shape[-1]
        drift = np.eye(n) - self.transition + self.populations[..., None, :]
        inverse = np.linalg.inv(drift)
        diagonal = np.diagonal(inverse, axis1=-2, axis2=-1)
        return np.asarray(self.lag * (diagonal[..., None, :] - inverse) / self.populations[..., None, :])

    def after(self, steps: int) -> Floats:
        """Transition matrix after so many lags, shape (..., n, n)."""
        return np.linalg.matrix_power(self.transition, steps)


@dataclass(frozen=True, eq=False)
class Estimate:
    """Numbers with the limits of their 95 % interval, all of one shape; limits are nan where unknown."""

    value: Floats
    low: Floats
    high: Floats


def fit(counts: Floats, lag: int) -> Chains:
    """Fit the reversible model of largest likelihood to each matrix of counts.

    Parameters
    ----------
    counts
        Connected counts, shape (n, n) or (n_replicas, n, n); those below 0, which soft states may have, are 0.
    lag
        Their lag in frames.

    Returns
    -------
    Chains
        One model, or as many as there are matrices.
    """
    tools = estimation()
    stack = np.clip(counts, 0, None).reshape(-1, *counts.shape[-2:]).astype(np.float64)
    settings = {
        "reversible": True, "method": "dense", "return_statdist": True, "warn_not_converged": False,
        "maxiter": _STEPS_OF_REPLICA if counts.ndim > 2 else _STEPS,
    }  # fmt: skip
    found = [tools.transition_matrix(c, **settings) for c in stack]
    transition = np.stack([np.asarray(t) for t, _ in found]).reshape(counts.shape)
    return Chains(transition, np.stack([np.asarray(p) for _, p in found]).reshape(counts.shape[:-1]), lag)


def connected(counts: Floats | Ints) -> bool:
    """Tell whether every state was reached from every other."""
    return bool(estimation().is_connected(np.asarray(counts, dtype=np.float64), directed=True))


def largest_connected(counts: Floats | Ints) -> Ints:
    """Find, of the sets of two or more states each of which was reached from every other, the one with most counts.

    Returns
    -------
    ndarray
        The states, rising; none where there is no such set.
    """
    sets = estimation().connected_sets(np.asarray(counts, dtype=np.float64), directed=True)
    found = [np.sort(np.asarray(s, dtype=np.int64)) for s in sets if len(s) > 1]
    return max(found, key=lambda s: float(counts[s[:, None], s].sum()), default=np.zeros(0, dtype=np.int64))


class Bootstrap:
    """Draw independent pieces again: molecules (atoms where they are alone), stretches of time, and runs.

    Pieces are drawn within each system. The same draw serves every lag. A kind with fewer than three pieces counts only
    where none has more.

    Parameters
    ----------
    systems
        Counts of each system.
    memory
        Slowest relaxation time in frames; stretches of time last three of them where four or more remain.
    rng
        Draws.
    resamples
        Replicas of each kind.
    crisp
        Makes counts of what is held in their place, all of whose states are then asked for; None where they are counts.
    """

    def __init__(
        self, systems: Sequence[Counts], memory: float, rng: np.random.Generator, *, resamples: int = RESAMPLES,
        crisp: Callable[[Floats], Floats] | None = None,
    ) -> None:  # fmt: skip
        self._crisp = crisp
        kinds = {
            "molecules": [(c.by_molecules, c.stayed_by_molecules) for c in systems],
            "stretches of time": [_merged(c, _long_blocks(c, memory)) for c in systems],
            "runs": [_merged(c, np.unique(c.run_of_block, return_inverse=True)[1]) for c in systems],
        }
        freedom = {kind: sum(c.shape[1] - 1 for c, _ in counts) for kind, counts in kinds.items()}
        least = enough(freedom.values())
        self._freedom = {kind: n for kind, n in freedom.items() if n >= least}
        self._strata: dict[str, list[tuple[Floats, Ints | Floats, Ints]]] = {}
        for kind in self._freedom:
            sizes = [c.shape[1] for c, _ in kinds[kind]]
            weights = [rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64) for n in sizes]
            self._strata[kind] = [(w, *counts) for w, counts in zip(weights, kinds[kind])]

    @property
    def pieces(self) -> dict[str, int]:
        """How many pieces of each kind there are."""
        return {kind: sum(c.shape[1] for _, c, _ in strata) for kind, strata in self._strata.items()}

    def counts(self, lag: int, states: Ints) -> dict[str, Floats]:
        """Give replicas of the counts at the lag of this index among some states, by kind, (resamples, n, n)."""
        made = {}
        for kind, strata in self._strata.items():
            rows = states[:, None] if self._crisp is None else np.arange(2 * len(states))[:, None]
            parts = [counts[lag][:, rows, states].astype(np.float64) for _, counts, _ in strata]
            drawn = np.sum(
                [np.tensordot((1 - _KEPT) * w + _KEPT, part, axes=1) for (w, *_), part in zip(strata, parts)], axis=0
            )
            if self._crisp is not None:  # their counts may fall to 0 and below
                least = self._crisp(np.sum([part.sum(axis=0) for part in parts], axis=0))
                drawn = np.maximum(self._crisp(drawn), _KEPT * np.clip(least, 0, None))
            made[kind] = drawn
        return made

    def stayed(self, lag: int) -> dict[str, Floats]:
        """Give replicas of how many never left their cluster in the lag of this index, by kind, (resamples, n)."""
        return {
            kind: np.sum([((1 - _KEPT) * w + _KEPT) @ stayed[lag] for w, _, stayed in strata], axis=0)
            for kind, strata in self._strata.items()
        }

    def interval(self, value: Floats, replicas: dict[str, Floats], *, share: bool = False) -> Estimate:
        """Make 95 % intervals: of each kind of piece, and the widest of these.

        Parameters
        ----------
        value
            The estimate.
        replicas
            The same of every replica, by kind, shape (resamples, ...).
        share
            Whether it is a share, at most 1 and at least 0; else a positive number, whose logarithm is looked at.
        """
        from scipy.stats import norm, t

        low, high = np.full(np.shape(value), np.nan), np.full(np.shape(value), np.nan)
        to, back = (_same, _same) if share else (_log, _exp)
        for kind, drawn in replicas.items():
            freedom = self._freedom[kind]
            # few pieces: percentiles are too narrow by sqrt((n - 1) / n) and by normal against Student tails
            parted = sum(c.shape[1] > 1 for _, c, _ in self._strata[kind])
            wider = float(t.ppf(0.975, freedom) / norm.ppf(0.975)) * np.sqrt((freedom + parted) / freedom)
            centre = to(value)
            ends = np.percentile(to(drawn), [2.5, 97.5], axis=0)
            bottom = back(centre + wider * np.minimum(ends[0] - centre, 0))
            top = back(centre + wider * np.maximum(ends[1] - centre, 0))
            better = ~(top - bottom <= high - low)
            low, high = np.where(better, bottom, low), np.where(better, top, high)
        if share:
            return Estimate(value, np.clip(low, 0, 1), np.clip(high, 0, 1))
        known = value > 0
        low = np.where(known, np.where(low < value / _BOUNDED, 0.0, low), np.nan)
        return Estimate(value, low, np.where(known, np.where(high > value * _BOUNDED, np.inf, high), np.nan))


def over(replicas: dict[str, Chains], what: Callable[[Chains], Floats]) -> dict[str, Floats]:
    """Take a number of every replica."""
    return {kind: what(chains) for kind, chains in replicas.items()}


def _log(values: Floats) -> Floats:
    return np.log(np.clip(values, 1e-200, 1e200))


def _exp(values: Floats) -> Floats:
    return np.exp(np.clip(values, -600, 600))


def _same(values: Floats) -> Floats:
    return values


def _long_blocks(counts: Counts, memory: float) -> Ints:
    """Join the stretches of each run until they are long against the memory, or four are left."""
    frames = counts.frames_of_block
    total = int(frames.sum())
    length = min(max(total / _BLOCKS, _MEMORY * memory), total / _FEWEST)
    codes, made = np.zeros(len(frames), dtype=np.int64), 0
    for run in np.unique(counts.run_of_block):
        mine = np.flatnonzero(counts.run_of_block == run)
        n = min(len(mine), max(1, round(frames[mine].sum() / length)))
        for part in np.array_split(mine, n):
            codes[part], made = made, made + 1
    return codes


def _merged(counts: Counts, codes: Ints) -> tuple[Ints | Floats, Ints]:
    """Add up the stretches that share a code."""
    n_codes = int(codes.max()) + 1
    made = np.zeros((len(counts.lags), n_codes, *counts.by_blocks.shape[2:]), counts.by_blocks.dtype)
    stayed = np.zeros((len(counts.lags), n_codes, counts.by_blocks.shape[-1]), dtype=np.int64)
    for block, code in enumerate(codes):
        made[:, code] += counts.by_blocks[:, block]
        stayed[:, code] += counts.stayed_by_blocks[:, block]
    return made, stayed
