"""Whether clusters are found again on halves."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import adjusted_rand_score

from cgcnn_md.analysis.halves import Again, halve
from cgcnn_md.analysis.valley_clusters import ValleyClusters


def test_a_half_may_part_what_lies_between_two_phases() -> None:
    """Three parts of each half, for two clusters: the one between the phases is on neither side."""
    rng = np.random.default_rng(0)
    n = 20_000
    phase = rng.choice([-1.0, 0.0, 1.0], n, p=[0.38, 0.24, 0.38])
    points = np.column_stack([phase, np.zeros(n)]) + 0.25 * rng.normal(size=(n, 2))
    whole = ValleyClusters(n_clusters=3).fit(points).cut(2, points)
    assert whole.n_clusters_ == 2
    again = Again.of(points, halve(np.arange(n) // 20, np.arange(n) % 200), 3, seed=0)
    assert again is not None
    assert all(own.n_clusters_ >= 3 for own in again.own)
    thirds = [own.predict(points) for own in again.own]
    side = [np.array([whole.labels_[part == p].mean() > 0.5 for p in range(part.max() + 1)])[part] for part in thirds]
    assert min(adjusted_rand_score(whole.labels_, s) for s in side) < 0.8
    assert again.stability(whole) > 0.9
    assert again.found(whole).all()


def test_what_one_half_lacks_is_not_found_again() -> None:
    rng = np.random.default_rng(1)
    n = 4000
    frame = np.arange(n) // 20
    late = (frame * 10 // 200) % 2 == 1
    points = 0.2 * rng.normal(size=(n, 2)) + np.where(late & (rng.random(n) < 0.4), 2.0, 0.0)[:, None]
    whole = ValleyClusters().fit(points)
    assert whole.n_clusters_ == 2
    again = Again.of(points, halve(frame), 2, seed=0)
    assert again is not None
    assert again.stability(whole) < 0.8
    assert not again.found(whole).all()


def test_too_few_points_to_halve() -> None:
    assert Again.of(np.zeros((80, 2)), halve(np.arange(80)), 2, seed=0) is None
