"""Where time is held out: no pair crosses a border, and both parts of the time know what is slow."""

from __future__ import annotations

from functools import partial

import ase.build
import numpy as np
import pytest

from cgcnn_md.config import Config
from cgcnn_md.readers import open_trajectory
from cgcnn_md.training.held_out import FINER, Cut, split
from cgcnn_md.training.moments import choose_cut
from cgcnn_md.training.pairs import PairSampler
from cgcnn_md.training.start import new_model

N_FRAMES = 60


def half_molten(molten: range) -> list[ase.Atoms]:
    """A crystal of which one half is shaken in some frames."""
    crystal, rng = ase.build.bulk("Cu", cubic=True).repeat((6, 3, 3)), np.random.default_rng(0)
    shaken = crystal.positions[:, 0] > crystal.cell[0, 0] / 2
    images = []
    for number in range(N_FRAMES):
        size = np.where(shaken & (number in molten), 0.5, 0.05)[:, None]
        images.append(crystal.copy())
        images[-1].positions += size * rng.normal(size=crystal.positions.shape)
    return images


@pytest.mark.parametrize("molten", [range(N_FRAMES), range(8), range(54, N_FRAMES)], ids=["all", "early", "late"])
def test_both_parts_of_the_time_know_what_is_slow(molten: range) -> None:
    with open_trajectory(half_molten(molten)) as reader:
        model = new_model([reader], Config())
        draw = partial(PairSampler, [reader], model, view="time", lag=1, batch_atoms=4000, validation=0.3)
        cut, moments = choose_cut(model, draw)
        sampler = draw(cut=cut)
    assert (cut == Cut()) == (len(molten) == N_FRAMES)
    for anchors in (sampler.train, sampler.held_out):
        assert any(anchor.frame in molten for anchor in anchors)
    for here, there in moments.slowest()["Cu"]:
        assert here > 0.3
        assert there > 0.5 * here


@pytest.mark.parametrize("reach", [0, 1, 4])
@pytest.mark.parametrize("cut", [Cut(), *FINER], ids=str)
def test_no_pair_crosses_a_border(cut: Cut, reach: int) -> None:
    crystal = ase.build.bulk("Cu")
    with open_trajectory([crystal] * 90) as reader:
        train, held = split([reader], reach, 0.3, cut)
    ends = [{f for a in part for f in range(a.frame, a.frame + reach + 1)} for part in (train, held)]
    assert ends[0].isdisjoint(ends[1])
    assert all(0 <= f < 90 for part in ends for f in part)
    assert len(held) > 0.1 * len(train) > 0
