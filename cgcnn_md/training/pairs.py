"""Which pairs of views are drawn: never across atoms, runs or files, and never across the held-out border."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.config import ATOM
from cgcnn_md.frame import Frame, Ints
from cgcnn_md.graph import KnnGraph, batch_graphs, compact_block
from cgcnn_md.kernels.neighbours import CellList
from cgcnn_md.nn import Model
from cgcnn_md.objectives.views import jiggled, like_neighbours
from cgcnn_md.readers import Reader
from cgcnn_md.readers.groups import Groups
from cgcnn_md.readers.runs import Runs
from cgcnn_md.training.held_out import Anchor, Cut, split

_CACHE_BYTES = 400_000_000
_NODES_PER_TARGET = 4  # a batch may hold so many nodes for each atom of its budget
_PIECES = 3  # places in a large frame that a batch is cut from: one block may lie within one environment
_SURROUNDINGS = 2.5  # what a batch may cost, in atoms updated a layer, for each atom of its budget: as one of blocks
_SMALLEST_BLOCK = 100  # target atoms
_WORTH_A_READ = 100_000  # atoms of a frame for each step that stays with it
_LONGEST_STAY = 8  # steps
_BINNED_BYTES = 75  # of a frame and its cells, an atom
_MOST_CUTS = 16  # blocks that are cut from one frame for a sum over all
_MOST_FRAMES = 256  # of tiny systems; more cost time and no longer sharpen the score
_FEWEST_GROUPS, _ENOUGH_GROUPS = 30, 100  # of a kind in a batch: at any cost, and for a few times its budget
_DEARER = 4
_USUAL = Cut()
JIGGLE = 0.1  # of the nearest-neighbour distance


@dataclass(frozen=True, eq=False)
class PairBatch:
    """Both views of some atoms, or of groups of them.

    Parameters
    ----------
    first, second
        Graphs of the two views; the same object where both ends lie in one graph.
    rows_first, rows_second
        Places of the ends among the targets of each graph, or its groups, each of shape (n_pairs,).
    species
        Species code of each pair, or kind of group, as a place in the model's `kinds`, shape (n_pairs,).
    classes
        Identity class of both ends, as places in the model's table, shape (n_pairs, 2).
    """

    first: KnnGraph
    second: KnnGraph
    rows_first: Ints
    rows_second: Ints
    species: NDArray[np.int16]
    classes: Ints


class PairSampler:
    """Draws pairs of views from the frames of several systems.

    Parameters
    ----------
    readers
        The systems.
    model
        Builds the graphs.
    view
        "time", "space" or "noise".
    lag
        Frames between both ends, for `time`.
    batch_atoms
        Budget of target atoms in a batch.
    validation
        Share of each run that is held out.
    cut
        Where in it.
    held_runs
        Runs of every system that are held out whole, in place of that share; None for none.
    """

    def __init__(
        self, readers: Sequence[Reader], model: Model, *, view: str, lag: int, batch_atoms: int, validation: float,
        cut: Cut = _USUAL, held_runs: Runs | None = None,
    ) -> None:  # fmt: skip
        self.readers, self.model, self.view, self.lag = readers, model, view, lag
        self.batch_atoms = batch_atoms
        self.codes = [model.codes(r.species) for r in readers]
        self.rows = [model.rows(r.groups) for r in readers]
        self._cache: OrderedDict[tuple[int, int], KnnGraph] = OrderedDict()
        self._cached = 0
        self._binned: OrderedDict[tuple[int, int], CellList] = OrderedDict()
        self._moved: OrderedDict[Anchor, CellList] = OrderedDict()
        self.train, self.held_out = split(readers, lag if view == "time" else 0, validation, cut, held_runs)
        self.block = max(int(_SURROUNDINGS * batch_atoms) // len(readers), 500)
        self.pieces = 1
        self._per_batch: int | None = None
        if not self.whole_frames:
            self._cut_up()

    @property
    def atoms_of(self) -> dict[str, int]:
        """Atoms of each species, or groups of each kind, in all systems."""
        counts = np.bincount(np.concatenate([kinds for kinds, _ in self.rows]), minlength=len(self.model.kinds))
        return dict(zip(self.model.kinds, counts.tolist(), strict=True))

    @property
    def whole_frames(self) -> bool:
        """Whether every system's targets fit into a batch at what blocks would cost, so that none are taken."""
        return all(len(r.targets) <= self.block for r in self.readers)

    def _cut_up(self) -> None:
        """Choose blocks so small that with their surroundings they cost about what whole frames would."""
        self.block = max(self.batch_atoms // len(self.readers), 500) // _PIECES
        self.pieces = _PIECES
        rng = np.random.default_rng(0)
        for anchor in {a.system: a for a in reversed(self.train)}.values():
            for _ in range(4):
                counts = self._graphs([anchor], rng)[0][0].counts
                over = sum(counts[:-1]) / (len(counts) - 1) / (_SURROUNDINGS * self.batch_atoms / len(self.readers))
                if over * self.pieces <= 1:
                    break
                self.block = max(int(self.block / (over * self.pieces) ** 1.5), _SMALLEST_BLOCK)

    def _graphs(
        self, anchors: Sequence[Anchor], rng: np.random.Generator
    ) -> list[tuple[KnnGraph, KnnGraph, NDArray[np.int16], Ints]]:  # fmt: skip
        """Build both views of each anchor, with the kinds and classes of what gets a vector.

        Frames of a system are asked for together, so that reading overlaps.
        """
        wanted: dict[int, list[int]] = {}
        reach = [0, self.lag] if self.view == "time" else [0]
        keep_graphs = self.whole_frames and self.view != "noise"
        for a in anchors:
            for step in reach:
                key = (a.system, a.frame + step)
                if key not in self._binned and not (keep_graphs and key in self._cache):
                    wanted.setdefault(a.system, []).append(a.frame + step)
        frames = {key: cells.frame for key, cells in self._binned.items()}
        for s, numbers in wanted.items():
            unique = sorted(set(numbers))
            for number, frame in zip(unique, self.readers[s].frames(unique), strict=True):
                frames[s, number] = frame
        pairs = []
        for a in anchors:
            groups, rows = self.readers[a.system].groups, None
            if not self.whole_frames:
                for step in reach:
                    self._bin((a.system, a.frame + step), frames)
                # whole groups, by their first members
                size = max(self.block * len(groups) // len(groups.atoms), -(-self._fewest(groups) // self.pieces), 1)
                near = compact_block(self._binned[a.system, a.frame], groups.first, size, rng)
                rows = np.searchsorted(groups.first, near)
            members = groups.members(rows)
            ends = [self._graph(a.system, a.frame + step, members, frames, keep=keep_graphs) for step in reach]
            if self.view == "noise":
                moved = self._jiggled(a, frames[a.system, a.frame], ends[0], rng)
                ends.append(
                    self.model.graph(moved.frame, members[0], self.codes[a.system], moved, group=members[1])
                )  # fmt: skip
            kinds, classes = self.rows[a.system]
            which = slice(None) if rows is None else rows
            pairs.append((ends[0], ends[-1], kinds[which], classes[which]))
        return pairs

    def _jiggled(self, anchor: Anchor, frame: Frame, graph: KnnGraph, rng: np.random.Generator) -> CellList:
        """Move the atoms of a frame; blocks cut from a large one share that until `random` takes other frames."""
        if self.whole_frames or anchor not in self._moved:
            moved = jiggled(frame, JIGGLE * float(np.median(graph.distance[:, 0])), rng)
            self._moved[anchor] = CellList.of(moved, self.model.config.k)
            while len(self._moved) > len(self.readers):
                self._moved.popitem(last=False)
        return self._moved[anchor]

    def _bin(self, key: tuple[int, int], frames: dict[tuple[int, int], Frame]) -> None:
        """Have the atoms of a large frame in cells, and keep the last such frames for the blocks still to come."""
        if key in self._binned:
            self._binned.move_to_end(key)
            return
        self._binned[key] = CellList.of(frames[key], self.model.config.k)
        most = max(int(_CACHE_BYTES / (_BINNED_BYTES * len(frames[key]))), 2)
        while len(self._binned) > most:
            self._binned.popitem(last=False)

    def _graph(
        self, system: int, number: int, members: tuple[Ints, Ints | None], frames: dict[tuple[int, int], Frame], *,
        keep: bool,
    ) -> KnnGraph:  # fmt: skip
        key = (system, number)
        if keep and key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        graph = self.model.graph(
            frames[key], members[0], self.codes[system], self._binned.get(key), group=members[1]
        )  # fmt: skip
        if keep:
            self._cache[key] = graph
            self._cached += graph.nbytes
            while self._cached > _CACHE_BYTES and len(self._cache) > 1:
                self._cached -= self._cache.popitem(last=False)[1].nbytes
        return graph

    def per_batch(self) -> int:
        """Anchors that fit into a batch, from the size of the largest graph of any system."""
        if self._per_batch is None:
            rng = np.random.default_rng(0)
            firsts = {a.system: a for a in reversed(self.train)}
            graphs = [self._graphs([a], rng)[0][0] for a in firsts.values()]
            targets = max(g.counts[0] for g in graphs)
            nodes = max(len(g.nodes) for g in graphs)
            budget = min(self.batch_atoms // targets, _NODES_PER_TARGET * self.batch_atoms // nodes)
            systems = len(self.readers)
            of_each = sum(len(r.targets) for r in self.readers) <= _SURROUNDINGS * self.batch_atoms
            if of_each and systems * nodes <= _NODES_PER_TARGET * self.batch_atoms:
                budget = max(budget, systems)
            fewest = max(-(-self._fewest(r.groups) // len(r.groups)) for r in self.readers)
            self._per_batch = int(np.clip(max(budget, fewest), 1, min(_MOST_FRAMES, len(self.train))))
        return self._per_batch

    def _fewest(self, groups: Groups) -> int:
        """Give the groups that a batch must hold whatever they cost, for covariances of few pairs are noise."""
        if groups.level == ATOM:
            return 0
        affordable = _DEARER * self.batch_atoms * len(groups) // len(groups.atoms)
        return len(groups.kinds) * int(np.clip(affordable // len(groups.kinds), _FEWEST_GROUPS, _ENOUGH_GROUPS))

    def batch(self, anchors: Sequence[Anchor], rng: np.random.Generator) -> PairBatch:
        """Build the batch of some anchors."""
        pairs = self._graphs(anchors, rng)
        first = batch_graphs([p[0] for p in pairs])
        kinds, classes = (np.concatenate(of) for of in list(zip(*pairs, strict=True))[2:])
        if self.view == "space":
            a, b = like_neighbours(first, kinds, rng)
            return PairBatch(first, first, a, b, kinds[a], np.stack([classes[a], classes[b]], axis=1))
        rows = np.arange(len(kinds))
        both = np.stack([classes, classes], axis=1)
        return PairBatch(first, batch_graphs([p[1] for p in pairs]), rows, rows, kinds, both)

    def random(self, rng: np.random.Generator, n_batches: int) -> Iterator[PairBatch]:
        """Draw training batches, every system as often as any other."""
        by_system: dict[int, list[Anchor]] = {}
        for anchor in self.train:
            by_system.setdefault(anchor.system, []).append(anchor)
        systems = list(by_system.values())
        turn = int(rng.integers(len(systems)))
        largest = max(r.n_atoms for r in self.readers)
        stay = 1 if self.whole_frames else int(np.clip(largest // _WORTH_A_READ, 1, _LONGEST_STAY))
        anchors: list[Anchor] = []
        for number in range(n_batches):
            if number % stay == 0:  # to read and bin a huge frame costs more than a step: several are cut from it
                anchors = []
                self._moved.clear()
                for _ in range(self.per_batch() if self.whole_frames else len(systems)):
                    mine = systems[turn % len(systems)]
                    anchors += [mine[int(rng.integers(len(mine)))]] * self.pieces
                    turn += 1
            yield self.batch(anchors, rng)

    def spread(self, anchors: Sequence[Anchor], max_nodes: int, seed: int = 0) -> Iterator[PairBatch]:
        """Go through anchors in order, evenly thinned out to about `max_nodes` graph nodes, or cut several times."""
        if not anchors:
            return
        rng = np.random.default_rng(seed)
        nodes = len(self._graphs([anchors[0]], rng)[0][0].nodes)
        most = len(anchors) if self.whole_frames else _MOST_CUTS * len(anchors)
        n = int(np.clip(max_nodes // nodes, min(len(anchors), 2), most))
        chosen = [anchors[i] for i in np.linspace(0, len(anchors) - 1, n).round().astype(int)]
        size = self.per_batch() if self.whole_frames else self.pieces
        for at in range(0, len(chosen), size):
            yield self.batch(chosen[at : at + size], rng)
