"""Threads of other libraries, which the compiled loops share the cores with."""

from __future__ import annotations

from contextlib import AbstractContextManager

from threadpoolctl import ThreadpoolController


def one_blas_thread() -> AbstractContextManager[object]:
    """Keep numpy's matrix products on one thread while this lasts.

    They are small beside the loops, and its threads spin after each: with two cores the loops then ran at 0.4 of their
    rate.
    """
    return ThreadpoolController().limit(limits=1, user_api="blas")  # type: ignore[no-any-return]
