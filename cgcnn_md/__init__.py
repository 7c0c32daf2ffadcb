"""Vectors, environments and kinetics for every atom of a molecular dynamics trajectory, without labels.

The names below are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cgcnn_md.nn import load_model
    from cgcnn_md.pipeline import embed, encode, train
    from cgcnn_md.results import open_embedding

# before anything loads OpenMP: threads that spin while they wait slow each other down on a busy machine (ADR 8)
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"

__all__ = ["embed", "encode", "load_model", "open_embedding", "train"]

_HOME = {
    "embed": "cgcnn_md.pipeline",
    "encode": "cgcnn_md.pipeline",
    "train": "cgcnn_md.pipeline",
    "load_model": "cgcnn_md.nn",
    "open_embedding": "cgcnn_md.results",
}


def __getattr__(name: str) -> object:
    """Load a public name on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    value: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the lazy names too."""
    return sorted([*globals(), *__all__])
