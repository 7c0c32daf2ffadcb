"""Measure whether a model that was trained on one trajectory finds in a second what a model trained there finds.

    python benchmarks/transfer.py TRAJ TOPOL [--select SELECTION] [--seed N]

The halves of one trajectory stand for two of one system. Printed is, per species, the adjusted Rand index of the
clusters in the second half: found with the model of the first half, against found with a model of its own.
"""

from __future__ import annotations

import argparse
import tempfile

import numpy as np
from sklearn.metrics import adjusted_rand_score

import cgcnn_md
from cgcnn_md.pipeline import info


def main() -> None:
    """Train on each half, encode the second with both models, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trajectory")
    parser.add_argument("topology")
    parser.add_argument("--select")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    files = [asked.trajectory, asked.topology]
    settings = {"select": asked.select, "seed": asked.seed, "map_points": 200}
    half = sum(int(facts["frames"]) for facts in info(files, scan=False).values()) // 2
    with tempfile.TemporaryDirectory() as out:
        cgcnn_md.train(files, out=f"{out}/first", stop=half, **settings)
        there = cgcnn_md.encode(f"{out}/first", files, out=f"{out}/encoded", start=half, **settings).store()
        own = cgcnn_md.embed(files, out=f"{out}/own", start=half, **settings).store()
        every = slice(0, own.n_frames)
        for name in np.unique(own.species):
            mine = own.species == name
            a, b = there.clusters(every)[:, mine].ravel(), own.clusters(every)[:, mine].ravel()
            both = (a >= 0) & (b >= 0)
            shared, all_ = adjusted_rand_score(a[both], b[both]), adjusted_rand_score(a, b)
            print(f"{name}: ARI {shared:.3f} of atoms in clusters of both, {all_:.3f} with -1 as one more cluster")


if __name__ == "__main__":
    main()
