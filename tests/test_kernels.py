"""Compiled loops are kept where that is possible, and made in every process where it is not; and their threads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest
import torch
from scipy.stats import norm

import cgcnn_md
from cgcnn_md.errors import CgcnnMdWarning
from cgcnn_md.frame import Frame
from cgcnn_md.kernels import operators, valley
from cgcnn_md.kernels.convolution import gated_sum
from cgcnn_md.kernels.neighbours import CellList
from cgcnn_md.kernels.threads import side_by_side

WORK = """
import numba
real = numba.njit

def refuse(*args, **options):
    if options.get("cache"):
        raise RuntimeError("cannot cache function: no locator available")
    return real(*args, **options)

if {refused}:
    numba.njit = refuse
import numpy as np
from cgcnn_md import kernels
from cgcnn_md.frame import Frame
from cgcnn_md.kernels.neighbours import CellList
from cgcnn_md.kernels.kept import will_compile
print(kernels.CACHE, will_compile())
found = CellList.of(Frame(np.eye(3), np.zeros((3, 3)), np.zeros(3, bool), np.zeros(3, np.int16))).search(2, cutoff=5.0)
print(found[1].round(3).tolist(), will_compile())
"""


@pytest.mark.slow
@pytest.mark.parametrize("refused", [False, True])
def test_loops_run_whether_or_not_they_can_be_kept(tmp_path: Path, refused: bool) -> None:
    source = Path(cgcnn_md.__file__).parent
    shutil.copytree(source, tmp_path / "cgcnn_md", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-W", "ignore", "-c", WORK.format(refused=refused)]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    distance = [[1.414, 1.414]] * 3
    assert done.stdout.splitlines() == [f"{not refused} True", f"{distance} False"]


POOL = """
import numba
import torch
from cgcnn_md.kernels.threads import one_torch_thread

torch.set_num_threads(2)
with one_torch_thread():
    numba.get_num_threads()
    print(torch.get_num_threads())
print(torch.get_num_threads())
"""


def test_the_pool_of_the_loops_leaves_torch_its_one_thread() -> None:
    done = subprocess.run([sys.executable, "-c", POOL], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "2"]


BOTH = """
import numba
import torch
from cgcnn_md.kernels.convolution import gated_sum
from cgcnn_md.kernels.threads import side_by_side

numba.set_num_threads(2)
torch.manual_seed(0)
items = []
for _ in range(2):
    p, q, table = torch.randn(500, 16), torch.randn(500, 16), torch.randn(64, 16)
    edges = torch.randint(0, 500, (500, 6), dtype=torch.int32), 62 * torch.rand(500, 6), torch.rand(500, 6)
    items.append([x.requires_grad_() for x in (p, q, table)] + list(edges))
def gradients(item):
    return torch.autograd.grad(gated_sum(*item).square().sum(), item[:3])
alone = [gradients(item) for item in items]
for _ in range(20):
    both = side_by_side(gradients, items, torch.device('cpu'))
    assert all(torch.equal(a, b) for x, y in zip(alone, both) for a, b in zip(x, y))
print(numba.threading_layer())
"""


@pytest.mark.parametrize("layer", ["workqueue", "default"])
def test_both_ends_at_once_give_what_each_gives_alone(layer: str) -> None:
    environment = {**os.environ, "NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "2"}
    command = [sys.executable, "-W", "ignore", "-c", BOTH]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert layer in (done.stdout.strip(), "default")


def test_the_second_of_two_has_a_thread_of_its_own_with_the_settings_of_the_first() -> None:
    before = numba.get_num_threads()
    if before < 2:
        pytest.skip("one core")
    numba.set_num_threads(2)
    CellList.of(Frame(np.eye(3), np.zeros((3, 3)), np.zeros(3, bool), np.zeros(3, np.int16))).search(2, cutoff=5.0)
    if numba.threading_layer() == "workqueue":
        pytest.skip("loops that serve one caller at a time")
    meet, cpu = threading.Barrier(2, timeout=10), torch.device("cpu")

    def where(fails: bool) -> tuple[bool, bool, int]:
        meet.wait()  # neither gets on alone
        if fails:
            msg = "told to"
            raise ValueError(msg)
        main = threading.current_thread() is threading.main_thread()
        return main, torch.is_grad_enabled(), numba.get_num_threads()

    try:
        with torch.no_grad():
            assert side_by_side(where, [False, False], cpu) == [(True, False, 1), (False, False, 1)]
        assert side_by_side(where, [False, False], cpu) == [(True, True, 1), (False, True, 1)]
        for fails in ([True, False], [False, True]):
            with pytest.raises(ValueError, match="told to"):
                side_by_side(where, fails, cpu)
            assert numba.get_num_threads() == 2
    finally:
        numba.set_num_threads(before)


CUDA = torch.device("cuda:0")


@pytest.fixture
def form(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Give what tells the form of a sum on a GPU of some capability, with Triton or without."""

    def plain() -> str:
        return "reference"

    def told(capability: tuple[int, int], *, triton: bool) -> str:
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
        monkeypatch.setattr("torch.utils._triton.has_triton", lambda: triton)
        return operators._compiled(plain, CUDA)()

    def clear() -> None:
        operators._compiled.cache_clear()
        operators._is_compiler_missing.cache_clear()

    monkeypatch.setattr(torch, "compile", lambda *_, **__: lambda: "compiled")
    clear()
    yield told
    clear()


@pytest.mark.parametrize("capability", [(7, 0), (9, 0), (10, 3)])
def test_sums_are_compiled_for_a_gpu_that_triton_serves(form: Callable[..., str], capability: tuple[int, int]) -> None:
    assert form(capability, triton=True) == "compiled"


@pytest.mark.parametrize(
    ("capability", "triton", "why"),
    [
        ((6, 1), True, r"its compute capability is 6\.1, and Triton wants 7\.0 or more"),
        ((8, 0), False, "Triton is not installed or does not work"),
    ],
)
def test_sums_are_not_compiled_where_triton_cannot_serve_and_that_is_said_once(
    form: Callable[..., str], capability: tuple[int, int], triton: bool, why: str
) -> None:
    with pytest.warns(CgcnnMdWarning, match=f"cuda:0: {why}, so sums over neighbours are not compiled"):
        assert form(capability, triton=triton) == "reference"
    assert operators._compiled(len, CUDA) is len  # in tests a second warning is an error


def test_sums_are_not_compiled_where_torch_does_not_tell_of_triton(
    form: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    form((8, 0), triton=True)
    operators._compiled.cache_clear()
    operators._is_compiler_missing.cache_clear()
    monkeypatch.setitem(sys.modules, "torch.utils._triton", None)
    with pytest.warns(CgcnnMdWarning, match="cuda:0: this torch does not tell whether Triton is there"):
        assert operators._compiled(len, CUDA) is len


def test_a_tensor_on_a_gpu_is_summed_by_the_form_for_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.device] = []

    def compiled(reference: Callable[..., Any], device: torch.device) -> Callable[..., str]:
        asked.append(device)
        return lambda *_: "summed"

    monkeypatch.setattr(operators, "_compiled", compiled)
    there: Any = SimpleNamespace(device=torch.device("cuda:1"), dtype=torch.float32)
    assert gated_sum(there, *[there] * 5) == "summed"
    assert asked == [torch.device("cuda:1")]


def test_density_on_a_line_is_the_smoothed_histogram() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=500), rng.normal(3.0, 0.5, size=200)
    counts, edges = np.histogram(np.concatenate([a, b]), 200, (-1.03, 4.07))
    centres = (edges[1:] + edges[:-1]) / 2
    spread = norm.pdf(centres[:, None], centres, 0.2)
    expected = (spread / spread.sum(axis=0)) @ counts  # each point keeps its weight between the ends
    found = valley.density(a, b, -1.03, 4.07, 0.2)
    np.testing.assert_allclose(found / found.sum(), expected / expected.sum(), rtol=1e-9)
    assert found.sum() == pytest.approx(counts.sum())
