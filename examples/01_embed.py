"""From a trajectory to environments: the whole chain on a slab of copper that is half crystal, half liquid.

Run from the root of the repository: python examples/01_embed.py
"""

import tempfile
from pathlib import Path

import cgcnn_md

DATA = Path("examples/data")

with tempfile.TemporaryDirectory() as folder:
    # Trajectory first, topology last. No label, no bond, no order parameter is given.
    # Few frames and epochs keep the example short; leave these two settings out for real work.
    result = cgcnn_md.embed(
        [DATA / "copper.xtc", DATA / "copper.pdb"],
        out=Path(folder) / "demo",
        step=2,
        epochs=4,
        map_points=1000,
        seed=0,
    )

    print(result)

    # Each row is an environment: how many atoms are in it, and how long they stay.
    columns = ["cluster", "species", "population", "population_low", "population_high", "lifetime_ps"]
    print(result.clusters[columns].to_string(index=False))

    print("\nwritten:")
    for path in sorted(result.path.rglob("*")):
        if path.is_file() and "embedding.zarr" not in path.parts:
            print(f"  {path.relative_to(result.path)}  {path.stat().st_size / 1024:.0f} KiB")
