"""How a result was made: versions, and a fingerprint of every input file."""

from __future__ import annotations

import hashlib
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

SAME = "sha256_of_ends"
"""Under what a fingerprint holds what tells files apart, whatever they are called."""
_HASHED = 1 << 20  # bytes at either end of an input file that its hash covers
_PACKAGES = ("torch", "numba", "numpy", "MDAnalysis", "ase", "scikit-learn", "umap-learn", "zarr", "xarray")


def fingerprint(path: Path) -> dict[str, Any]:
    """Give name, size and hash of a file; the hash covers its size and the first and last MiB."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(_HASHED))
        file.seek(max(size - _HASHED, 0))
        digest.update(file.read(_HASHED))
    return {
        "path": str(path.absolute()),  # links are not followed: the name they have tells what is in the file
        "name": path.name,
        "size": size,
        SAME: digest.hexdigest(),
    }


def versions() -> dict[str, str]:
    """Give the versions of everything that takes part."""
    import cgcnn_md

    found = {"python": sys.version.split()[0], "cgcnn-md": cgcnn_md.__version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def plain(value: Any) -> Any:
    """Turn what JSON does not know into what it does."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return str(value)
