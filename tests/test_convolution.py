"""The gated convolution against PyG, and the fused form against the reference and autograd."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from scipy.interpolate import interp1d
from scipy.stats import norm
from torch.nn import functional

from cgcnn_md.kernels.convolution import gated_sum, gated_sum_reference
from cgcnn_md.kernels.lookup import table_sum, table_sum_reference
from cgcnn_md.nn import GatedConv
from cgcnn_md.nn.conv import DistanceTable


def random_problem(k: int, width: int, n: int = 40) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(k * 1000 + width)
    p, q = torch.randn(n - 7, 2 * width), torch.randn(n, 2 * width)
    table = torch.randn(64, 2 * width)
    index = torch.randint(0, n, (n - 7, k), dtype=torch.int32)
    weight = torch.rand(n - 7, k) * (torch.rand(n - 7, k) > 0.2)
    return p, q, table, index, torch.rand(n - 7, k) * 63, weight


@pytest.mark.parametrize(("k", "width"), [(1, 16), (20, 64), (64, 16), (7, 256), (5, 3)])
def test_fused_equals_reference_forward_and_backward(k: int, width: int) -> None:
    p, q, table, index, place, weight = random_problem(k, width)
    results = []
    for form in (gated_sum, gated_sum_reference):
        leaves = [x.clone().requires_grad_() for x in (p, q, table)]
        out = form(*leaves, index, place, weight)
        grads = torch.autograd.grad((out * torch.linspace(-1, 1, width)).sum(), leaves)
        results.append((out.detach(), *grads))
    for fused, plain in zip(*results, strict=True):
        assert float((fused - plain).abs().max()) <= 1e-5 * float(plain.abs().max())


def test_reference_gradients_equal_finite_differences() -> None:
    p, q, table, index, place, weight = (x.double() if x.is_floating_point() else x for x in random_problem(3, 4, n=10))
    leaves = [x.requires_grad_() for x in (p, q, table)]
    assert torch.autograd.gradcheck(lambda a, b, t: gated_sum_reference(a, b, t, index, place, weight), leaves)


def random_tables(k: int, width: int, n: int = 33) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(k * 1000 + width)
    which = torch.randint(0, 4, (n, k), dtype=torch.int32)
    return torch.randn(4, 64, width), which, torch.rand(n, k) * 63, torch.rand(n, k) * (torch.rand(n, k) > 0.2)


@pytest.mark.parametrize(("k", "width"), [(1, 16), (20, 64), (7, 256), (5, 3)])
def test_tables_are_read_as_scipy_interpolates(k: int, width: int) -> None:
    tables, which, place, weight = random_tables(k, width)
    read = [interp1d(np.arange(64), table.numpy(), axis=0) for table in tables]
    wanted = [
        sum(float(w) * read[s](t) for s, t, w in zip(*row, strict=True))
        for row in zip(which.tolist(), place.tolist(), weight.tolist(), strict=True)
    ]
    for form in (table_sum, table_sum_reference):
        np.testing.assert_allclose(form(tables, which, place, weight).numpy(), wanted, atol=3e-5)


@pytest.mark.parametrize(("k", "width"), [(1, 16), (20, 64), (5, 3)])
def test_tables_get_the_gradient_of_the_reference(k: int, width: int) -> None:
    tables, *edges = random_tables(k, width)
    leaf, up = tables.requires_grad_(), torch.linspace(-1, 1, width)
    forms = (table_sum, table_sum_reference)
    fused, plain = (torch.autograd.grad((form(leaf, *edges) * up).sum(), leaf)[0] for form in forms)
    assert float((fused - plain).abs().max()) <= 1e-5 * float(plain.abs().max())


def test_gradients_of_read_tables_equal_finite_differences() -> None:
    tables, *edges = (x.double() if x.is_floating_point() else x for x in random_tables(3, 4, n=10))
    assert torch.autograd.gradcheck(lambda t: table_sum_reference(t, *edges), tables.requires_grad_())


@pytest.mark.parametrize("n_species", [1, 3, 4, 5])
def test_the_first_layer_is_that_of_atoms_that_are_their_species(n_species: int) -> None:
    torch.manual_seed(0)
    conv, n = GatedConv(16, shortest=0.5, longest=6.0), 60
    species, codes = torch.randn(n_species, 16), torch.randint(0, n_species, (n,), dtype=torch.int32)
    index, distance, weight = edges(n, 8)
    place = conv.table.place(distance).round()  # at a knot no form interpolates
    distance = 0.5 + 5.5 * place / 511
    rest = (n - 9, index[: n - 9], distance[: n - 9], weight[: n - 9])
    wanted = conv(species[codes.long()], *rest)
    got = conv.first(species, codes, *rest)
    torch.testing.assert_close(got, wanted, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_extreme_logits_stay_finite(k: int) -> None:
    p = torch.cartesian_prod(torch.tensor([200.0, -200.0, 25.0]), torch.tensor([100.0, -300.0, -25.0]))
    n = len(p)
    index, place, one = torch.zeros(n, k, dtype=torch.int32), torch.zeros(n, k), torch.ones(n, k)
    args = (p, torch.zeros(1, 2), torch.zeros(8, 2), index, place, one)
    torch.testing.assert_close(gated_sum(*args), gated_sum_reference(*args), atol=1e-5, rtol=1e-5)


def test_equals_pyg_cgconv() -> None:
    geometric = pytest.importorskip("torch_geometric.nn")
    width, n, k, n_gaussians = 8, 12, 5, 48
    torch.manual_seed(0)
    conv = GatedConv(width, shortest=0.5, longest=6.0)
    knot = torch.randint(0, 512, (n, k))
    place = knot.float()
    index = torch.randint(0, n, (n, k), dtype=torch.int32)
    v = torch.randn(n, width)
    peer = geometric.CGConv(width, dim=n_gaussians)
    for half, linear in enumerate((peer.lin_f, peer.lin_s)):
        rows = slice(half * width, (half + 1) * width)
        parts = (conv.centre.weight[rows], conv.neighbour.weight[rows], conv.table.linear.weight[rows])
        linear.weight.data = torch.cat(parts, dim=1).detach()
        linear.bias.data = conv.table.linear.bias[rows].detach()
    edges = torch.stack([index.long().flatten(), torch.arange(n).repeat_interleave(k)])
    wanted = peer(v, edges, conv.table.basis[knot.flatten()])
    got = v + gated_sum_reference(
        conv.centre(v), conv.neighbour(v), conv.table(), index, place, torch.ones(n, k), functional.softplus
    )
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)


def test_the_table_is_of_exact_gaussians() -> None:
    table = DistanceTable(2, shortest=1.5, longest=6.0)
    knots, centres = np.linspace(1.5, 6.0, 512), np.linspace(1.5, 6.0, 48)
    apart = (knots[:, None] - centres) / (4.5 / 47)
    wanted = norm.pdf(apart) / norm.pdf(0.0)
    np.testing.assert_allclose(table.basis.numpy(), wanted, rtol=0, atol=2.0**-24)  # single precision, rounded once


def test_mixed_precision_stays_near_single() -> None:
    torch.manual_seed(0)
    conv = GatedConv(16, shortest=0.5, longest=6.0)
    v, rest = torch.randn(30, 16), edges(30, 8)
    single = conv(v, 30, *rest)
    species, codes = torch.randn(3, 16), torch.randint(0, 3, (30,), dtype=torch.int32)
    first = conv.first(species, codes, 30, *rest)
    with torch.autocast("cpu", dtype=torch.bfloat16):  # what training does on a GPU
        mixed, mixed_first = conv(v, 30, *rest), conv.first(species, codes, 30, *rest)
    torch.testing.assert_close(mixed.float(), single, atol=0.1, rtol=0.05)
    torch.testing.assert_close(mixed_first.float(), first, atol=0.1, rtol=0.05)


def edges(n: int, k: int) -> tuple[torch.Tensor, ...]:
    index = torch.randint(0, n, (n, k), dtype=torch.int32)
    return index, 0.5 + 5.5 * torch.rand(n, k), torch.rand(n, k)


def test_fused_is_an_operator_that_torch_can_trust() -> None:
    p, q, table, *rest = random_problem(5, 8)
    leaves = [x.requires_grad_() for x in (p, q, table)]
    checks = torch.library.opcheck(torch.ops.cgcnn_md.gated_sum.default, (*leaves, *rest))
    assert set(checks.values()) == {"SUCCESS"}
    g, plain = torch.randn(p.shape[0], 8), [x.detach() for x in leaves]
    checks = torch.library.opcheck(torch.ops.cgcnn_md.gated_sum_backward.default, (g, *plain, *rest))
    assert set(checks.values()) == {"SUCCESS"}
    tables, *read = random_tables(5, 8)
    checks = torch.library.opcheck(torch.ops.cgcnn_md.table_sum.default, (tables.requires_grad_(), *read))
    assert set(checks.values()) == {"SUCCESS"}
    up = torch.randn(read[0].shape[0], 8)
    checks = torch.library.opcheck(torch.ops.cgcnn_md.table_sum_backward.default, (up, tables.detach(), *read))
    assert set(checks.values()) == {"SUCCESS"}


CPP = pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # from inside torch's compiler
@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=CPP)])
def test_compiled_whole_equals_eager(backend: str) -> None:
    torch.manual_seed(0)
    conv, v = GatedConv(16, shortest=0.5, longest=6.0), torch.randn(30, 16)
    rest = (30, *edges(30, 8))
    results = []
    for form in (conv, torch.compile(conv, fullgraph=True, backend=backend)):
        out = form(v, *rest)
        results.append((out, *torch.autograd.grad(out.square().sum(), list(conv.parameters()))))
    for compiled, eager in zip(*results, strict=True):
        torch.testing.assert_close(compiled, eager, atol=1e-4, rtol=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:At pre-dispatch tracing")  # of torch 2.4, of every operator that it keeps
def test_export_keeps_the_fused_operator() -> None:
    conv, v = GatedConv(16, shortest=0.5, longest=6.0), torch.randn(30, 16)
    rest = (30, *edges(30, 8))
    exported = torch.export.export(conv, (v, *rest))
    assert torch.ops.cgcnn_md.gated_sum.default in {node.target for node in exported.graph.nodes}
    torch.testing.assert_close(exported.module()(v, *rest), conv(v, *rest))


def test_table_reads_its_ends_outside_its_range() -> None:
    conv = GatedConv(4, shortest=1.0, longest=5.0)
    np.testing.assert_allclose(conv.table.place(torch.tensor([0.1, 1.0, 5.0, 9.0])).numpy(), [0, 0, 511, 511])
