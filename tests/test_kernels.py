"""Compiled loops are kept where that is possible, and made in every process where it is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cgcnn_md

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
print(kernels.CACHE, kernels.will_compile())
found = CellList.of(Frame(np.eye(3), np.zeros((3, 3)), np.zeros(3, bool), np.zeros(3, np.int16))).search(2, cutoff=5.0)
print(found[1].round(3).tolist(), kernels.will_compile())
"""


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
