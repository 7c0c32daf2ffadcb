"""k = 20 nearest periodic neighbours against the neighbour lists that others use.

    python benchmarks/neighbours.py [--threads N] [--repeats N] [--json FILE]

Rivals that give pairs within a radius get the radius that holds 38 atoms on average; ``+ 20 best`` sorts the pairs and
keeps the nearest. cKDTree and freud get the same number of atoms in an orthorhombic box.
"""

from __future__ import annotations

import numpy as np
from racing import DENSITY, against, arguments, liquid, race, report

from cgcnn_md.frame import Frame
from cgcnn_md.kernels.neighbours import CellList

K = 20
REACH = (38 / DENSITY * 3 / (4 * np.pi)) ** (1 / 3)


def k_best(centre: np.ndarray, other: np.ndarray, distance: np.ndarray, n: int) -> np.ndarray:
    """Keep the K nearest of every centre, padded with -1."""
    order = np.lexsort((distance, centre))
    centre, other = centre[order], other[order]
    place = np.arange(len(centre)) - np.searchsorted(centre, np.arange(n))[centre]
    keep = place < K
    out = np.full((n, K), -1, dtype=np.int64)
    out[centre[keep], place[keep]] = other[keep]
    return out


def rivals(n: int) -> dict[str, object]:
    """Make the work of each rival."""
    import freud
    import vesin
    from ase.neighborlist import primitive_neighbor_list
    from matscipy.neighbours import neighbour_list
    from scipy.spatial import cKDTree

    frame = liquid(n)
    straight = liquid(n, skew=0.0)
    lists = vesin.NeighborList(cutoff=REACH, full_list=True)
    side = float(straight.cell[0, 0])
    box = freud.box.Box.cube(side)

    def ours(what: Frame) -> object:
        return CellList.of(what, K).nearest(K, cutoff=10.0)

    def by_places() -> object:
        return CellList.of(frame, K).search(K, cutoff=10.0)

    def vesin_pairs() -> tuple[np.ndarray, ...]:
        return lists.compute(points=frame.positions, box=frame.cell, periodic=True, quantities="ijd")

    work: dict[str, object] = {
        "cgcnn_md": by_places,
        "cgcnn_md, by atom number": lambda: ours(frame),
        "vesin, pairs": vesin_pairs,
        "vesin + 20 best": lambda: k_best(*vesin_pairs(), n),
        "matscipy, pairs": lambda: neighbour_list(
            "ijd", positions=frame.positions, cell=frame.cell, pbc=frame.pbc, cutoff=REACH
        ),
        "scipy cKDTree (orthorhombic)": lambda: cKDTree(straight.positions, boxsize=side).query(
            straight.positions, K + 1, workers=1
        ),
        "freud (orthorhombic)": lambda: (
            freud.locality.AABBQuery(box, straight.positions - side / 2)
            .query(straight.positions - side / 2, {"num_neighbors": K, "exclude_ii": True})
            .toNeighborList()
        ),
    }
    if n <= 10_000:
        work["ase, pairs"] = lambda: primitive_neighbor_list(
            "ijd", frame.pbc, frame.cell, frame.positions, float(REACH)
        )
    return work


def main() -> None:
    """Race at two sizes."""
    asked = arguments(__doc__)
    rows: list[dict[str, object]] = []
    for n in (10_000, 100_000):
        rows += against(race(rivals(n), asked.repeats), n, "cgcnn_md")  # type: ignore[arg-type]
    report(rows, asked.json)


if __name__ == "__main__":
    main()
