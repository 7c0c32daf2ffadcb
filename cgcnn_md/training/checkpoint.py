"""Where training stands after an epoch, in one file without pickle, so that it can go on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
from numpy.typing import NDArray
from torch import Tensor

from cgcnn_md.nn import Encoder
from cgcnn_md.nn.model import save_tensors
from cgcnn_md.objectives import Objective
from cgcnn_md.training.records import EpochRecord

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(eq=False)
class TrainingState:
    """Everything that changes while a model is trained.

    Parameters
    ----------
    encoder, objective
        Networks, by their own state.
    optimiser
        Adam.
    schedule
        Of the learning rate.
    lag
        Lag in frames that training began with; a checkpoint of another lag is not gone on with.
    untrained
        Validation score before the first step.
    fixed
        What tells the atoms apart that scores and `others` are of; features of other atoms are not gone on with.
    records
        Epochs so far.
    best
        Encoder weights of the best validation score, those of the start where no epoch is better.
    stale
        Epochs since the best of them.
    scores
        Of the starts that were tried; empty where there was one.
    others
        Features of the other starts, of fixed atoms, each of shape (n_fixed, n_features).
    """

    encoder: Encoder
    objective: Objective
    optimiser: torch.optim.Adam
    schedule: torch.optim.lr_scheduler.LambdaLR
    lag: int
    untrained: float
    fixed: str = ""
    records: list[EpochRecord] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    stale: int = 0
    scores: list[float] = field(default_factory=list)
    others: list[NDArray[np.float32]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._keep()

    def _keep(self) -> None:
        self.best = {k: v.detach().clone() for k, v in self.encoder.state_dict().items()}

    @property
    def best_epoch(self) -> float:
        """Best validation score of an epoch so far."""
        return max((r.validation for r in self.records), default=float("-inf"))

    def note(self, record: EpochRecord) -> None:
        """Add an epoch, and keep its weights where it is the best."""
        self.stale = 0 if record.validation > self.best_epoch else self.stale + 1
        if record.validation > max(self.best_epoch, self.untrained):
            self._keep()
        self.records.append(record)

    def save(self, path: Path) -> None:
        """Write the state; an older file is replaced in one step.

        Raises
        ------
        StorageError
            If the disk does not take it.
        """
        parts: dict[str, dict[str, Tensor]] = {
            "encoder": self.encoder.state_dict(), "objective": self.objective.state_dict(), "best": self.best,
        }  # fmt: skip
        parts["other"] = {str(number): torch.from_numpy(features) for number, features in enumerate(self.others)}
        for number, moments in self.optimiser.state_dict()["state"].items():
            parts[f"adam{number}"] = {name: torch.as_tensor(moments[name]) for name in _MOMENTS}
        tensors = {
            f"{part}/{k}": v.detach().cpu().contiguous() for part, held in parts.items() for k, v in held.items()
        }
        facts = {
            "lag": self.lag, "untrained": self.untrained, "stale": self.stale, "fixed": self.fixed,
            "records": [asdict(r) for r in self.records], "scores": self.scores,
            "schedule": {k: v for k, v in self.schedule.state_dict().items() if isinstance(v, int | float | list)},
        }  # fmt: skip
        save_tensors(path, tensors, {"state": json.dumps(facts)})

    def load(self, path: Path) -> bool:
        """Go on from a file; False, and nothing changed, where it is not there, damaged or of another training."""
        if not path.is_file():
            return False
        try:
            with safetensors.safe_open(path, framework="pt") as opened:
                facts: dict[str, Any] = json.loads((opened.metadata() or {})["state"])
                tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 (not a dict)
        except (safetensors.SafetensorError, KeyError, ValueError):
            return False
        if facts["lag"] != self.lag:
            return False
        parts: dict[str, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            part, name = key.split("/", 1)
            parts.setdefault(part, {})[name] = value
        self.encoder.load_state_dict(parts["encoder"])
        self.objective.load_state_dict(parts["objective"])
        self.best = {k: v.to(self.encoder.species.weight.device) for k, v in parts["best"].items()}
        state = self.optimiser.state_dict()
        state["state"] = {int(p[4:]): held for p, held in parts.items() if p.startswith("adam")}
        for group, rate in zip(state["param_groups"], facts["schedule"]["_last_lr"], strict=True):
            group["lr"] = rate
        self.optimiser.load_state_dict(state)
        self.schedule.load_state_dict(facts["schedule"])
        self.records = [EpochRecord(**r) for r in facts["records"]]
        self.untrained, self.stale = facts["untrained"], facts["stale"]
        self.scores = facts.get("scores", [])  # a checkpoint of an earlier version holds none, and no others
        others = parts.get("other", {}) if facts.get("fixed") == self.fixed else {}
        self.others = [others[number].numpy() for number in sorted(others, key=int)]
        return True
