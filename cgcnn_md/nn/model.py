"""A trained encoder with everything needed to use it on new files, and its one file."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray

from cgcnn_md.config import ATOM, ModelConfig, called
from cgcnn_md.errors import InputError, MissingFileError, SpeciesError, StorageError, UsageError
from cgcnn_md.frame import Frame
from cgcnn_md.graph import KnnGraph, batch_graphs, knn_graph
from cgcnn_md.kernels.neighbours import CellList
from cgcnn_md.kinetic_map import MAP_ARRAYS, KineticMap
from cgcnn_md.nn.encoder import Encoder
from cgcnn_md.states import STATE_ARRAYS, SoftStates

if TYPE_CHECKING:
    from cgcnn_md.readers.groups import Groups
    from cgcnn_md.readers.identity import Identity

FORMAT = 2
_ENCODER, _MAP, _STATES = "encoder.", "map.", "states."


def save_tensors(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file; an older one is replaced in one step.

    Raises
    ------
    StorageError
        If the disk does not take it.
    """
    part = path.with_suffix(".part")
    try:
        # by way of bytes: the library's own writer lets nobody but the owner read the file
        part.write_bytes(safetensors.torch.save(tensors, metadata))
        part.replace(path)
    except OSError as err:
        part.unlink(missing_ok=True)
        msg = f"{path}: cannot be written ({err.strerror or err}); free some space and pass --resume"
        raise StorageError(msg) from err


@dataclass(eq=False)
class Model:
    """Encoder, species table and kinetic maps.

    Parameters
    ----------
    encoder
        The network.
    species
        Names of the species it knows; a code is a place in this table.
    config
        Shape of graphs and network.
    shortest, longest
        Range of distances in Å that the network resolves.
    kinds
        Names of the kinds of what gets a vector: the species, or at another level the kinds of groups.
    identities
        Names of the identity classes with a mean of their own, kinds first; what the encoder does not see.
    maps
        Kinetic map of each kind that has one.
    lag, dt
        Lag in frames, and ps per frame, at which the maps were made.
    view
        What made the pairs.
    states
        Soft states of each species that has some.
    provenance
        How it was made: seed, versions, inputs, scores.
    """

    encoder: Encoder
    species: tuple[str, ...]
    config: ModelConfig
    shortest: float
    longest: float
    kinds: tuple[str, ...] = ()
    identities: tuple[str, ...] = ()
    maps: dict[str, KineticMap] = field(default_factory=dict)
    lag: int = 1
    dt: float = float("nan")
    view: str = "time"
    states: dict[str, SoftStates] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kinds = self.kinds or self.species
        self.identities = self.identities or self.kinds

    @classmethod
    def new(cls, species: Sequence[str], config: ModelConfig, *, shortest: float, longest: float) -> Model:
        """Make an untrained model; torch's global seed decides its weights."""
        encoder = Encoder(
            len(species), width=config.width, layers=config.layers, shortest=shortest, longest=longest,
            pooled=config.level != ATOM,
        )  # fmt: skip
        return cls(encoder, tuple(species), config, shortest, longest)

    def __repr__(self) -> str:
        size = sum(p.numel() for p in self.encoder.parameters())
        what = f"{self.config.layers} gated convolutions, width {self.config.width}, k = {self.config.k}"
        level = "" if self.config.level == ATOM else f"; level {self.config.level}: {', '.join(self.kinds)}"
        return f"Model({what}, {size:,} parameters; species {', '.join(self.species)}{level}; lag {self.lag} frames)"

    @property
    def n_features(self) -> int:
        """Slow coordinates of the kind that has most."""
        return max((m.weights.shape[1] for m in self.maps.values()), default=0)

    def lag_at(self, dt: float) -> int:
        """Give the lag of training in frames that are `dt` ps apart, one at least.

        Where either time is not known, it is as many frames as in training.
        """
        return max(1, round(self.lag * self.dt / dt)) if self.dt > 0 and dt > 0 else self.lag

    def codes(self, species: Sequence[str]) -> NDArray[np.int16]:
        """Translate a reader's species table into this model's codes, shape (len(species),).

        Raises
        ------
        SpeciesError
            If the model never saw one of them.
        """
        unknown = [s for s in species if s not in self.species]
        if unknown:
            msg = (
                f"species {', '.join(unknown)}: this model was trained on {', '.join(self.species)} only; "
                "train one on files that hold them, or rename with a type map"
            )
            raise SpeciesError(msg)
        return np.array([self.species.index(s) for s in species], dtype=np.int16)

    def rows(self, groups: Groups) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
        """Give the kind and the identity class of what gets a vector, as places in `kinds` and `identities`.

        A class is the finest known one, or the kind; each of shape (n_groups,).

        Raises
        ------
        SpeciesError
            If the model never saw a kind.
        """
        unknown = [name for name in groups.kinds if name not in self.kinds]
        if unknown:
            what = called(self.config.level)
            msg = f"{what} {', '.join(unknown)}: this model was trained on {', '.join(self.kinds)} only; select these"
            raise SpeciesError(msg)
        codes = np.array([self.kinds.index(name) for name in groups.kinds], dtype=np.int16)
        return codes[groups.kind], self.classes(groups.identity)

    def classes(self, identity: Identity) -> NDArray[np.int64]:
        """Give each atom's class as a place in `identities`: its finest known one, or its species."""
        return identity.finest(self.identities)

    def graph(
        self, frame: Frame, targets: NDArray[np.int64], codes: NDArray[np.int16], cells: CellList | None = None,
        *, group: NDArray[np.int64] | None = None,
    ) -> KnnGraph:  # fmt: skip
        """Build the graph of a frame's target atoms.

        `codes` translates the frame's species; `group` is the group of every target, from 0.
        """
        graph = knn_graph(
            frame, self.config.k, cutoff=self.config.cutoff, hops=self.config.layers, targets=targets, cells=cells
        )
        return replace(graph, species=codes[graph.species], group=group)

    @torch.no_grad()
    def features(self, graphs: Sequence[KnnGraph]) -> NDArray[np.float32]:
        """Encode the targets of some graphs, or their groups, shape (n_targets or n_groups, n_hidden)."""
        features: NDArray[np.float32] = self.encoder(batch_graphs(graphs)).float().cpu().numpy()
        return features

    def embed(
        self, features: NDArray[np.float32], kinds: NDArray[np.int16], classes: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """Map features, shape (n, n_hidden), by the kind and class of each row to shape (n, n_features)."""
        out = np.zeros((len(features), self.n_features), dtype=np.float32)
        for name, mapping in self.maps.items():
            mine = kinds == self.kinds.index(name)
            if mine.any():
                out[mine, : mapping.weights.shape[1]] = mapping(features[mine], classes[mine])
        return out

    def has_weights_of(self, other: Model) -> bool:
        """Tell whether another model's encoder has the same weights."""
        mine, theirs = self.encoder.state_dict(), other.encoder.state_dict()
        return mine.keys() == theirs.keys() and all(torch.equal(mine[k].cpu(), theirs[k].cpu()) for k in mine)

    def save(self, path: Path) -> None:
        """Write one safetensors file: weights, and the rest as JSON in its header.

        Raises
        ------
        StorageError
            If the disk does not take it.
        """
        tensors = {_ENCODER + k: v.detach().cpu().contiguous() for k, v in self.encoder.state_dict().items()}
        for kind, table in ((_MAP, self.maps), (_STATES, self.states)):
            for name, part in table.items():
                for key, value in asdict(part).items():
                    tensors[f"{kind}{name}.{key}"] = torch.from_numpy(np.ascontiguousarray(value))
        header = {
            "format": FORMAT, "species": list(self.species), "kinds": list(self.kinds),
            "identities": list(self.identities),
            "config": asdict(self.config), "shortest": self.shortest, "longest": self.longest, "maps": list(self.maps),
            "states": list(self.states),
            "lag": self.lag, "dt": self.dt, "view": self.view, "provenance": self.provenance,
        }  # fmt: skip
        save_tensors(path, tensors, {"cgcnn_md": json.dumps(header)})


def load_model(path: str | os.PathLike[str]) -> Model:
    """Read a model file.

    Parameters
    ----------
    path
        A ``model.safetensors``, or an output folder that holds one.

    Raises
    ------
    MissingFileError
        If it is not there.
    InputError
        If it is no model of this package, or of a newer version of it.
    """
    given: object = path
    if not isinstance(given, str | os.PathLike):
        msg = (
            f"model {type(given).__name__}: wanted the path of a model.safetensors, or of an OUT folder that holds one"
        )
        raise UsageError(msg)
    file = Path(path)
    if file.is_dir():
        file = file / "model.safetensors"
    if not file.is_file():
        msg = f"{file}: no such model file; name a model.safetensors or the OUT folder of embed or train"
        raise MissingFileError(msg)
    try:
        with safetensors.safe_open(file, framework="pt") as opened:
            header = json.loads((opened.metadata() or {})["cgcnn_md"])
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 (not a dict)
    except (safetensors.SafetensorError, KeyError, ValueError) as err:
        msg = f"{file}: not a cgcnn_md model ({err}); name a model.safetensors that embed or train wrote"
        raise InputError(msg) from err
    if header["format"] != FORMAT:
        msg = f"{file}: model format {header['format']}, this version reads {FORMAT}; use the version that wrote it"
        raise InputError(msg)
    config = ModelConfig(**header["config"])
    model = Model.new(header["species"], config, shortest=header["shortest"], longest=header["longest"])
    weights = {k.removeprefix(_ENCODER): v for k, v in tensors.items() if k.startswith(_ENCODER)}
    model.encoder.load_state_dict(weights)
    for name in header["maps"]:
        model.maps[name] = KineticMap(*(tensors[f"{_MAP}{name}.{key}"].numpy() for key in MAP_ARRAYS))
    for name in header.get("states", []):
        model.states[name] = SoftStates(*(tensors[f"{_STATES}{name}.{key}"].numpy() for key in STATE_ARRAYS))
    model.kinds, model.identities = (tuple(header.get(name, header["species"])) for name in ("kinds", "identities"))
    model.lag, model.dt, model.view = header["lag"], header["dt"], header["view"]
    model.provenance = header["provenance"]
    return model
