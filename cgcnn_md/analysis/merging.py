"""Groups of points merged to clusters that last and are found again, or to as many as are asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cgcnn_md.analysis.halves import STABLE, Again, Halves
from cgcnn_md.analysis.lumping import fewer, kept, part_counts
from cgcnn_md.analysis.membership import AtLag
from cgcnn_md.analysis.parting import by_process, in_two, other_and_deeper, outlasting
from cgcnn_md.analysis.valley import PASS, most_left
from cgcnn_md.analysis.valley_clusters import ValleyClusters
from cgcnn_md.frame import Floats, Ints

_MOST = 0.9  # of the kinetic variance that so many clusters can keep, that those given keep


@dataclass(frozen=True, eq=False)
class Found:
    """Clusters of which all last and are found again on halves.

    Parameters
    ----------
    fitted, stability
        The clusters, and their stability.
    tree
        The groups they were merged from.
    almost
        Of one cluster, a parting in two that is nearly deep enough, with its stability; None where there is none.
    """

    fitted: ValleyClusters
    stability: float | None
    tree: ValleyClusters
    almost: tuple[ValleyClusters, float] | None = None


@dataclass(frozen=True, eq=False)
class Sample:
    """What clusters are sought in.

    Parameters
    ----------
    points, system
        Slow coordinates, shape (n_points, n), and the system of every point, shape (n_points,).
    halves
        Ways to halve the points.
    pairs, lag, at_lag
        As of `find_clusters`, in the same coordinates.
    seed
        Seed of k-means.
    """

    points: Floats
    system: Ints
    halves: Halves
    pairs: tuple[Floats, Floats] | None
    lag: int
    at_lag: AtLag | None
    seed: int

    def believed(self) -> Found:
        """Find clusters that last and are found again on halves."""
        points, pairs, lag = self.points, self.pairs, self.lag
        tree = whole = ValleyClusters(seed=self.seed).fit(points, system=self.system)
        again = Again.of(points, self.halves, whole.n_clusters_, self.seed) if whole.n_clusters_ > 1 else None
        counts = self._counts(whole)
        while whole.n_clusters_ > 1:
            weak = np.ones(whole.n_clusters_, dtype=bool)
            deep = whole.valley_ <= most_left(whole.n_clusters_)
            if deep and again is not None:
                found = again.found(whole)
                lasts = weak if pairs is None else outlasting(whole, pairs, lag)
                if again.stability(whole) >= STABLE and found.all() and lasts.all():
                    break
                if not (found & lasts).all():
                    weak = ~(found & lasts)
            whole = fewer(whole, counts if deep else None, weak)
        stability = again.stability(whole) if again is not None and whole.n_clusters_ > 1 else 1.0
        almost = None
        if whole.n_clusters_ <= 2 and points.shape[1] > 1 and pairs is not None and self.at_lag is not None:
            process = by_process(points, self.halves, pairs, lag, self.at_lag)
            if process is not None and process[0].valley_ > PASS:
                almost = process
            elif process is not None and (whole.n_clusters_ == 1 or other_and_deeper(process[0], whole)):
                whole, stability = process
        parted = in_two(points, self.halves, pairs, lag, whole)
        if parted is not None:
            whole, stability = parted[0], min(parted[1], stability)
        return Found(whole, stability, tree, almost if whole.n_clusters_ == 1 else None)

    def as_asked(self, n: int, found: Found) -> tuple[ValleyClusters, float | None]:
        """Give so many clusters, with their stability: those found, merged, or where these are fewer, others.

        Others are of the fewest groups of which so many clusters keep most of the slow motion that can be kept. The
        groups with the deepest valleys may be rare and left at once, and hide what there is much of and lasts; but of
        many groups the clusters that keep most are large parts of a continuum, which no valley parts.
        """
        if found.fitted.n_clusters_ == n:
            return found.fitted, found.stability
        if n == 2 and found.almost is not None:
            return found.almost
        whole = self._merged(found.fitted, n)[0] if found.fitted.n_clusters_ > n else self._parted(n, found.tree)
        again = Again.of(self.points, self.halves, whole.n_clusters_, self.seed)
        return whole, None if again is None else again.stability(whole)

    def _parted(self, n: int, tree: ValleyClusters) -> ValleyClusters:
        """Merge the fewest groups of a tree of which so many clusters keep most of the slow motion.

        Where there are not so many groups that hold points, there are fewer clusters.
        """
        if tree.tree_.n_groups < n:
            tree = ValleyClusters(n_clusters=n, seed=self.seed).fit(self.points, system=self.system)
        groups = tree.tree_.n_groups
        cuts = (self._merged(tree.cut(m, self.points), n) for m in range(min(n, groups), groups))
        last, most = self._merged(tree.cut(groups, self.points), n)
        found = last.n_clusters_
        return next((cut for cut, keeps in cuts if cut.n_clusters_ == found and keeps >= _MOST * most), last)

    def _merged(self, fitted: ValleyClusters, n: int) -> tuple[ValleyClusters, float]:
        """Merge clusters until so many are left; give these, and what they keep of the slow motion."""
        counts = self._counts(fitted)
        while fitted.n_clusters_ > n:
            fitted = fewer(fitted, counts, np.ones(fitted.n_clusters_, dtype=bool))
        return fitted, 0.0 if counts is None else kept(fitted, counts)

    def _counts(self, fitted: ValleyClusters) -> Floats | None:
        return None if self.pairs is None else part_counts(fitted, self.pairs)
