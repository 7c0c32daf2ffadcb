"""Soft states: what is in the data is found, what is not is said, and a folder of results is made of them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import ase
import numpy as np
import pytest
import torch
from systems import hops

pytest.importorskip("deeptime", exc_type=ImportError)

from cgcnn_md import pipeline, revisit
from cgcnn_md.analysis.cautions import of_group
from cgcnn_md.analysis.given import given_states
from cgcnn_md.analysis.trust import GroupTrust
from cgcnn_md.errors import UsageError
from cgcnn_md.progress import Silent
from cgcnn_md.results import open_embedding
from cgcnn_md.states import SoftStates
from cgcnn_md.training.states import train_states

TWO = np.asarray([[0.97, 0.03], [0.09, 0.91]])
THREE = np.asarray([[0.97, 0.03, 0.0], [0.03, 0.94, 0.03], [0.0, 0.03, 0.97]])
CHAINS = {"one": np.full((2, 2), 0.5), "two": TWO, "three": THREE}
PLACES = np.asarray([[-1.0, 0.0], [1.0, 0.5], [0.0, 1.5]])
SMALL = {"select": "element Li", "k": 6, "width": 16, "layers": 1, "epochs": 2, "steps_per_epoch": 8, "lag": 2}


def emitted(labels: np.ndarray, rng: np.random.Generator, spread: float = 0.25) -> np.ndarray:
    """Give two coordinates of atoms in known states, and a third that is noise, shape (n_frames, n_atoms, 3)."""
    noise = rng.standard_normal((*labels.shape, 3)) * [spread, spread, 1.0]
    noise[..., :2] += PLACES[labels]
    return np.asarray(noise)


def pairs(x: np.ndarray, lag: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    n = x.shape[2]
    return torch.from_numpy(x[:-lag].reshape(-1, n)), torch.from_numpy(x[lag:].reshape(-1, n))


@cache
def states_of(chain: str, n: int) -> tuple[SoftStates, np.ndarray, np.ndarray]:
    """Train states on known chains; give them with labels and coordinates of unseen time."""
    rng = np.random.default_rng(0)
    labels = hops(CHAINS[chain], 1200, 4, rng)
    x = emitted(labels, rng)
    return train_states(pairs(x[:800]), pairs(x[800:]), n, starts=3), labels[800:], x[800:]


@pytest.mark.parametrize("chain", ["two", "three"])
def test_states_in_the_data_are_found(chain: str) -> None:
    transition, n = CHAINS[chain], len(CHAINS[chain])
    found, labels, x = states_of(chain, n)
    chi = found(x.reshape(-1, 3))
    np.testing.assert_allclose(chi.sum(axis=1), 1.0)
    assert (np.diff(chi.mean(axis=0)) < 0.05).all()  # in the order of population
    table = np.zeros((n, n))
    np.add.at(table, (chi.argmax(axis=1), labels.ravel()), 1)
    assert table.max(axis=0).sum() / table.sum() > 0.97
    assert len(set(table.argmax(axis=0))) == n
    slow = np.sort(np.linalg.eigvals(np.linalg.matrix_power(transition, 3)).real)[::-1][1:]
    np.testing.assert_allclose(found.exchanges, slow, atol=0.08)


def test_the_score_is_deeptimes() -> None:
    from deeptime.decomposition import VAMP

    found, _, x = states_of("three", 3)
    now, later = (found(end.numpy())[:, :2] for end in pairs(x))
    both = np.concatenate([now, later]), np.concatenate([later, now])
    theirs = VAMP(epsilon=1e-12).fit_from_timeseries(both).fetch_model().score(2)
    assert found.score == pytest.approx(theirs - 1, abs=1e-4)
    assert found.score == pytest.approx(float((found.exchanges**2).sum()))


@pytest.mark.parametrize(("n", "hold"), [(2, "one environment only"), (4, "2 states at most")])
def test_says_that_the_data_hold_fewer_states(n: int, hold: str) -> None:
    found, _, x = states_of("two" if n == 4 else "one", n)
    evidence = given_states(found, x.reshape(-1, 3), None).evidence
    row = GroupTrust("Li", 3, 1.0, None, None, None, None, None, None)
    words = [c.words for c in of_group(evidence, row)]
    assert [w for w in words if w.startswith(f"Li: {n} states were asked for") and w.endswith(f"data hold {hold}")]


def test_no_caution_where_all_states_are_there() -> None:
    found, _, x = states_of("three", 3)
    evidence = given_states(found, x.reshape(-1, 3), None).evidence
    assert not list(of_group(evidence, GroupTrust("Li", 3, 1.0, None, None, None, None, None, None)))


def hopping(n_frames: int = 240, seed: int = 0) -> tuple[list[ase.Atoms], np.ndarray]:
    """Make four lithium atoms that hop between two sites, each beside argon atoms of its own, and the site of each."""
    rng = np.random.default_rng(seed)
    labels = hops(np.asarray([[0.95, 0.05], [0.1, 0.9]]), n_frames, 4, rng)
    corners = np.asarray([[x, y, 0.0] for x in (0, 12.0) for y in (0, 12.0)])
    argon = np.concatenate([corners + shift for shift in ([0, 0, 0], [4.0, 0, 0], [2.0, 3.5, 0], [2.0, 1.2, 3.2])])
    sites = np.asarray([[2.0, 1.2, 1.0], [2.0, 1.2, -2.5]])
    frames = []
    for row in labels:
        at = np.concatenate([argon, corners + sites[row]])
        at = at + 0.1 * rng.standard_normal(at.shape)
        frames.append(ase.Atoms("Ar16Li4", positions=at, cell=[24, 24, 14], pbc=True))
    return frames, labels


class Listener(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("states") / "out"
    pipeline.embed(hopping()[0], out=out, states=2, seeds=1, map_points=200, dt=0.5, **SMALL)
    return out


def test_states_take_the_place_of_clusters(made: Path) -> None:
    result, (_, labels) = open_embedding(made), hopping()
    data = result.to_xarray()
    chi, cluster = data.membership.values.astype(float), data.cluster.values
    assert chi.shape == (240, 4, 2)
    same = (chi.argmax(axis=2) == labels).mean()
    assert max(same, 1 - same) > 0.95
    np.testing.assert_array_equal(cluster, np.where(chi.max(axis=2) >= 0.75, chi.argmax(axis=2), -1))
    record = json.loads((made / "run.json").read_text())
    assert record["states"] == {"Li": {"given_by": "--states", "n": 2}}
    assert len(record["clusters"]["Li"]["starts"]) == 5
    assert "Li: 2 states, as asked with --states; their VAMP-2 score on unseen time" in result.summary[0]


def test_kinetics_are_of_memberships(made: Path) -> None:
    facts = open_embedding(made).kinetics["groups"]["Li"]
    assert facts["estimator"] == "reversible Koopman model of memberships"
    assert facts["active_fraction"] == 1.0
    assert (made / "figures" / "timescales.png").is_file()


def test_a_model_gives_the_same_states_of_the_same_files(made: Path, tmp_path: Path) -> None:
    again = pipeline.encode(made, hopping()[0], out=tmp_path / "again", select="element Li", dt=0.5, map_points=200)
    before, after = (r.to_xarray() for r in (open_embedding(made), again))
    np.testing.assert_array_equal(after.membership.values, before.membership.values)
    np.testing.assert_array_equal(after.cluster.values, before.cluster.values)


def test_states_keep_their_numbers_in_other_files(made: Path, tmp_path: Path) -> None:
    """Frames in which the rarer state is the more common one."""
    frames, labels = hopping(400, seed=1)
    where = np.flatnonzero((labels == 1).mean(axis=1) >= 0.5)
    result = pipeline.encode(
        made, [frames[i] for i in where], out=tmp_path / "rare", select="element Li", dt=0.5, map_points=200
    )
    chi = result.to_xarray().membership.values.astype(float)
    whole = open_embedding(made).to_xarray().membership.values.astype(float)
    agrees = (whole.argmax(axis=2) == hopping()[1]).mean() > 0.5
    wanted = labels[where] if agrees else 1 - labels[where]
    assert (chi.argmax(axis=2) == wanted).mean() > 0.95


def test_clustering_anew_keeps_the_states_unless_told(made: Path) -> None:
    before = open_embedding(made).to_xarray().cluster.values
    told = Listener()
    kept = revisit.cluster(made, progress=told)
    np.testing.assert_array_equal(kept.to_xarray().cluster.values, before)
    assert "the states of Li that the model was trained with (--states) are taken for clusters" in told.lines
    told = Listener()
    sought = revisit.cluster(made, n=3, progress=told)
    assert len(sought.clusters) == 3
    assert any(line.endswith("are left aside: clusters are sought in their place") for line in told.lines)
    assert "memberships" not in json.dumps(sought.kinetics["groups"]["Li"].get("estimator", ""))
    back = revisit.cluster(made, states=True)
    np.testing.assert_array_equal(back.to_xarray().cluster.values, before)
    with pytest.raises(UsageError, match=r"^clusters 3: the states of the model are as many as they are; leave"):
        revisit.cluster(made, n=3, states=True)


def test_refuses_states_without_time(tmp_path: Path) -> None:
    wanted = r"^states 2: states are told by time, and pairs are made by view 'space'; give a run of 4 frames or more"
    with pytest.raises(UsageError, match=wanted):
        pipeline.embed(hopping(1)[0], out=tmp_path / "one", states=2, **{k: v for k, v in SMALL.items() if k != "lag"})
    assert not (tmp_path / "one").exists()
