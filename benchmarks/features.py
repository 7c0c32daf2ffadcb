"""Positions in memory to a vector for every atom, against SOAP and MACE, and how it grows with the box.

    python benchmarks/features.py [--threads N] [--repeats N] [--json FILE] [--grow]

Two species, 3 layers, width 64, k = 20 against SOAP with r = 5 Å, n = 6, l = 6 (DScribe, featomic) and, where
mace-torch is installed, the descriptors of a small untrained MACE: 2 layers, 64x0e, r = 5 Å, l = 3, correlation 3;
for 10 000 atoms it takes 8 GB. ``--grow`` measures boxes of 10^3 to 10^6 atoms instead, each in a process of its own,
with its peak memory.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import torch
from racing import against, arguments, liquid, race, report

from cgcnn_md.frame import Frame
from cgcnn_md.graph import knn_graph
from cgcnn_md.nn import Encoder

K, HOPS, ATOMS = 20, 3, 10_000


def encoder() -> Encoder:
    """Make an untrained encoder of the default shape."""
    torch.manual_seed(0)
    return Encoder(2, width=64, layers=HOPS, shortest=0.5, longest=6.0).eval()


def encode(network: Encoder, frame: Frame) -> torch.Tensor:
    """Build the graph of a frame and encode it."""
    with torch.no_grad():
        return network(knn_graph(frame, K, cutoff=10.0, hops=HOPS))  # type: ignore[no-any-return]


def mace(atoms: object) -> Callable[[], torch.Tensor]:
    """Make the work of a small MACE with random weights: neighbours, then descriptors without forces."""
    torch.serialization.add_safe_globals([slice])  # for a file of constants within e3nn 0.4.4
    from e3nn.o3 import Irreps
    from mace.data import AtomicData, config_from_atoms
    from mace.modules import MACE, interaction_classes
    from mace.tools import AtomicNumberTable
    from mace.tools.torch_geometric.batch import Batch

    torch.manual_seed(0)
    network = MACE(
        r_max=5.0,
        num_bessel=8,
        num_polynomial_cutoff=5,
        max_ell=3,
        interaction_cls=interaction_classes["RealAgnosticResidualInteractionBlock"],
        interaction_cls_first=interaction_classes["RealAgnosticInteractionBlock"],
        num_interactions=2,
        num_elements=2,
        hidden_irreps=Irreps("64x0e"),
        MLP_irreps=Irreps("16x0e"),
        gate=torch.nn.functional.silu,
        atomic_energies=np.zeros(2),
        avg_num_neighbors=52.0,
        atomic_numbers=[8, 14],
        correlation=3,
    )

    def describe() -> torch.Tensor:
        data = AtomicData.from_config(config_from_atoms(atoms), z_table=AtomicNumberTable([8, 14]), cutoff=5.0)
        with torch.no_grad():
            out = network(Batch.from_data_list([data]).to_dict(), compute_force=False)
        return out["node_feats"]  # type: ignore[no-any-return]

    return describe


def rivals() -> dict[str, object]:
    """Make the work of each rival."""
    import ase
    from dscribe.descriptors import SOAP
    from featomic import SoapPowerSpectrum

    frame, network = liquid(ATOMS, species=2), encoder()
    atoms = ase.Atoms(np.where(frame.species, 8, 14), frame.positions, cell=frame.cell, pbc=True)
    soap = SOAP(species=[8, 14], r_cut=5.0, n_max=6, l_max=6, periodic=True)
    power = SoapPowerSpectrum(
        cutoff={"radius": 5.0, "smoothing": {"type": "ShiftedCosine", "width": 0.5}},
        density={"type": "Gaussian", "width": 0.5},
        basis={"type": "TensorProduct", "max_angular": 6, "radial": {"type": "Gto", "max_radial": 5}},
    )
    racers = {
        "cgcnn_md": lambda: encode(network, frame),
        "DScribe SOAP": lambda: soap.create(atoms, n_jobs=1),
        "featomic SOAP": lambda: power.compute(atoms),
    }
    return racers | ({"MACE, 64x0e": mace(atoms)} if find_spec("mace") else {})


def grow(asked: object) -> list[dict[str, object]]:
    """Measure boxes of growing size, each in a process of its own."""
    rows = []
    for n in (1_000, 10_000, 100_000, 1_000_000):
        command = [sys.executable, __file__, "--threads", str(asked.threads), "--of", str(n)]  # type: ignore[attr-defined]
        micro, peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        rows.append({"atoms": n, "us per atom": float(micro), "peak memory, MB": float(peak)})
    return rows


def main() -> None:
    """Race, or grow."""
    growing = "--grow" in sys.argv
    one = int(sys.argv[sys.argv.index("--of") + 1]) if "--of" in sys.argv else 0
    if one:
        at = sys.argv.index("--of")
        del sys.argv[at : at + 2]
    sys.argv = [a for a in sys.argv if a != "--grow"]
    asked = arguments(__doc__)
    if one:
        frame, network = liquid(one, species=2), encoder()
        taken = race({"ours": lambda: encode(network, frame)}, 3 if one >= 10**6 else 7)["ours"]
        print(1e6 * taken / one, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
        return
    if growing:
        report(grow(asked), asked.json)
        return
    report(against(race(rivals(), asked.repeats), ATOMS, "cgcnn_md"), asked.json)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
