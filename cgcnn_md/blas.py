"""Threads of numpy's and scipy's matrix products."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from threadpoolctl import ThreadpoolController


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep matrix products on one thread while this lasts, or a function that it decorates.

    They are small here, and threads spin after each: on two cores the compiled loops beside them ran at 0.4 of their
    rate, and a search for clusters in several species took 1.6 times as long. And sums do not depend on the cores.
    """
    with ThreadpoolController().limit(limits=1, user_api="blas"):
        yield
