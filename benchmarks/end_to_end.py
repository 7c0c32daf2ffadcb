"""The whole way: files to store against frames in memory, and what a training step costs in boxes of growing size.

    python benchmarks/end_to_end.py [--threads N] [--repeats N] [--json FILE]

Run from the root of the repository, on the example trajectory there. Both rates are of one model and one set of frames.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import ase
import numpy as np
import torch
from racing import arguments, liquid, race, report

from cgcnn_md.config import Config, ReadConfig
from cgcnn_md.embedding import encode_system
from cgcnn_md.kernels.neighbours import CellList
from cgcnn_md.kernels.threads import one_blas_thread
from cgcnn_md.objectives.vamp2 import Vamp2
from cgcnn_md.out_folder import OutFolder
from cgcnn_md.progress import Silent
from cgcnn_md.readers import open_systems
from cgcnn_md.training.moments import Moments, pair_features
from cgcnn_md.training.pairs import PairSampler
from cgcnn_md.training.start import new_model

COPPER = [Path("examples/data/copper.xtc"), Path("examples/data/copper.pdb")]
STEPS = 8


def encoding(repeats: int) -> list[dict[str, object]]:
    """Measure atoms a second from memory, and from file to store."""
    readers = open_systems(COPPER, None, ReadConfig())
    reader = readers[0]
    model = new_model(readers, Config())
    model.maps = Moments.of(
        model, PairSampler(readers, model, view="time", lag=4, batch_atoms=4000, validation=0.3)
    ).maps(16)
    frames = [reader[i] for i in range(len(reader))]
    codes = model.codes(reader.species)
    species = codes[np.asarray(reader.species_codes)[reader.targets]]
    classes = model.classes(reader.identity)[reader.targets]

    def memory() -> None:
        for at in range(0, len(frames), 3):
            graphs = [model.graph(f, reader.targets, codes) for f in frames[at : at + 3]]
            model.embed(model.features(graphs), *(np.tile(of, len(graphs)) for of in (species, classes)))

    def files() -> None:
        with tempfile.TemporaryDirectory() as out:
            folder = OutFolder.open(Path(out) / "run", "encode", Config())
            folder.inputs(readers)
            encode_system(model, reader, folder.store(model, reader, "", hidden=False), Silent())

    work: dict[str, Callable[[], object]] = {"frames in memory": memory, "file to store": files}
    with one_blas_thread():  # as where frames are encoded
        taken = race(work, repeats)
    atoms = len(frames) * len(reader.targets)
    reader.close()
    return [
        {"what": name, "atoms": atoms, "k atoms/s": atoms / t / 1e3, "of the first": taken["frames in memory"] / t}
        for name, t in taken.items()
    ]


def training() -> list[dict[str, object]]:
    """Measure a training step in boxes of 10^3 to 10^6 atoms, and apart from it what a new frame costs."""
    rows: list[dict[str, object]] = []
    for n in (1_000, 10_000, 100_000, 1_000_000):
        frame, rng = liquid(n), np.random.default_rng(1)
        frames = [
            ase.Atoms(np.full(n, 18), frame.positions + rng.normal(0.0, 0.2, (n, 3)), cell=frame.cell, pbc=True)
            for _ in range(4)
        ]
        readers = open_systems(frames, None, ReadConfig())
        model = new_model(readers, Config())
        sampler = PairSampler(readers, model, view="time", lag=1, batch_atoms=4000, validation=0.0)
        objective = Vamp2(64, 1)
        taken, frame_taken = [], []
        for number in range(len(frames)):
            began = time.perf_counter()
            CellList.of(readers[0][number], model.config.k)
            frame_taken.append(time.perf_counter() - began)
        began = time.perf_counter()
        for batch in sampler.random(np.random.default_rng(0), STEPS + 1):
            x, y = pair_features(model, batch)
            species, classes = (torch.from_numpy(c.astype(np.int64)) for c in (batch.species, batch.classes))
            (-objective(x, y, species, classes)).backward()
            taken.append(time.perf_counter() - began)
            began = time.perf_counter()
        rows.append(
            {
                "what": "training step", "atoms": n, "pairs": len(batch.rows_first), "ms": 1e3 * np.median(taken[1:]),
                "ms to read and bin one": 1e3 * np.median(frame_taken),
            }
        )  # fmt: skip
    return rows


def main() -> None:
    """Measure both."""
    asked = arguments(__doc__)
    report(encoding(asked.repeats), asked.json)
    print()
    report(training(), None if asked.json is None else asked.json.with_suffix(".training.json"))


if __name__ == "__main__":
    main()
