"""The zarr layout of an embedding: preallocated, written unit by unit, whole again after a crash."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cgcnn_md.errors import InputError, StorageError, UsageError
from cgcnn_md.store_layout import (
    ATOM,
    FEATURE,
    MEMBER,
    MEMBERSHIP,
    SPECIES,
    as_list,
    fill,
    layout,
    open_root,
    plain,
    put,
    saving,
)

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Spectrum:
    """How slow each stored coordinate is.

    Parameters
    ----------
    species
        Species names, one a row.
    autocorrelation
        Autocorrelation after the lag, shape (n_species, n_features); nan where there is
        no such coordinate.
    timescale
        Relaxation time in ps, shape (n_species, n_features); nan where unknown.
    """

    species: tuple[str, ...]
    autocorrelation: NDArray[np.float64]
    timescale: NDArray[np.float64]


class Store:
    """Embedding of one system on disk.

    A *unit* is `unit_frames` consecutive frames: one shard of every per-frame array. Units may be written in
    any order and by several processes, as long as each unit has one writer. Nothing counts before
    `mark_done`, so a process killed at any moment leaves a store that opens and whose done units are right.

    Made by `Store.create` and `Store.open`, not by calling the class.
    """

    def __init__(self, group: Any, path: Path, name: str) -> None:
        self._group = group
        self.path = path
        self.name = name
        embedding = group["embedding"]
        self.n_frames, self.n_atoms, self.features = (int(n) for n in embedding.shape)
        self.dtype: np.dtype[Any] = np.dtype(embedding.dtype)
        self.unit_frames = int(group.attrs["unit_frames"])
        self.n_units = -(-self.n_frames // self.unit_frames)
        self.atom_index: NDArray[np.int64] = np.asarray(group["atom_index"][:])
        self.species: NDArray[np.str_] = np.asarray(group["species"][:].astype(object), dtype=np.str_)
        self.frame_numbers: NDArray[np.int64] = np.asarray(group["frame_number"][:])
        self.runs: NDArray[np.int32] = np.asarray(group["run"][:])

    def __repr__(self) -> str:
        place = f"{self.path}/{self.name}" if self.name else str(self.path)
        shape = f"{self.n_frames} frames x {self.n_atoms} atoms x {self.features} features"
        return f"Store({place}: {shape}, {self.dtype}, {int(self.done.sum())}/{self.n_units} units done)"

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        group: str = "",
        *,
        n_frames: int,
        atom_index: ArrayLike,
        species_names: Sequence[str] | NDArray[Any],
        features: int,
        dtype: str = "float32",
        frame_numbers: ArrayLike,
        runs: ArrayLike,
        labels: Mapping[str, ArrayLike] | None = None,
        members: tuple[ArrayLike, ArrayLike] | None = None,
        attrs: Mapping[str, Any] | None = None,
        unit_frames: int,
    ) -> Store:
        """Lay out an empty store.

        Parameters
        ----------
        path
            Folder ``embedding.zarr``; it may exist and hold other systems.
        group
            Name of the system; "" puts the arrays in the root, for a single system.
        n_frames
            Frames.
        atom_index
            Topology index of every atom, shape (n_atoms,).
        species_names
            Species of every atom, shape (n_atoms,).
        features
            Numbers per atom and frame.
        dtype
            "float32" or "float16".
        frame_numbers, runs
            Number in its file and run of every frame, shape (n_frames,).
        labels
            What else is known of every atom, by name: "identity", "type", "molecule" (a number; "" for an atom
            alone); texts of shape (n_atoms,).
        members
            Where rows are groups of atoms: topology index and row of every member, ascending, each of shape
            (n_members,); `atom_index` is then the first member, and a species is a kind of group.
        attrs
            What else to keep: lag, dt, source, hashes. Numbers that are not finite become null.
        unit_frames
            Frames in a unit of work.

        Returns
        -------
        Store
            Open for writing, no unit done.

        Raises
        ------
        StorageError
            If the system is already there, or the disk does not take it.
        """
        import zarr

        place = Path(path)
        if "/" in group or group in {".", ".."}:
            raise UsageError(f"system name '{group}': it cannot be a folder name; wanted one without '/'")
        if dtype not in {"float32", "float16"}:
            raise UsageError(f"dtype '{dtype}' of {place.name}: wanted float32 or float16")
        unit_frames = max(1, min(int(unit_frames), n_frames))
        with saving(place, "laying out the arrays"):
            root: Any = zarr.open_group(place, mode="a", zarr_format=3, use_consolidated=False)
            node = root if not group else (root[group] if group in root else root.create_group(group))
            if "schema_version" in node.attrs and "embedding" in node:
                raise StorageError(f"{place}: system '{group}' is already there; resume it or choose another folder")
            atoms = np.asarray(atom_index, dtype=np.int64)
            arrays = layout(n_frames, len(atoms), features, unit_frames, np.dtype(dtype))
            for name, settings in arrays.items():
                node.create_array(name, overwrite=True, **settings)
            fill(node, "atom_index", atoms)
            fill(node, "species", np.asarray(species_names, dtype=np.dtypes.StringDType()))
            for name, values in (labels or {}).items():
                put(node, name, np.asarray(values, dtype=np.dtypes.StringDType()), (ATOM,))
            for name, numbers in zip(("member_atom", "member_group"), members or ()):
                put(node, name, np.asarray(numbers, dtype=np.int64), (MEMBER,))
            fill(node, "frame_number", np.asarray(frame_numbers, dtype=np.int64))
            fill(node, "run", np.asarray(runs, dtype=np.int32))
            # last: a group without its version was never finished
            node.attrs.update({**plain(dict(attrs or {})), "unit_frames": unit_frames})
            node.attrs["schema_version"] = SCHEMA_VERSION
            if group:
                known = [str(name) for name in as_list(root.attrs.get("systems")) if name != group]
                root.attrs.update({"schema_version": SCHEMA_VERSION, "systems": [*known, group]})
        return cls(node, place, group)

    @classmethod
    def open(cls, path: str | os.PathLike[str], group: str = "", mode: Literal["r", "r+"] = "r") -> Store:
        """Open a system for reading ("r") or for going on with it ("r+").

        Raises
        ------
        MissingFileError
            If there is no store.
        InputError
            If the system is not in it, or it was written by a newer version.
        """
        place = Path(path)
        systems = cls.systems(place)
        group = group or ("" if systems != systems[:1] else systems[0])
        if group not in systems:
            wanted = ", ".join(repr(name) for name in systems)
            raise InputError(f"{place}: no system {group!r}; choose one of {wanted}")
        root = open_root(place, mode)
        node = root[group] if group else root
        version = node.attrs.get("schema_version")
        if version != SCHEMA_VERSION:
            raise InputError(
                f"{place}: schema version {version}, wanted {SCHEMA_VERSION}; "
                "open it with the version of cgcnn_md that wrote it"
            )
        return cls(node, place, group)

    @staticmethod
    def systems(path: str | os.PathLike[str]) -> list[str]:
        """Name the finished layouts in a store, in the order they were made; a single system is ``[""]``."""
        place = Path(path)
        root = open_root(place, "r")
        if "schema_version" in root.attrs and "embedding" in root:
            return [""]
        names = [str(name) for name in as_list(root.attrs.get("systems"))]
        if not names:
            raise InputError(f"{place}: holds no finished system; run embed again with --overwrite")
        return names

    def groups(self, by: str) -> NDArray[np.str_]:
        """Give the group of each atom by "species", "identity" or "type", each within a species, shape (n_atoms,).

        "found" gives the groups among which the clusters in the store were found (`write_groups`).

        Raises
        ------
        InputError
            If the store does not hold what to group by.
        """
        if by == "species":
            return self.species
        if by == "found":
            return self._found
        if by not in self._group:
            raise InputError(f"{self.path}: the input told no {by} of its atoms; wanted --group-by species")
        labels = np.asarray(self._group[by][:].astype(object), dtype=np.str_)
        return labels if by == "identity" else np.strings.add(np.strings.add(self.species, " "), labels)

    def write(self, first_frame: int, embedding: NDArray[Any], times: ArrayLike) -> None:
        """Write frames; fastest when they fill whole units.

        Parameters
        ----------
        first_frame
            Index of the first frame in the store.
        embedding
            Shape (frames, n_atoms, features).
        times
            Time of each frame in ps, nan where unknown, shape (frames,).

        Raises
        ------
        StorageError
            If the disk is full or a value does not fit the stored type.
        """
        frames = self._frames(first_frame, len(embedding), embedding.shape[1:], (self.n_atoms, self.features))
        if self.dtype == np.float16 and np.abs(embedding).max(initial=0.0) > np.finfo(np.float16).max:
            raise StorageError(
                f"frames {frames.start}-{frames.stop - 1}: a value of {np.abs(embedding).max():.3g} does not "
                "fit float16; store float32 instead"
            )
        with saving(self.path, f"frames {frames.start}-{frames.stop - 1}"):
            self._group["embedding"][frames] = embedding.astype(self.dtype, copy=False)
            self._group["time"][frames] = np.asarray(times, dtype=np.float64)

    @cached_property
    def _found(self) -> NDArray[np.str_]:
        """Groups that were written, the species where none were."""
        if "group" not in self._group:
            return self.species
        return np.asarray(self._group["group"][:].astype(object), dtype=np.str_)

    def write_groups(self, groups: ArrayLike) -> None:
        """Keep the group of each atom among which clusters are found, shape (n_atoms,)."""
        self.__dict__.pop("_found", None)  # read again
        with saving(self.path, "groups"):
            put(self._group, "group", np.asarray(groups, dtype=np.dtypes.StringDType()), (ATOM,))

    def write_clusters(self, first_frame: int, clusters: NDArray[Any]) -> None:
        """Write cluster labels, shape (frames, n_atoms), -1 where there is none."""
        frames = self._frames(first_frame, len(clusters), clusters.shape[1:], (self.n_atoms,))
        with saving(self.path, f"clusters of frames {frames.start}-{frames.stop - 1}"):
            self._group["cluster"][frames] = clusters.astype(np.int16, copy=False)

    def lay_out_membership(self, n_clusters: int) -> None:
        """Make room for the membership of every atom in each of so many clusters of its species; an older one goes."""
        with saving(self.path, "memberships"):
            if n_clusters < 2:
                if "membership" in self._group:
                    del self._group["membership"]
                return
            self._group.create_array(
                "membership", shape=(self.n_frames, self.n_atoms, n_clusters), dtype="float16", fill_value=float("nan"),
                chunks=(self.unit_frames, self.n_atoms, n_clusters), dimension_names=MEMBERSHIP, overwrite=True,
            )  # fmt: skip

    def write_membership(self, first_frame: int, membership: NDArray[Any]) -> None:
        """Write memberships, shape (frames, n_atoms, n_clusters of a species), nan where there is no such cluster."""
        wanted = (self.n_atoms, int(self._group["membership"].shape[2]))
        frames = self._frames(first_frame, len(membership), membership.shape[1:], wanted)
        with saving(self.path, f"memberships of frames {frames.start}-{frames.stop - 1}"):
            self._group["membership"][frames] = membership.astype(np.float16)

    def mark_done(self, unit: int) -> None:
        """Declare a unit whole; call it after everything of the unit is written."""
        if not 0 <= unit < self.n_units:
            raise UsageError(f"unit {unit} of {self.path.name}: wanted 0 to {self.n_units - 1}")
        with saving(self.path, f"unit {unit}"):
            self._group["done"][unit] = True

    def set_spectrum(self, species: Sequence[str], autocorrelation: ArrayLike, timescale: ArrayLike) -> None:
        """Keep the autocorrelation and the timescale (ps) of each coordinate, shape (n_species, features)."""
        names = np.asarray(list(species), dtype=np.dtypes.StringDType())
        rows = {"autocorrelation": autocorrelation, "timescale": timescale}
        with saving(self.path, "the spectrum"):
            for name, values in rows.items():
                put(self._group, name, np.asarray(values, dtype=np.float64), (SPECIES, FEATURE))
            put(self._group, "species_names", names, (SPECIES,))

    def set_attrs(self, **attrs: Any) -> None:
        """Add or change attributes; numbers that are not finite become null."""
        with saving(self.path, "attributes"):
            self._group.attrs.update(plain(attrs))

    @cached_property
    def members(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Topology index of every atom with a vector, ascending, and its row: its own, or that of its group."""
        if "member_atom" not in self._group:
            return self.atom_index, np.arange(self.n_atoms)
        atoms, rows = (np.asarray(self._group[name][:]) for name in ("member_atom", "member_group"))
        return atoms, rows

    @cached_property
    def identity(self) -> NDArray[np.str_]:
        """Identity class of every atom, its species where the store holds none, shape (n_atoms,)."""
        return self.groups("identity") if "identity" in self._group else self.species

    @cached_property
    def molecule(self) -> NDArray[np.int64]:
        """Molecule of every atom, an atom alone being one, shape (n_atoms,); all are alone if none is told."""
        alone = np.arange(self.n_atoms)
        if "molecule" not in self._group:
            return alone
        names = np.asarray(self._group["molecule"][:].astype(object), dtype=np.str_)
        _, number = np.unique(names, return_inverse=True)
        return np.asarray(np.where(names == "", alone, self.n_atoms + number), dtype=np.int64)

    @property
    def attrs(self) -> dict[str, Any]:
        """Attributes of the system."""
        return dict(self._group.attrs)

    @property
    def done(self) -> NDArray[np.bool_]:
        """Which units are whole, shape (n_units,)."""
        return np.asarray(self._group["done"][:], dtype=np.bool_)

    @property
    def time(self) -> NDArray[np.float64]:
        """Time of every frame in ps; nan where unknown or not written yet."""
        return np.asarray(self._group["time"][:], dtype=np.float64)

    @property
    def spectrum(self) -> Spectrum | None:
        """Autocorrelation and timescale of each coordinate, if they were kept."""
        if "species_names" not in self._group:
            return None
        names = tuple(str(name) for name in self._group["species_names"][:])
        numbers = (np.asarray(self._group[name][:]) for name in ("autocorrelation", "timescale"))
        return Spectrum(names, *numbers)

    def unit(self, unit: int) -> slice:
        """Frames of a unit."""
        return slice(unit * self.unit_frames, min((unit + 1) * self.unit_frames, self.n_frames))

    def done_units(self) -> Iterator[slice]:
        """Frames of each whole unit, in order."""
        return (self.unit(int(unit)) for unit in np.flatnonzero(self.done))

    def embedding(self, frames: slice | int) -> NDArray[np.float32]:
        """Read frames as float32, shape (frames, n_atoms, features); nan where nothing was written."""
        return np.asarray(self._group["embedding"][frames], dtype=np.float32)

    def is_hole(self, frame: int) -> bool:
        """Tell a frame that could not be read: nothing of it is finite."""
        return not np.isfinite(self._group["embedding"][frame]).any()

    def clusters(self, frames: slice | int) -> NDArray[np.int16]:
        """Read labels, shape (frames, n_atoms), -1 where there is none."""
        return np.asarray(self._group["cluster"][frames], dtype=np.int16)

    def membership(self, frames: slice | int) -> NDArray[np.float32] | None:
        """Read memberships, shape (frames, n_atoms, n_clusters of a species); None for one cluster."""
        if "membership" not in self._group:
            return None
        return np.asarray(self._group["membership"][frames], dtype=np.float32)

    def _frames(self, first: int, count: int, got: tuple[int, ...], wanted: tuple[int, ...]) -> slice:
        """Check what is about to be written and give its frames."""
        if got != wanted:
            raise UsageError(f"block at frame {first} of {self.path.name}: shape per frame {got}, wanted {wanted}")
        if first < 0 or first + count > self.n_frames:
            raise UsageError(f"frames {first}-{first + count - 1} of {self.path.name}: wanted 0 to {self.n_frames - 1}")
        return slice(first, first + count)
