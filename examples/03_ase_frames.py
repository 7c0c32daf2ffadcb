"""Embed frames that are in memory already: a list of ase.Atoms, here fcc copper with two vacancies.

Run from the root of the repository: python examples/03_ase_frames.py
"""

import tempfile
from pathlib import Path

import numpy as np
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.langevin import Langevin

import cgcnn_md

rng = np.random.default_rng(0)
atoms = bulk("Cu", "fcc", a=3.65, cubic=True).repeat(3)
del atoms[[0, 40]]  # two vacancies: some atoms now miss a neighbour
atoms.calc = EMT()
dynamics = Langevin(atoms, 2 * units.fs, temperature_K=300, friction=0.02 / units.fs, rng=rng, fixcm=False)
dynamics.run(200)  # from rest to 300 K

frames = []
dynamics.attach(lambda: frames.append(atoms.copy()), interval=10)
dynamics.run(300)

with tempfile.TemporaryDirectory() as folder:
    # ase.Atoms hold no time, so that dt (ps between the frames) is ours to give.
    result = cgcnn_md.embed(frames, out=Path(folder) / "vacancy", dt=0.02, epochs=3, map_points=500, seed=0)
    print(result)
    print(result.clusters[["cluster", "species", "population", "lifetime_ps"]].to_string(index=False))
