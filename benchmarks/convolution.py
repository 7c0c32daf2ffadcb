"""One gated convolution, forward and with its gradients, against PyG and plain torch.

    python benchmarks/convolution.py [--threads N] [--repeats N] [--json FILE]

8 000 atoms, k = 20, width 64; the first layer, where atoms are no more than their species, with three of these.
``torch`` is the plain reference in the factorised, tabulated form; PyG's CGConv multiplies each edge's concatenated
features, with 48 Gaussians of its distance, by one matrix. The node products are part of the work.
"""

from __future__ import annotations

import torch
from racing import against, arguments, liquid, race, report

from cgcnn_md.graph import knn_graph
from cgcnn_md.kernels.convolution import gated_sum_reference
from cgcnn_md.nn import GatedConv

ATOMS, K, WIDTH, GAUSSIANS, SPECIES = 8_000, 20, 64, 48, 3


def main() -> None:
    """Race forward, then forward and backward."""
    from torch_geometric.nn import CGConv

    asked = arguments(__doc__)
    graph = knn_graph(liquid(ATOMS), K, cutoff=10.0)
    index, distance, weight = (torch.from_numpy(a) for a in (graph.index, graph.distance, graph.weight))
    torch.manual_seed(0)
    conv = GatedConv(WIDTH, shortest=0.5, longest=6.0)
    peer = CGConv(WIDTH, dim=GAUSSIANS)
    v = torch.randn(ATOMS, WIDTH, requires_grad=True)
    species = torch.randn(SPECIES, WIDTH, requires_grad=True)
    codes = torch.randint(SPECIES, (ATOMS,), dtype=torch.int32)
    place = conv.table.place(distance)
    edges = torch.stack([index.long().flatten(), torch.arange(ATOMS).repeat_interleave(K)])
    expanded = conv.table.basis[place.round().long()].reshape(-1, GAUSSIANS)
    compiled = torch.compile(gated_sum_reference)

    def plain(form: object) -> torch.Tensor:
        summed = form(conv.centre(v), conv.neighbour(v), conv.table(), index, place, weight)  # type: ignore[operator]
        return v + conv.norm(summed)

    forms = {
        "cgcnn_md": lambda: conv(v, ATOMS, index, distance, weight),
        "cgcnn_md, first layer": lambda: conv.first(species, codes, ATOMS, index, distance, weight),
        "torch, eager": lambda: plain(gated_sum_reference),
        "torch.compile": lambda: plain(compiled),
        "PyG CGConv": lambda: peer(v, edges, expanded),
    }
    rows: list[dict[str, object]] = []
    with torch.no_grad():
        rows += against(race(forms, asked.repeats), ATOMS, "cgcnn_md", what="forward")
    both = {name: (lambda form=form: form().square().sum().backward()) for name, form in forms.items()}
    rows += against(race(both, asked.repeats), ATOMS, "cgcnn_md", what="forward + backward")
    report(rows, asked.json)


if __name__ == "__main__":
    main()
