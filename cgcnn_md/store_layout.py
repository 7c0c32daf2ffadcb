"""Arrays of a store, their chunks, and what can go wrong on the disk below."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cgcnn_md.errors import InputError, MissingFileError, StorageError

FRAME, ATOM, FEATURE, SPECIES, UNIT = "frame", "atom", "feature", "species", "unit"
MEMBERSHIP = (FRAME, ATOM, "own_cluster")  # clusters of the atom's species, in the order of their numbers
MEMBER = "member"  # an atom of a group
NO_CLUSTER = -1

_CHUNK_BYTES = 4 << 20


def layout(n_frames: int, n_atoms: int, features: int, unit: int, dtype: np.dtype[Any]) -> dict[str, dict[str, Any]]:
    """Describe every array that exists from the start."""
    row = max(1, n_atoms * features * dtype.itemsize)
    fit = max(1, _CHUNK_BYTES // row)
    frames = max(n for n in range(1, unit + 1) if unit % n == 0 and n <= fit)
    atoms = max(1, n_atoms if row <= 2 * _CHUNK_BYTES else _CHUNK_BYTES // max(1, features * dtype.itemsize))
    shard = (unit, -(-n_atoms // atoms) * atoms, features)
    chunk = (frames, atoms, features)
    per_frame = {"shape": (n_frames,), "chunks": (unit,), "dimension_names": (FRAME,)}
    return {
        "embedding": {
            "shape": (n_frames, n_atoms, features),
            "dtype": dtype,
            "chunks": chunk,
            "shards": None if shard == chunk else shard,
            "compressors": None,  # embeddings shrink by 8 %: not worth the time
            "fill_value": float("nan"),
            "dimension_names": (FRAME, ATOM, FEATURE),
        },
        "cluster": {
            "shape": (n_frames, n_atoms),
            "dtype": "int16",
            "chunks": (unit, n_atoms),
            "fill_value": NO_CLUSTER,
            "dimension_names": (FRAME, ATOM),
        },
        "time": {**per_frame, "dtype": "float64", "fill_value": float("nan")},
        "frame_number": {**per_frame, "chunks": (n_frames,), "dtype": "int64"},
        "run": {**per_frame, "chunks": (n_frames,), "dtype": "int32"},
        "atom_index": {"shape": (n_atoms,), "dtype": "int64", "dimension_names": (ATOM,)},
        "species": {"shape": (n_atoms,), "dtype": str, "dimension_names": (ATOM,)},
        # a chunk a unit: writers of different units never touch the same file
        "done": {"shape": (-(-n_frames // unit),), "dtype": bool, "chunks": (1,), "dimension_names": (UNIT,)},
    }


def fill(group: Any, name: str, values: NDArray[Any]) -> None:
    """Write a whole array."""
    group[name][:] = values


def put(group: Any, name: str, values: NDArray[Any], dims: tuple[str, ...]) -> None:
    """Create or replace a small array."""
    dtype = str if values.dtype.kind == "T" else values.dtype
    array = group.create_array(name, shape=values.shape, dtype=dtype, dimension_names=dims, overwrite=True)
    array[...] = values


def open_root(place: Path, mode: Literal["r", "r+"]) -> Any:
    """Open the root group of a store."""
    import zarr

    if not place.is_dir():
        raise MissingFileError(f"{place}: no such folder; wanted the embedding.zarr of a finished or begun run")
    try:
        return zarr.open_group(place, mode=mode, use_consolidated=False)
    except (FileNotFoundError, ValueError) as error:
        raise InputError(f"{place}: not a zarr group ({error}); wanted the embedding.zarr of a run") from None


@contextmanager
def saving(place: Path, what: str) -> Iterator[None]:
    """Turn a failing disk into one line that says what was lost and what to do."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else str(error)
        raise StorageError(
            f"{place}: cannot write {what}: {reason}; make room or check permissions, then use --resume"
        ) from error


def as_list(value: Any) -> list[Any]:
    """Read an attribute that holds a list or nothing."""
    return list(value) if isinstance(value, list | tuple) else []


def plain(value: Any) -> Any:
    """Turn numpy values, paths and tuples into what JSON has."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, str | int | bool | None):
        return value
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    return str(value)
