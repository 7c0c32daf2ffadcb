"""Study a stored embedding: labelled arrays, tables and figures, without torch.

Run from the root of the repository: python examples/02_open_results.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import cgcnn_md

DATA = Path("examples/data")

with tempfile.TemporaryDirectory() as folder:
    # The same as `cgcnn-md embed ...` in a shell; OUT is all that it prints to stdout.
    run = [sys.executable, "-m", "cgcnn_md", "embed", "--quiet", "--step", "2", "--epochs", "4"]
    files = [str(DATA / "copper.xtc"), str(DATA / "copper.pdb"), "--map-points", "1000"]
    done = subprocess.run([*run, *files, "-o", f"{folder}/demo"], check=True, stdout=subprocess.PIPE, text=True)
    result = cgcnn_md.open_embedding(done.stdout.strip())

    data = result.to_xarray()  # dimensions: frame, atom, feature; loaded where it is used
    print(data)

    # Share of the atoms in each cluster, frame by frame.
    for cluster in result.clusters["cluster"]:
        share = (data["cluster"] == cluster).mean("atom").values
        print(f"cluster {cluster}: {share[0]:.3f} of the atoms in the first frame, {share[-1]:.3f} in the last")

    # How the environments lie along the box: mean of the slowest coordinate, atom by atom, over all frames.
    slowest = data["embedding"].isel(feature=0).mean("frame").values
    print(f"slowest coordinate: from {slowest.min():.2f} to {slowest.max():.2f} over {len(slowest)} atoms")

    axes = result.plot.map()
    axes.figure.savefig(f"{folder}/map.png", dpi=150)

    print("torch was imported:", "torch" in sys.modules)
