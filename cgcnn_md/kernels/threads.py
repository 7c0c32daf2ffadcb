"""Threads of other libraries, which the compiled loops share the cores with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager

import numba
import torch
from threadpoolctl import ThreadpoolController


def one_blas_thread() -> AbstractContextManager[object]:
    """Keep numpy's matrix products on one thread while this lasts.

    They are small beside the loops, and its threads spin after each: with two cores the loops then ran at 0.4 of their
    rate.
    """
    return ThreadpoolController().limit(limits=1, user_api="blas")  # type: ignore[no-any-return]


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
