"""Where training stands after an epoch, in one file without pickle, so that it can go on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import torch
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
    records
        Epochs so far.
    best
        Encoder weights of the best validation score.
    stale
        Epochs since then.
    """

    encoder: Encoder
    objective: Objective
    optimiser: torch.optim.Adam
    schedule: torch.optim.lr_scheduler.CosineAnnealingLR
    lag: int
    records: list[EpochRecord] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    stale: int = 0

    @property
    def best_score(self) -> float:
        """Best validation score so far."""
        return max((r.validation for r in self.records), default=float("-inf"))

    def note(self, record: EpochRecord) -> None:
        """Add an epoch, and keep its weights where it is the best."""
        if record.validation > self.best_score or not self.best:
            self.best = {k: v.detach().clone() for k, v in self.encoder.state_dict().items()}
            self.stale = 0
        else:
            self.stale += 1
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
        for number, moments in self.optimiser.state_dict()["state"].items():
            parts[f"adam{number}"] = {name: torch.as_tensor(moments[name]) for name in _MOMENTS}
        tensors = {
            f"{part}/{k}": v.detach().cpu().contiguous() for part, held in parts.items() for k, v in held.items()
        }
        facts = {
            "lag": self.lag, "stale": self.stale, "records": [asdict(r) for r in self.records],
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
        state["param_groups"][0]["lr"] = facts["schedule"]["_last_lr"][0]
        self.optimiser.load_state_dict(state)
        self.schedule.load_state_dict(facts["schedule"])
        self.records = [EpochRecord(**r) for r in facts["records"]]
        self.stale = facts["stale"]
        return True
