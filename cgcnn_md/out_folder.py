"""The output folder: who may write to it, and the record of how its content was made."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import yaml

from cgcnn_md.config import ATOM, Config, in_time, read_config
from cgcnn_md.errors import CgcnnMdError, InputError, MissingFileError, ResumeError, StorageError, UsageError
from cgcnn_md.inputs import open_again, require_same, taken_from
from cgcnn_md.progress import Logged, Progress
from cgcnn_md.provenance import plain, versions
from cgcnn_md.store import Store

if TYPE_CHECKING:
    from cgcnn_md.nn import Model
    from cgcnn_md.readers import Reader
    from cgcnn_md.results import Embedding

_OURS = ("config.yaml", "run.json")
_FILES = (
    "config.yaml", "run.json", "model.safetensors", "training.csv", "training.safetensors", "embedding.zarr",
    "clusters.csv", "populations.csv", "coordinates.csv", "coordination.csv", "surroundings.csv", "gates.csv",
    "map.parquet", "figures",
    "report.html", "log.txt", "kinetics.json", "kinetics_rates.csv", "transitions.csv", "residence.csv",
    "displacements.csv", "export",
)  # fmt: skip
# settings that change nothing of what was computed so far
_FREE = {
    ("train", "threads"), ("train", "device"), ("store", "map_points"), ("store", "group_by"), ("read", "on_bad_frame"),
}  # fmt: skip


@dataclass
class OutFolder:
    """Folder of one run's results.

    Parameters
    ----------
    path
        The folder.
    config
        Settings of the run.
    record
        What run.json holds.
    resumed
        Whether an earlier run's content is gone on with.
    """

    path: Path
    config: Config
    record: dict[str, Any] = field(default_factory=dict)
    resumed: bool = False
    _began: float = field(default_factory=time.time, init=False)
    _replaces: bool = field(default=False, init=False)

    @classmethod
    def open(
        cls, path: str | Path, command: str, config: Config, *, resume: bool = False, overwrite: bool = False
    ) -> OutFolder:
        """Choose a folder for a run; nothing in it is touched before `inputs`.

        Raises
        ------
        UsageError
            If it exists and neither `resume` nor `overwrite` is given, or it holds something else.
        ResumeError
            If what it holds was made with other settings.
        """
        place = Path(path)
        if resume and overwrite:
            msg = "resume and overwrite were both given; choose one"
            raise UsageError(msg)
        taken = place.exists() and (not place.is_dir() or any(place.iterdir()))
        ours = any((place / name).is_file() for name in _OURS)
        if taken and not (resume or overwrite):
            msg = f"{place}: exists already; pass --resume to go on with it, --overwrite to replace it, or another -o"
            raise UsageError(msg)
        if taken and not ours:
            msg = f"{place}: exists and is not the result of an earlier run, so it is left alone; choose another -o"
            raise UsageError(msg)
        folder = cls(place, config, {"command": command, "arguments": sys.argv[1:]})
        folder._replaces = taken and overwrite
        if taken and resume:
            folder._check_same()
        return folder

    @classmethod
    def reopen(cls, path: str | Path, *, clustered: bool = True) -> OutFolder:
        """Open the folder of an earlier run, with its own settings; `clustered`: whether for its clusters.

        Raises
        ------
        MissingFileError
            If it is not there, or its run is not finished.
        InputError
            If it is no result folder, or its clusters and tables do not belong together.
        """
        from cgcnn_md.results import require_finished

        place = Path(path)
        if not place.is_dir():
            msg = f"{place}: no such folder; name the OUT of an earlier embed or encode"
            raise MissingFileError(msg)
        try:
            config = read_config(place / "config.yaml")
            record = json.loads((place / "run.json").read_text())
        except (OSError, ValueError, TypeError, KeyError) as err:
            msg = f"{place}: not a result folder ({err}); name the OUT of an earlier embed or encode"
            raise InputError(msg) from err
        require_finished(place, record, clustered=clustered)
        return cls(place, config, record, resumed=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, trace: object) -> None:
        how = "finished" if kind is None else f"stopped: {kind.__name__}"
        if "inputs" not in self.record or (kind is not None and issubclass(kind, ResumeError)):
            return  # refused before anything was written
        refused = kind is not None and issubclass(kind, CgcnnMdError) and not issubclass(kind, StorageError)
        if refused and not (self.resumed or self.model.exists() or self.zarr.exists()):
            self._clear()  # so that the same -o can be given again
            with contextlib.suppress(OSError):
                self.path.rmdir()
            return
        try:
            self.note(outcome=how, total_seconds=round(time.time() - self._began, 1))
        except StorageError:
            if kind is None:
                raise

    def listen(self, progress: Progress) -> Progress:
        """Give a progress that also writes what is said to log.txt."""
        return Logged(progress, self.path / "log.txt")

    @property
    def model(self) -> Path:
        """The model file."""
        return self.path / "model.safetensors"

    @property
    def zarr(self) -> Path:
        """The store."""
        return self.path / "embedding.zarr"

    def note(self, **facts: Any) -> None:
        """Add facts to run.json."""
        self.record.update(facts)
        part = self.path / "run.json.part"
        try:
            part.write_text(json.dumps(self.record, indent=2, default=plain) + "\n")
            part.replace(self.path / "run.json")
        except OSError as err:
            msg = f"{part}: cannot be written ({err.strerror or err}); free some space and pass --resume"
            raise StorageError(msg) from err

    def inputs(self, readers: Sequence[Reader]) -> None:
        """Take the folder and record what every system is read from.

        Raises
        ------
        ResumeError
            If a run is to be resumed with other files, or other data in memory.
        StorageError
            If the folder cannot be written.
        """
        now = taken_from(readers)
        if self.resumed:
            require_same(self.record, now, self.path)
        try:
            if self._replaces:
                self._clear()
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / "config.yaml").write_text(yaml.safe_dump(self.config.to_dict(), sort_keys=False))
        except OSError as err:
            msg = f"{self.path}: cannot be written ({err.strerror or err}); choose another -o or free some space"
            raise StorageError(msg) from err
        self.note(
            versions=versions(),
            started=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            **now,
            species={r.name: [list(row) for row in r.species_table()] for r in readers},
            notes={r.name: list(r.notes) for r in readers},
        )

    def discard(self, *names: str) -> None:
        """Take files away that are of an older state, where they are."""
        for name in names:
            try:
                (self.path / name).unlink(missing_ok=True)
            except OSError as err:
                msg = f"{self.path / name}: cannot be replaced ({err.strerror or err}); give the right to write there"
                raise StorageError(msg) from err

    def store(self, model: Model, reader: Reader, group: str, *, hidden: bool) -> Store:
        """Lay out the store of a system, or open the one that a resumed run has left."""
        from cgcnn_md.embedding import unit_frames

        groups, index = reader.groups, reader.environment_index
        grouped = groups.level != ATOM
        if self.resumed and self.zarr.is_dir() and group in (self._groups() or []):
            return Store.open(self.zarr, group, "r+")
        width = model.config.n_hidden if hidden else model.n_features
        molecule = reader.molecules.index[groups.first]
        labels = {
            "identity": np.asarray(model.identities)[model.classes(groups.identity)],
            "molecule": np.where(molecule >= 0, molecule.astype(str), ""),
        }
        if reader.types is not None and not grouped:
            labels["type"] = reader.types
        store = Store.create(
            self.zarr, group, n_frames=len(reader), atom_index=index[groups.first], species_names=groups.names,
            features=width, dtype=self.config.store.dtype, frame_numbers=reader.frame_numbers, runs=reader.runs,
            labels=labels, members=(index[groups.atoms], groups.group) if grouped else None,
            unit_frames=unit_frames(len(reader.targets)),
            attrs={
                "lag": model.lag_at(reader.dt), "dt": reader.dt, "source": list(reader.sources), "view": model.view,
                "identity_from": reader.identity.source or "species", "level": groups.level,
                "inputs": self.record.get("inputs", {}).get(reader.name, []),
                "content": "hidden features" if hidden else "slow coordinates", "cgcnn_md": versions()["cgcnn-md"],
            },
        )  # fmt: skip
        if not hidden and model.maps:
            held = np.full((len(model.maps), width), np.nan)
            scales = held.copy()
            for row, mapping in enumerate(model.maps.values()):
                held[row, : len(mapping.autocorrelation)] = mapping.autocorrelation
                if in_time(model.view):
                    scales[row, : len(mapping.autocorrelation)] = mapping.timescale(model.lag * model.dt)
            store.set_spectrum(list(model.maps), held, scales)
        return store

    def _groups(self) -> list[str] | None:
        try:
            return Store.systems(self.zarr)
        except InputError:
            return None

    def stores(self) -> list[Store]:
        """Open every system."""
        return [Store.open(self.zarr, group, "r+") for group in Store.systems(self.zarr)]

    def sources(self) -> list[Reader]:
        """Open the input files again, for what needs coordinates; empty where they are gone, or are others now."""
        return open_again(self.record, self.config)

    @property
    def gone(self) -> str:
        """Why there are no sources, and what to do."""
        if not any(self.record.get("inputs", {}).values()):
            return "it was made from what was in memory; write that to files, and embed these"
        return "its input files are not where they were, or have changed; put them back, or run embed again"

    def result(self) -> Embedding:
        """Open what was written, as far as it is."""
        from cgcnn_md.results import Embedding

        return Embedding(self.path)

    def _clear(self) -> None:
        """Remove what a run writes, and nothing else."""
        for name in _FILES:
            target = self.path / name
            shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)

    def _check_same(self) -> None:
        """Refuse to go on with what other settings have made."""
        try:
            old = read_config(self.path / "config.yaml").to_dict()
            self.record = {**json.loads((self.path / "run.json").read_text()), **self.record}
        except (OSError, ValueError, TypeError, KeyError) as err:
            msg = f"{self.path}: cannot be resumed ({err}); pass --overwrite"
            raise ResumeError(msg) from err
        new = self.config.to_dict()
        for section, values in new.items():
            for name, value in values.items():
                if old[section].get(name) != value and (section, name) not in _FREE:
                    made, asked = ("not set" if v is None else v for v in (old[section].get(name), value))
                    msg = (
                        f"{self.path}: was made with {name} {made}, asked is {asked}; "
                        "resume with the same settings, or pass --overwrite"
                    )
                    raise ResumeError(msg)
        self.resumed = True
