"""Which weights are kept, and when training has stalled."""

from __future__ import annotations

import torch

from cgcnn_md.objectives import OBJECTIVES
from cgcnn_md.training.checkpoint import TrainingState
from cgcnn_md.training.records import EpochRecord


def noted(*scores: float, untrained: float) -> TrainingState:
    """Note epochs, the weight of each being its number."""
    encoder = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        encoder.weight.fill_(0.0)
    optimiser = torch.optim.Adam(encoder.parameters())
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda _: 1.0)
    state = TrainingState(encoder, OBJECTIVES["vamp2"](1, 1), optimiser, schedule, 1, untrained)
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
