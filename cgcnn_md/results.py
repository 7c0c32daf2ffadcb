"""What a finished run says, without torch: the stored embedding, its clusters, its map and its figures."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cgcnn_md.config import ATOM, called
from cgcnn_md.errors import InputError, MissingFileError
from cgcnn_md.plots import Plots
from cgcnn_md.store import Store

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

STORE, MAP, TRAINING, RUN = "embedding.zarr", "map.parquet", "training.csv", "run.json"
CLUSTERS, COORDINATION, SURROUNDINGS = "clusters.csv", "coordination.csv", "surroundings.csv"
POPULATIONS = "populations.csv"
COORDINATES = "coordinates.csv"
RDF, SPECTRUM = "figures/rdf.csv", "figures/spectrum.csv"
KINETICS, RATES, TRANSITIONS = "kinetics.json", "kinetics_rates.csv", "transitions.csv"
RESIDENCE, DISPLACEMENTS = "residence.csv", "displacements.csv"
GATES, EFFECTIVE = "figures/gates.csv", "gates.csv"
BEGUN = "begun"  # what run.json calls `clustering` until all that follows from the clusters is written


def open_embedding(out: str | os.PathLike[str]) -> Embedding:
    """Open the folder that ``cgcnn-md embed`` or `embed` wrote.

    Parameters
    ----------
    out
        The folder.

    Returns
    -------
    Embedding
        The result; nothing large is read yet.

    Raises
    ------
    MissingFileError
        If the folder, or the whole embedding in it, is not there.
    InputError
        If clusters were being sought, and that was interrupted.
    """
    place = Path(out)
    if place.name == STORE:
        place = place.parent
    if not place.is_dir():
        raise MissingFileError(f"{place}: no such folder; wanted the OUT of `cgcnn-md embed ... -o OUT`")
    require_finished(place, _read_json(place / RUN) if (place / RUN).is_file() else {})
    return Embedding(place)


def require_finished(place: Path, record: Mapping[str, Any], *, clustered: bool = True) -> None:
    """Refuse a folder whose embedding is not whole, or whose clusters and tables do not belong together.

    Parameters
    ----------
    place
        The folder.
    record
        What its ``run.json`` holds.
    clustered
        Whether its clusters are to be used.

    Raises
    ------
    MissingFileError
        If something of the embedding is missing.
    InputError
        If clusters were being sought, and that was interrupted.
    """
    command = record.get("command")
    if command in {"embed", "encode"} and not _all_embedded(place / STORE, len(record.get("inputs", {}))):
        again = f"wait for it, or give the same `cgcnn-md {command}` command with --resume"
        raise MissingFileError(f"{place}: the run is not finished; {again}")
    if not (place / STORE).is_dir():
        raise MissingFileError(f"{place}: no {STORE} in it; wanted the OUT of `cgcnn-md embed ... -o OUT`")
    if clustered and record.get("clustering") == BEGUN:
        again = f"run `cgcnn-md cluster {place}` again"
        raise InputError(f"{place}: clustering was interrupted, or still goes on; {again}, or wait for it")


def _all_embedded(place: Path, n_systems: int) -> bool:
    """Tell whether every frame of every system is in a store."""
    try:
        systems = Store.systems(place)
    except InputError:  # not there, or laid out by half
        return False
    return len(systems) >= n_systems and all(bool(Store.open(place, name).done.all()) for name in systems)


class Embedding:
    """Result of a run; files are read when first asked for.

    Parameters
    ----------
    path
        The folder; use `open_embedding`, which checks it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.systems: list[str] = Store.systems(self.path / STORE)

    def store(self, system: str | None = None) -> Store:
        """Open one system for reading unit by unit.

        Parameters
        ----------
        system
            Its name; None where there is only one.
        """
        return Store.open(self.path / STORE, self._system(system))

    def stores(self) -> list[Store]:
        """Open every system."""
        return [Store.open(self.path / STORE, name) for name in self.systems]

    def to_xarray(self, system: str | None = None) -> xr.Dataset:
        """Open one system as labelled arrays, read from disk as they are used.

        Parameters
        ----------
        system
            Its name; None where there is only one.
        """
        import xarray as xr

        group = self._system(system) or None
        data: xr.Dataset = xr.open_zarr(self.path / STORE, group=group, consolidated=False)
        labels = ["time", "frame_number", "run", "atom_index", "species", "identity", "type", "group", "species_names"]
        labels += ["member_atom", "member_group"]
        return data.set_coords([name for name in labels if name in data])

    @property
    def embedding(self) -> Any:
        """The vectors, (frame, atom, feature), read from disk when sliced; by name for several systems."""
        import zarr

        root: Any = zarr.open_group(self.path / STORE, mode="r", use_consolidated=False)
        if self.systems == [""]:
            return root["embedding"]
        return {name: root[name]["embedding"] for name in self.systems}

    @cached_property
    def clusters(self) -> pd.DataFrame:
        """Clusters with population, lifetime and coordination."""
        return _read_csv(self._file(CLUSTERS, "cgcnn-md cluster"))

    @cached_property
    def populations(self) -> pd.DataFrame:
        """Population of every cluster in every system, where there are several."""
        return _read_csv(self._file(POPULATIONS, "cgcnn-md cluster", "of several systems"))

    @cached_property
    def map(self) -> pd.DataFrame:
        """Sampled atom-frames on a plane: frame, atom, x, y, cluster."""
        import pandas as pd

        return pd.read_parquet(self._file(MAP, "cgcnn-md project"))

    @cached_property
    def training(self) -> pd.DataFrame:
        """Score of every epoch."""
        return _read_csv(self._file(TRAINING, "cgcnn-md embed", "where it trains"))

    @cached_property
    def rdf(self) -> pd.DataFrame:
        """Pair distribution around every cluster."""
        return _read_csv(self._file(RDF, "cgcnn-md cluster", "where the input files are"))

    @cached_property
    def gates(self) -> pd.DataFrame:
        """Mean importance of neighbours by species and distance."""
        return _read_csv(self._file(GATES, "cgcnn-md gates"))

    @cached_property
    def effective_coordination(self) -> pd.DataFrame:
        """Effective coordination number of every cluster."""
        return _read_csv(self._file(EFFECTIVE, "cgcnn-md gates"))

    @cached_property
    def coordination(self) -> pd.DataFrame:
        """How often every number of neighbours is found in each cluster: cluster, species, neighbour, n, share."""
        return _read_csv(self._file(COORDINATION, "cgcnn-md cluster", "where the input files are"))

    @cached_property
    def surroundings(self) -> pd.DataFrame:
        """Means around every cluster with 95 % intervals: cluster, species, role, name, mean, low, high, spread."""
        return _read_csv(self._file(SURROUNDINGS, "cgcnn-md cluster", "where the input files are"))

    @cached_property
    def coordinates(self) -> pd.DataFrame:
        """What slow coordinates follow: species, coordinate, follows, share."""
        return _read_csv(self._file(COORDINATES, "cgcnn-md cluster", "where the input files are and something is slow"))

    @cached_property
    def timescales(self) -> pd.DataFrame:
        """Slow coordinates: species, feature, autocorrelation, timescale_ps; the same for all systems."""
        import pandas as pd

        columns = ["species", "feature", "autocorrelation", "timescale_ps"]
        spectrum = next((s for s in (store.spectrum for store in self.stores()) if s is not None), None)
        if spectrum is None:
            return pd.DataFrame(columns=columns)
        n = spectrum.autocorrelation.shape[1]
        numbers = zip(spectrum.autocorrelation.ravel(), spectrum.timescale.ravel())
        rows = [(spectrum.species[i // n], i % n, float(a), float(t)) for i, (a, t) in enumerate(numbers)]
        return pd.DataFrame(rows, columns=columns)

    @cached_property
    def shuffled(self) -> pd.DataFrame:
        """What is left of each coordinate's autocorrelation where pairs are shuffled in time or among atoms."""
        return _read_csv(self._file(SPECTRUM, "cgcnn-md cluster"))

    @cached_property
    def kinetics(self) -> dict[str, Any]:
        """What ``kinetics.json`` holds: the Markov model of each species with several clusters."""
        return _read_json(self._file(KINETICS, "cgcnn-md kinetics"))

    @cached_property
    def rates(self) -> pd.DataFrame:
        """Rates and mean first-passage times between clusters."""
        return _read_csv(self._file(RATES, "cgcnn-md kinetics", "where atoms go between clusters"))

    @cached_property
    def transitions(self) -> pd.DataFrame:
        """Transitions to look at: system, run, frame, time_ps, atom, species, from, to."""
        return _read_csv(self._file(TRANSITIONS, "cgcnn-md kinetics", "where atoms go between clusters"))

    @cached_property
    def residence(self) -> pd.DataFrame:
        """Probability to be still, or again, in the cluster after a time."""
        return _read_csv(self._file(RESIDENCE, "cgcnn-md kinetics", "where atoms go between clusters"))

    @cached_property
    def displacements(self) -> pd.DataFrame:
        """Mean square displacement of atoms that stay in their cluster."""
        return _read_csv(self._file(DISPLACEMENTS, "cgcnn-md cluster", "where the input files are"))

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """What ``run.json`` holds: versions, arguments, inputs, seeds, timings, summary."""
        place = self.path / RUN
        return _read_json(place) if place.is_file() else {}

    @property
    def summary(self) -> list[str]:
        """What was found, a sentence each."""
        found = self.provenance.get("summary", [])
        lines = [found] if isinstance(found, str) else [str(line) for line in found]
        return [*lines, *(str(line) for line in self.provenance.get("kinetics", []))]

    @property
    def verdict(self) -> str:
        """What was found, in one text."""
        return " ".join(self.summary)

    @property
    def plot(self) -> Plots:
        """Figures, a method each: ``.map()``, ``.rdf()``, ``.timescales()`` and the others of `Plots`."""
        return Plots(self)

    def __repr__(self) -> str:
        lines = [f"Embedding({self.path})"]
        for store in self.stores():
            name = f"{store.name}: " if store.name else ""
            what = called(str(store.attrs.get("level", ATOM)))
            size = f"{store.n_frames} frames x {store.n_atoms} {what} x {store.features} features"
            lines.append(f"  {name}{size}, {store.dtype}")
        return "\n".join([*lines, *(f"  {line}" for line in self.summary)])

    def _repr_html_(self) -> str:
        head, *rest = repr(self).splitlines()
        table = ""
        if (self.path / CLUSTERS).is_file():
            table = self.clusters.to_html(index=False, float_format=lambda x: f"{x:.3g}", border=0, na_rep="–")
        lines = "".join(f"<li>{escape(line.strip())}</li>" for line in rest)
        return f"<div><strong>{escape(head)}</strong><ul>{lines}</ul>{table}</div>"

    def _system(self, system: str | None) -> str:
        """Choose a system."""
        if system is None and len(self.systems) == 1:
            return self.systems[0]
        if system is None or system not in self.systems:
            asked = f"{len(self.systems)} systems, none named" if system is None else f"no system {system!r}"
            names = ", ".join(map(repr, self.systems))
            raise InputError(f"{self.path}: {asked}; choose one of {names}, as in to_xarray({self.systems[0]!r})")
        return system

    def _file(self, name: str, maker: str, where: str = "") -> Path:
        """Find a file of the folder, which a command writes, or does so only somewhere."""
        place = self.path / name
        if not place.is_file():
            raise MissingFileError(f"{place}: no such file; `{maker}` writes it{where and ' '}{where}")
        return place


def _read_json(path: Path) -> dict[str, Any]:
    """Read an object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); restore it or run again") from None
    return dict(content) if isinstance(content, Mapping) else {}


def _read_csv(path: Path) -> pd.DataFrame:
    """Read a table whose species may be called NA."""
    import pandas as pd

    names = {"species", "group", "neighbour", "system", "name"}
    columns = [str(c) for c in pd.read_csv(path, nrows=0).columns]
    return pd.read_csv(
        path,
        dtype={name: object for name in columns if name in names},
        keep_default_na=False,
        na_values={name: ["", "nan", "NaN"] for name in columns if name not in names},
    )
