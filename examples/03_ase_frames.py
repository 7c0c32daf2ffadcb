"""Embed frames that are in memory already: a list of ase.Atoms, here fcc copper that warms up.

Run from the root of the repository: python examples/03_ase_frames.py
"""

import tempfile
from pathlib import Path

import numpy as np
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

import cgcnn_md

rng = np.random.default_rng(0)
atoms = bulk("Cu", "fcc", a=3.65, cubic=True).repeat(3)
del atoms[[0, 40]]  # two vacancies: some atoms now miss a neighbour
atoms.calc = EMT()
MaxwellBoltzmannDistribution(atoms, temperature_K=600, rng=rng)
dynamics = Langevin(atoms, 2 * units.fs, temperature_K=300, friction=0.02 / units.fs, rng=rng)

frames = []
dynamics.attach(lambda: frames.append(atoms.copy()), interval=10)
dynamics.run(300)

with tempfile.TemporaryDirectory() as folder:
    # ase.Atoms hold no time, so that dt (ps between the frames) is ours to give.
    result = cgcnn_md.embed(frames, out=Path(folder) / "vacancy", dt=0.02, epochs=3, map_points=500, seed=0)
    print(result)
    print(result.clusters[["cluster", "species", "population", "lifetime_ps"]].to_string(index=False))
