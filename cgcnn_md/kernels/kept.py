"""Which of the loops that training needs are kept on disk already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cgcnn_md.kernels import CACHE, convolution, lookup, search


def will_compile() -> bool:
    """Tell whether the loops have yet to be compiled on this machine, which takes about half a minute."""
    sums = (convolution.forward, convolution.backward, lookup.read_forward, lookup.read_backward)
    loops = (search.near, search.far, search.edges, *sums)
    if any(loop.signatures for loop in loops):
        return False  # in this process
    return not CACHE or not all(any(Path(str(loop.stats.cache_path)).glob(_index_of(loop))) for loop in loops)


def _index_of(loop: Any) -> str:
    """Give the pattern of the file by which numba finds a compiled loop again."""
    return f"*.{loop.py_func.__name__}-{loop.py_func.__code__.co_firstlineno}.*.nbi"
