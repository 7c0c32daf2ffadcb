"""Groups of one species with the same environments share their clusters; others do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score
from systems import markov, store_of

from cgcnn_md.analysis import discover as module
from cgcnn_md.analysis.alike import find_alike, joined
from cgcnn_md.analysis.cluster import Evidence, SpeciesClusters
from cgcnn_md.analysis.discover import Coordinates, discover
from cgcnn_md.analysis.discovery import Discovery
from cgcnn_md.kinetic_map import KineticMap
from cgcnn_md.store import Store

CHAINS, LENGTH, FRAMES = 30, 6, 80
BOTH_ENDS, AMID, SINGLE = "B(A,B):11111111", "B(B,B):22222222", "B(B):33333333"


def chains(path: Path, *, wrong: float = 0.02, end: str = BOTH_ENDS, molecules: bool = True) -> Store:
    """Store chains in a crystal or a melt: clusters 0 and 1 amid them, 3 and 2 of the beads at their ends."""
    rng = np.random.default_rng(0)
    melt = markov(FRAMES, CHAINS, (0.05, 0.1), rng)
    state = np.repeat(melt, LENGTH, axis=1)
    state = np.where(rng.random(state.shape) < wrong, 1 - state, state)
    ends = np.tile(np.arange(LENGTH) % (LENGTH - 1) == 0, CHAINS)
    labels = np.where(ends, 3 - state, state).astype(np.int16)
    labels[:, 1] = -1
    chain = np.repeat(np.arange(CHAINS), LENGTH)
    identity = np.where(ends, end, AMID).tolist()
    store = store_of(
        path, labels, species=["B"] * len(ends), molecules=chain if molecules else None, identity=identity, unit=32
    )
    store.write_groups(np.where(ends, "B end", "B amid").tolist())
    return store


def alike(store: Store) -> dict[str, NDArray[np.int64]]:
    groups = {"B amid": np.array([0, 1]), "B end": np.array([2, 3])}
    found = find_alike([store], groups, dict.fromkeys(groups, "B"))
    assert all(one.like == "B amid" for one in found.values())
    return {name: one.match for name, one in found.items()}


def test_ends_that_are_where_their_chain_is_have_its_clusters(tmp_path: Path) -> None:
    np.testing.assert_array_equal(alike(chains(tmp_path))["B end"], [1, 0])


def test_what_goes_its_own_way_is_bonded_otherwise_or_shares_no_molecule_has_its_own(tmp_path: Path) -> None:
    assert not alike(chains(tmp_path / "own", wrong=0.2))
    assert not alike(chains(tmp_path / "bonds", end=SINGLE))
    assert not alike(chains(tmp_path / "apart", molecules=False))


def test_groups_are_taken_together_in_the_store(tmp_path: Path) -> None:
    store = chains(tmp_path)
    before = store.clusters(slice(0, FRAMES))
    chi = np.where(before[..., None] % 2 == np.arange(2), 0.9, 0.1)  # of the cluster that each atom is in, most
    store.lay_out_membership(2)
    store.write_membership(0, chi)

    def found(n: int, stability: float) -> SpeciesClusters:
        return SpeciesClusters(np.arange(1), None, Evidence(n, 1, 0.1, stability, 0.0, f"{n} environments"))

    parts = {"B amid": found(2, 0.95), "B end": found(2, 0.9)}
    discovery = joined(Discovery(parts, {"B amid": 0, "B end": 2}, {"B amid": "B", "B end": "B", "B": "B"}), [store])
    assert list(discovery.by_group) == ["B"]
    assert discovery.n_clusters == 2
    evidence = discovery.by_group["B"].evidence
    assert evidence.stability == 0.9
    assert evidence.verdict.startswith("2 environments, and shared by another kind of its atoms (ARI")
    assert set(store.groups("found").tolist()) == {"B"}
    after = store.clusters(slice(0, FRAMES))
    crystal = np.where(before >= 2, before == 3, before == 0)
    first = 0 if crystal[before >= 0].mean() > 0.5 else 1  # the most populous has the first number
    np.testing.assert_array_equal(after[before >= 0], np.where(crystal, first, 1 - first)[before >= 0])
    membership = store.membership(slice(0, FRAMES))
    assert membership is not None
    np.testing.assert_array_equal(membership.argmax(axis=2)[after >= 0], after[after >= 0])


def test_some_groups_of_several_keep_their_names(tmp_path: Path) -> None:
    store = chains(tmp_path)
    groups = store.groups("found").astype(object)
    groups[:LENGTH] = "B other"
    labels = store.clusters(slice(0, FRAMES))
    labels[:, :LENGTH] = 4
    store.write_clusters(0, labels)
    store.write_groups(groups)
    parts = {
        name: SpeciesClusters(np.arange(1), None, Evidence(n, 1, 0.1, 0.9, 0.0, ""))
        for name, n in (("B amid", 2), ("B end", 2), ("B other", 1))
    }
    first = {"B amid": 0, "B end": 2, "B other": 4}
    discovery = joined(Discovery(parts, first, dict.fromkeys([*parts, "B"], "B")), [store])
    assert discovery.first == {"B amid or end": 0, "B other": 2}
    assert set(store.clusters(0)[:LENGTH].tolist()) == {2}
    assert sorted(set(store.groups("found").tolist())) == ["B amid or end", "B other"]


def test_a_crystal_and_a_melt_are_two_for_all_beads_whether_asked_for_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beads at the ends answer to the crystal along a coordinate of their own."""
    monkeypatch.setattr(module, "try_surrogates", lambda found, *_, **__: found)  # they take long, and have their tests
    rng = np.random.default_rng(0)
    melt = np.repeat(markov(40, CHAINS, (0.05, 0.1), rng), LENGTH, axis=1)
    ends = np.tile(np.arange(LENGTH) % (LENGTH - 1) == 0, CHAINS)
    side = 2.0 * melt - 1.0
    values = np.stack([np.where(ends, 0.0, 2 * side), np.where(ends, 6 * side, 0.0)], axis=-1)
    store = Store.create(
        tmp_path / "e.zarr", "", n_frames=40, atom_index=np.arange(len(ends)), species_names=["B"] * len(ends),
        features=2, frame_numbers=np.arange(40), runs=np.zeros(40), unit_frames=32, attrs={"dt": 1.0},
        labels={
            "molecule": np.repeat(np.arange(CHAINS), LENGTH).astype(str),
            "identity": np.where(ends, BOTH_ENDS, AMID).tolist(),
        },
    )  # fmt: skip
    store.write(0, (values + 0.4 * rng.normal(size=values.shape)).astype(np.float32), np.arange(40, dtype=float))
    for unit in range(store.n_units):
        store.mark_done(unit)
    mapping = KineticMap(np.zeros((1, 2)), np.eye(2), np.full(2, 0.8), np.ones(2))
    coordinates, every = Coordinates({"B": mapping}), slice(0, 40)
    for n in (None, 2):
        found = discover([store], coordinates, lag=1, n_clusters=n)
        assert {name: group.n_clusters for name, group in found.by_group.items()} == {"B": 2}
        labels = store.clusters(every)
        assert adjusted_rand_score(labels[labels >= 0], melt[labels >= 0]) > 0.99
        assert (labels >= 0).mean() > 0.95
