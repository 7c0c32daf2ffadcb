"""Linear map from encoder features to slow coordinates, with a timescale each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from cgcnn_md.errors import MissingFileError
from cgcnn_md.frame import Floats

RIDGES = (1e-4, 1e-3, 1e-2, 1e-1)  # of the mean variance, to choose among
MAP_ARRAYS = ("means", "weights", "autocorrelation", "fitted")
_FEWEST = 2  # coordinates that are kept in any case: a map needs two
_SPECTRUM_END = 0.1  # held-out autocorrelation below which a coordinate is noise


@dataclass
class LaggedMoments:
    r"""Sums from which means and time-lagged covariances of pairs follow, gathered batch by batch.

    Covariances are about the mean of each sample's identity class. With :math:`m_c` that mean, :math:`N_{cd}` the
    pairs of classes c and d, and :math:`s_d` the sum of the samples whose partner is of class d,
    :math:`\sum (x - m_c)(y - m_d)^T = \sum x y^T - \sum_d s_d m_d^T - \sum_c m_c s_c^T + \sum_{cd} N_{cd} m_c m_d^T`,
    so that one pass is enough.

    Parameters
    ----------
    width
        Numbers per sample.
    n_classes
        Identity classes.
    n
        Pairs so far.
    """

    width: int
    n_classes: int = 1
    n: int = 0
    total: Floats = field(init=False)
    partner: Floats = field(init=False)
    joint: csr_array = field(init=False)
    same: Floats = field(init=False)
    cross: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.total = np.zeros((self.n_classes, self.width))
        self.partner = np.zeros((self.n_classes, self.width))
        self.joint = csr_array((self.n_classes, self.n_classes))
        self.same = np.zeros((self.width, self.width))
        self.cross = np.zeros((self.width, self.width))

    def add(self, x: NDArray[np.floating], y: NDArray[np.floating], classes: NDArray[np.integer] | None = None) -> None:
        """Add pairs; a pair counts in both directions.

        Parameters
        ----------
        x, y
            Both ends, each of shape (n_pairs, width).
        classes
            Identity class of both ends, shape (n_pairs, 2); all of one class by default.
        """
        a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        codes = np.zeros((len(a), 2), dtype=np.int64) if classes is None else classes
        of_a, of_b = (_indicator(codes[:, end], self.n_classes) for end in range(2))
        self.n += len(a)
        self.total += (of_a.T @ a + of_b.T @ b) / 2
        self.partner += (of_b.T @ a + of_a.T @ b) / 2
        self.joint = self.joint + (of_a.T @ of_b + of_b.T @ of_a) / 2
        self.same += (a.T @ a + b.T @ b) / 2
        self.cross += (a.T @ b + b.T @ a) / 2

    @property
    def means(self) -> Floats:
        """Mean of each class over both ends of its pairs, that of all where it has none, shape (n_classes, width)."""
        count = self.joint.sum(axis=1)
        every = self.total.sum(axis=0) / max(self.n, 1)
        return np.where(count[:, None] > 0, self.total / np.maximum(count, 0.5)[:, None], every)

    @property
    def covariances(self) -> tuple[Floats, Floats]:
        """Instantaneous and symmetrised lagged covariance about the class means, each of shape (width, width)."""
        mean, n = self.means, max(self.n, 1)
        half = self.partner.T @ mean
        same = self.same - self.total.T @ mean
        return same / n, (self.cross - half - half.T + mean.T @ (self.joint @ mean)) / n


@dataclass(frozen=True, eq=False)
class KineticMap:
    r"""Slow coordinates of one species.

    With :math:`C_0` the covariance and :math:`C_\tau` the symmetrised lagged covariance of the features, the
    columns solve :math:`C_\tau w = \lambda (C_0 + \epsilon) w`; a coordinate is scaled to variance
    :math:`\lambda^2`, so that distances are kinetic distances (F. Noé, C. Clementi, J. Chem. Theory Comput. 11,
    5002 (2015), doi:10.1021/acs.jctc.5b00553).

    Parameters
    ----------
    means
        Mean feature of each identity class, shape (n_classes, width).
    weights
        Columns of the map, slowest first, shape (width, n).
    autocorrelation
        Of each coordinate over one lag, on held-out pairs, shape (n,).
    fitted
        The same on the pairs the map was fitted to, shape (n,).
    """

    means: Floats
    weights: Floats
    autocorrelation: Floats
    fitted: Floats

    def __call__(self, features: NDArray[np.floating], classes: NDArray[np.integer]) -> Floats:
        """Map features, shape (n_atoms, width), of atoms of given classes to slow coordinates, shape (n_atoms, n)."""
        mapped: Floats = (np.asarray(features, dtype=np.float64) - self.means[classes]) @ self.weights
        return mapped

    @property
    def kept(self) -> float:
        """Kinetic variance that is kept on held-out time: the sum of squared autocorrelations."""
        return float((np.clip(self.autocorrelation, 0.0, 1.0) ** 2).sum())

    def timescale(self, lag: float) -> Floats:
        """Give ``-lag / ln(autocorrelation)``, in the unit of lag; nan where it does not decay or does not exist."""
        ac = np.where((self.autocorrelation > 0) & (self.autocorrelation < 1), self.autocorrelation, np.nan)
        scale: Floats = -lag / np.log(ac)
        return scale


def _indicator(codes: NDArray[np.integer], n_classes: int) -> csr_array:
    """Give the matrix that is 1 where a row's class is the column, shape (n, n_classes)."""
    n = len(codes)
    return csr_array((np.ones(n), codes, np.arange(n + 1)), shape=(n, n_classes))


def fit_kinetic_map(
    train: LaggedMoments, held_out: LaggedMoments, n: int, *, ridges: Sequence[float] = RIDGES
) -> KineticMap:
    """Find the n slowest linear combinations of features.

    Parameters
    ----------
    train
        Moments of the pairs to fit.
    held_out
        Moments of pairs from other times, on which each coordinate's autocorrelation is measured.
    n
        Coordinates wanted; no more than features are returned.
    ridges
        Added to every variance, in units of the mean variance; damps directions that hardly vary. The map is taken
        whose coordinates keep the most kinetic variance on held-out pairs, for few atoms teach few directions.

    Returns
    -------
    KineticMap
        Coordinates in the order of their held-out autocorrelation, slowest first; fewer than n where the
        spectrum ends before.
    """
    return max((_fit(train, held_out, n, ridge) for ridge in ridges), key=lambda m: m.kept)


def _fit(train: LaggedMoments, held_out: LaggedMoments, n: int, ridge: float) -> KineticMap:
    """Fit with one ridge."""
    c0, ct = train.covariances
    scale = float(np.trace(c0)) / len(c0)
    if train.n < 2 or scale <= 1e-14:
        return KineticMap(train.means, np.zeros((len(c0), 1)), np.zeros(1), np.zeros(1))
    values, vectors = np.linalg.eigh(c0 + ridge * scale * np.eye(len(c0)))
    whiten = vectors / np.sqrt(np.maximum(values, ridge * scale))
    slow, turn = np.linalg.eigh(whiten.T @ ct @ whiten)
    pick = np.argsort(slow)[::-1][:n]
    weights = whiten @ turn[:, pick]
    weights /= np.sqrt(np.maximum(np.einsum("if,ij,jf->f", weights, c0, weights), 1e-30))
    fitted = np.einsum("if,ij,jf->f", weights, ct, weights)
    held = fitted
    if held_out.n > 1:
        v0, vt = held_out.covariances
        variance = np.einsum("if,ij,jf->f", weights, v0, weights)
        held = np.einsum("if,ij,jf->f", weights, vt, weights) / np.maximum(variance, 1e-30)
    order = np.argsort(-held, kind="stable")
    order = order[: max(int((held > _SPECTRUM_END).sum()), _FEWEST)]
    weights, held, fitted = weights[:, order], held[order], fitted[order]
    # the sign of an eigenvector is arbitrary: fix it, so that runs can be compared
    weights = weights * np.sign(weights[np.abs(weights).argmax(axis=0), np.arange(weights.shape[1])])
    return KineticMap(train.means, weights * np.clip(held, 0.0, 1.0), held, fitted)


def read_maps(path: Path) -> tuple[dict[str, KineticMap], dict[str, Any]]:
    """Read the kinetic maps and the header of a model file, without torch.

    Parameters
    ----------
    path
        A ``model.safetensors``.

    Returns
    -------
    maps, header
        Kinetic map of each species, and what else the header says: lag (frames), dt (ps), view, config, and the
        names of the identity classes.
    """
    from safetensors import safe_open

    if not path.is_file():
        raise MissingFileError(f"{path}: no such model file; name the OUT of a finished embed or encode")
    with safe_open(path, framework="numpy") as opened:
        header: dict[str, Any] = json.loads(opened.metadata()["cgcnn_md"])
        maps = {
            name: KineticMap(*(opened.get_tensor(f"map.{name}.{key}") for key in MAP_ARRAYS)) for name in header["maps"]
        }
    return maps, header
