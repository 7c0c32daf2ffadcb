"""Objectives against what others wrote, and what a batch of one ignores."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cgcnn_md.objectives import OBJECTIVES
from cgcnn_md.objectives.infonce import infonce_bound
from cgcnn_md.objectives.vamp2 import Vamp2, vamp2_score
from cgcnn_md.objectives.vicreg import vicreg_loss


def test_equals_deeptime() -> None:
    covariance = pytest.importorskip("deeptime.covariance")
    vamp = pytest.importorskip("deeptime.decomposition")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 4)) @ rng.normal(size=(4, 4))
    y = 0.6 * x + rng.normal(size=x.shape)
    estimator = covariance.Covariance(lagtime=1, compute_c0t=True, compute_ctt=True, remove_data_mean=True)
    estimator.partial_fit((x, y))
    wanted = vamp.VAMP(epsilon=1e-12).fit(estimator.fetch_model()).fetch_model().score(2) - 1.0
    a, b = (torch.from_numpy(v - v.mean(axis=0)) for v in (x, y))
    assert float(vamp2_score(a, b, ridge=1e-12)) == pytest.approx(wanted, rel=1e-6)


def projections(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(n, 6, generator=rng)
    return x, 0.7 * x + 0.4 * torch.randn(n, 6, generator=rng)


def test_vicreg_equals_pytorch_metric_learning() -> None:
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    x, y = projections(400)
    assert float(vicreg_loss(x, y)) == pytest.approx(float(losses.VICRegLoss()(x, ref_emb=y)), rel=1e-4)


def test_infonce_equals_pytorch_metric_learning() -> None:
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    n = 50
    x, y = projections(n)
    own = torch.arange(n)
    theirs = losses.NTXentLoss(temperature=0.1)
    both = (theirs(x, own, ref_emb=y, ref_labels=own.clone()) + theirs(y, own, ref_emb=x, ref_labels=own.clone())) / 2
    assert float(infonce_bound(x, y)) == pytest.approx(float(np.log(n) - both), rel=1e-4)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_prefers_what_pairs_share(name: str) -> None:
    torch.manual_seed(0)
    objective = OBJECTIVES[name](6, 1, n_out=4)
    none = torch.zeros(3000, 2, dtype=torch.long)
    x, y = projections(3000)
    alike = float(objective(x, y, none[:, 0], none).detach())
    assert alike > float(objective(x, y[torch.randperm(3000)], none[:, 0], none).detach())


def test_being_of_a_species_is_no_slow_mode() -> None:
    torch.manual_seed(0)
    objective = Vamp2(4, 2, n_out=2)
    species = torch.arange(2).repeat(2000)
    offset = 50.0 * species[:, None]
    x, y = (torch.randn(4000, 4) + offset for _ in range(2))
    for _ in range(200):
        score = objective(x, y, species, torch.stack([species, species], dim=1))
    assert float(score.detach()) < 0.05


@pytest.mark.parametrize("mixed", [False, True])
def test_being_of_a_class_is_no_slow_mode(mixed: bool) -> None:
    torch.manual_seed(0)
    objective = Vamp2(4, 5, n_out=2)
    first = torch.arange(5).repeat(800)
    classes = torch.stack([first, first.roll(1) if mixed else first], dim=1)
    offset = 50.0 * torch.randn(5, 4)
    x, y = (torch.randn(4000, 4) + offset[classes[:, end]] for end in range(2))
    species = torch.zeros(4000, dtype=torch.long)
    for _ in range(200):
        score = objective(x, y, species, classes)
    assert float(score.detach()) < 0.05
    assert float(objective(x, y, species, torch.zeros_like(classes)).detach()) > 0.5


def test_means_follow_weights_at_once() -> None:
    torch.manual_seed(0)
    objective = Vamp2(4, 3, n_out=2)
    classes = torch.tensor([0] * 1000 + [1] * 1000 + [2] * 15)
    species = torch.zeros(len(classes), dtype=torch.long)
    for step in range(20):
        x, y = (torch.randn(len(classes), 4) + 100.0 * step + 10.0 * classes[:, None] for _ in range(2))
        score = objective(x, y, species, torch.stack([classes, classes], dim=1))
    assert float(score.detach()) < 0.05


def test_to_move_all_atoms_alike_does_not_pay() -> None:
    torch.manual_seed(0)
    objective = Vamp2(6, 2, n_out=4).double()
    classes = torch.arange(2).repeat(750)
    x, y = (z[:1500].double() for z in projections(1500))
    moved = torch.zeros(2, 6, dtype=torch.float64, requires_grad=True)
    apart = torch.randn(1500, 6, dtype=torch.float64, requires_grad=True)
    ends = (z + 0.01 * apart + moved[classes] for z in (x, y))
    objective(*ends, torch.zeros(1500, dtype=torch.long), torch.stack([classes, classes], dim=1)).backward()
    assert moved.grad.abs().max() < 1e-9
    assert apart.grad.abs().max() > 1e-6


def test_a_class_of_few_atoms_has_a_mean_of_more_than_a_batch() -> None:
    torch.manual_seed(0)
    objective = Vamp2(4, 2, n_out=2)
    classes = torch.tensor([0] * 2000 + [1] * 5)
    species = torch.zeros(len(classes), dtype=torch.long)
    off, off_alone = [], []
    for _ in range(400):
        x, y = (torch.randn(len(classes), 4) + 50.0 * classes[:, None] for _ in range(2))
        objective(x, y, species, torch.stack([classes, classes], dim=1))
        off.append(objective.mean[1] - 50.0)
        off_alone.append(torch.cat([x[-5:], y[-5:]]).mean(dim=0) - 50.0)
    assert torch.stack(off[20:]).square().mean() < 0.7 * torch.stack(off_alone[20:]).square().mean()


def test_too_few_pairs_give_no_score() -> None:
    objective = Vamp2(4, 1, n_out=8)
    none = torch.zeros(10, 2, dtype=torch.long)
    assert float(objective(torch.randn(10, 4), torch.randn(10, 4), none[:, 0], none).detach()) == 0.0
