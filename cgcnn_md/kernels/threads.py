"""Threads of other libraries, which the compiled loops share the cores with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import numba
import torch

from cgcnn_md.blas import one_blas_thread

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@contextlib.contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch sum in one order: sums over a batch differ by rounding with its threads, which training amplifies.

    The compiled loops, where most of the time goes, keep their threads: their sums do not depend on them.
    """
    numba.get_num_threads()  # starts its pool, which sets the threads of torch too where both use one OpenMP library
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with one_blas_thread():
            yield
    finally:
        torch.set_num_threads(before)


@cache
def _other() -> ThreadPoolExecutor:
    """Give the one thread that works beside the one that calls; it keeps its buffers."""
    return ThreadPoolExecutor(1, thread_name_prefix="cgcnn_md")


def _serves_several() -> bool:
    """Tell whether two threads may run compiled loops at once; numba's simplest pool ends the process if they do."""
    try:
        return str(numba.threading_layer()) != "workqueue"  # type: ignore[attr-defined]
    except ValueError:  # no loop has run yet
        return False


def side_by_side(function: Callable[[_Item], _Result], items: Sequence[_Item], device: torch.device) -> list[_Result]:
    """Apply a function to one item or two, on a CPU each on a thread and half of the cores where there are two or more.

    Between the compiled loops torch works on one thread, so one of many is busy then, and two here. Nothing depends on
    which thread did what.
    """
    threads = numba.get_num_threads()
    if len(items) == 1 or threads == 1 or device.type != "cpu" or not _serves_several():
        return [function(item) for item in items]
    first, second = items
    torch_threads, gradients = torch.get_num_threads(), torch.is_grad_enabled()

    def beside() -> _Result:
        # what is set here holds for this thread only
        numba.set_num_threads(threads - threads // 2)
        torch.set_num_threads(torch_threads)
        with torch.set_grad_enabled(gradients):
            return function(second)

    later = _other().submit(beside)
    numba.set_num_threads(threads // 2)
    try:
        return [function(first), later.result()]
    finally:
        later.exception()  # waits for its end
        numba.set_num_threads(threads)
