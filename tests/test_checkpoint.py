"""Which weights are kept, and when training has stalled."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch

from cgcnn_md.objectives import OBJECTIVES
from cgcnn_md.training.checkpoint import TrainingState
from cgcnn_md.training.records import EpochRecord


class Tiny(torch.nn.Linear):
    """A network of one weight, which tells its device as an encoder does."""

    @property
    def species(self) -> torch.nn.Linear:
        """Itself."""
        return self


def noted(*scores: float, untrained: float, fixed: str = "") -> TrainingState:
    """Note epochs, the weight of each being its number."""
    encoder = Tiny(1, 1, bias=False)
    with torch.no_grad():
        encoder.weight.fill_(0.0)
    optimiser = torch.optim.Adam(encoder.parameters())
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda _: 1.0)
    state = TrainingState(encoder, OBJECTIVES["vamp2"](1, 1), optimiser, schedule, 1, untrained, fixed)
    for number, score in enumerate(scores, start=1):
        with torch.no_grad():
            encoder.weight.fill_(float(number))
        state.note(EpochRecord(number, 0.0, score, 0.0, 0.0, 0.0))
    return state


def test_the_best_weights_are_kept() -> None:
    state = noted(0.4, 0.9, 0.7, 0.6, untrained=0.2)
    assert float(state.best["weight"]) == 2.0
    assert state.stale == 2


def test_untrained_weights_are_kept_where_no_epoch_is_better() -> None:
    state = noted(0.4, 0.5, untrained=0.6)
    assert float(state.best["weight"]) == 0.0
    assert state.stale == 0


def tried(fixed: str) -> TrainingState:
    """Give a training whose starts were eleven."""
    state = noted(0.4, untrained=0.2, fixed=fixed)
    for part in state.optimiser.param_groups[0]["params"]:
        part.grad = torch.ones_like(part)
    state.optimiser.step()
    state.scores = [float(n) for n in range(11)]
    state.others = [np.full((3, 2), n, np.float32) for n in range(10)]
    return state


@pytest.mark.parametrize(("fixed", "kept"), [("these", 10), ("others", 0)])
def test_what_the_starts_said_is_kept_and_their_features_where_atoms_are_the_same(
    tmp_path: Path, fixed: str, kept: int
) -> None:
    tried("these").save(tmp_path / "file")
    state = noted(untrained=0.2, fixed=fixed)
    assert state.load(tmp_path / "file")
    assert state.scores == list(range(11))
    assert [float(features[0, 0]) for features in state.others] == list(range(kept))


def test_a_checkpoint_of_an_earlier_version_is_gone_on_with(tmp_path: Path) -> None:
    tried("these").save(tmp_path / "file")
    with safetensors.safe_open(tmp_path / "file", framework="pt") as opened:
        facts = json.loads(opened.metadata()["state"])
    tensors = safetensors.torch.load_file(tmp_path / "file")
    for fact in ("scores", "fixed"):
        del facts[fact]
    held = {name: tensor for name, tensor in tensors.items() if not name.startswith("other/")}
    safetensors.torch.save_file(held, tmp_path / "file", {"state": json.dumps(facts)})
    state = noted(untrained=0.2, fixed="these")
    assert state.load(tmp_path / "file")
    assert (len(state.records), state.scores, state.others) == (1, [], [])
