"""The hot loops, each as plain reference and fast form."""

from __future__ import annotations

import numba


def _probe() -> None:
    """Stand for any function whose compiled form is to be kept."""


def _can_keep() -> bool:
    try:
        numba.njit(cache=True)(_probe)
    except RuntimeError:  # a read-only install, and no home to write to
        return False
    return True


CACHE = _can_keep()
"""Whether compiled loops are kept on disk; if not, every process compiles its own."""
