"""Kinds of atoms that never turn into each other have models of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("deeptime", exc_type=ImportError)

from systems import hops, store_of

from cgcnn_md.analysis.kinds import bonded_words, find_kinds, identity_names
from cgcnn_md.analysis.kinetics import find_kinetics

SLOW = np.asarray([[0.95, 0.05], [0.2, 0.8]])
FAST = np.asarray([[0.7, 0.3], [0.6, 0.4]])
METHYL, FLUORO, CHAIN = "C(C,H,H,H)", "C(F,F,F,S):1a2b3c4d", "C(C,C,H,H)"


def carbons(n_frames: int = 400) -> tuple[np.ndarray, list[str]]:
    """Give clusters 0 and 1 to the first ten atoms, 0 and 2 to ten others, 0 alone to the last twenty."""
    rng = np.random.default_rng(0)
    methyl, fluoro = hops(SLOW, n_frames, 10, rng), 2 * hops(FAST, n_frames, 10, rng)
    labels = np.concatenate([methyl, fluoro, np.zeros((n_frames, 20), dtype=np.int16)], axis=1)
    return labels, [METHYL] * 10 + [FLUORO] * 10 + [CHAIN] * 20


def test_kinds_that_share_a_cluster_have_models_of_their_own(tmp_path: Path) -> None:
    labels, identity = carbons()
    labels[100, 12] = 1  # a fluorinated carbon that is taken for a methyl once
    store = store_of(tmp_path, labels, species=["C"] * 40, identity=identity)
    methyl, fluoro = find_kinetics([store], {"C": np.arange(3)})
    assert [k.name for k in (methyl, fluoro)] == ["C bonded to C and 3 H", "C bonded to 3 F and S"]
    assert [k.clusters.tolist() for k in (methyl, fluoro)] == [[0, 1], [0, 2]]
    alone = store_of(tmp_path / "alone", labels[:, :10], species=["C"] * 10)
    (wanted,) = find_kinetics([alone], {"C": np.arange(2)})
    assert methyl.model is not None
    assert wanted.model is not None
    np.testing.assert_allclose(methyl.model.transition.value, wanted.model.transition.value)
    assert methyl.model.first_passage.value[0, 1] == pytest.approx(20, rel=0.2)


def test_kinds_of_the_same_clusters_are_one_group_again(tmp_path: Path) -> None:
    labels = hops(SLOW, 300, 20, np.random.default_rng(1))
    store = store_of(tmp_path, labels, species=["C"] * 20, identity=[METHYL, CHAIN] * 10)
    (kind,) = find_kinds([store], {"C": np.arange(2)})
    assert kind.name == "C"
    assert kind.atoms[store.name].tolist() == list(range(20))


def test_without_bonds_names_in_residues_tell_kinds(tmp_path: Path) -> None:
    labels, _ = carbons()
    identity = ["C:CA:11111111", "C:CB:11111111"] * 5 + ["C:C1:22222222"] * 10 + ["C"] * 20
    store = store_of(tmp_path, labels, species=["C"] * 40, identity=identity)
    names = [kind.name for kind in find_kinds([store], {"C": np.arange(3)})]
    assert sorted(names) == ["C named C1", "C named CA, CB", "C of rare kinds"]


def test_systems_may_hold_different_kinds(tmp_path: Path) -> None:
    labels, identity = carbons()
    stores = [
        store_of(tmp_path, labels[:, atoms], species=["C"] * 10, identity=identity[atoms], name=name)
        for name, atoms in (("a", slice(0, 10)), ("b", slice(10, 20)))
    ]
    a, b = find_kinetics(stores, {"C": np.arange(3)})
    assert [list(k.counts) for k in (a, b)] == [["a"], ["b"]]


def test_clusters_say_what_their_atoms_are_bonded_to(tmp_path: Path) -> None:
    labels, identity = carbons()
    store = store_of(tmp_path, labels, species=["C"] * 40, identity=identity)
    words = bonded_words([store], {"C": np.arange(3)})
    chain, methyl, fluoro = ((labels[:, atoms] == 0).sum() for atoms in (slice(20, 40), slice(0, 10), slice(10, 20)))
    shares = [f"({100 * n / (chain + methyl + fluoro):.2g} %)" for n in (chain, methyl, fluoro)]
    assert words == {
        0: f"bonded to 2 C and 2 H {shares[0]} or to C and 3 H {shares[1]} or to 3 F and S {shares[2]}",
        1: "bonded to C and 3 H",
        2: "bonded to 3 F and S",
    }
    alike = store_of(tmp_path / "alike", labels, species=["C"] * 40, identity=[METHYL] * 40)
    assert bonded_words([alike], {"C": np.arange(3)}) == {}


def test_kinds_whose_first_names_are_the_same_stay_two(tmp_path: Path) -> None:
    labels, _ = carbons()
    names = [f"C{i}" for i in range(5)]
    identity = [f"C:{names[i % 5]}:{'1' * 8 if i < 10 else '2' * 8}" for i in range(20)]
    store = store_of(tmp_path, labels[:, :20], species=["C"] * 20, identity=identity)
    kinds = find_kinds([store], {"C": np.arange(3)})
    assert [kind.name for kind in kinds] == ["C named C0, C1, C2, C3, ...", "C named C0, C1, C2, C3, ... (2)"]
    assert [kind.clusters.tolist() for kind in kinds] == [[0, 1], [0, 2]]


@pytest.mark.parametrize(
    ("third", "wanted"),
    [
        ([2, 3], {"C like atom 0": [0, 1], "C like atom 10": [2, 3]}),
        ([2, 2], {"C like atom 0": [0, 1], "C like atom 10": [2, 3]}),
        ([1, 2], {"C": [0, 1, 2, 3]}),  # the way from one to the other
    ],
)
def test_identity_classes_with_no_cluster_in_common_are_parted(
    tmp_path: Path, third: list[int], wanted: dict[str, list[int]]
) -> None:
    rng, n_frames = np.random.default_rng(0), 200
    labels = np.concatenate([hops(SLOW, n_frames, 10, rng), 2 + hops(SLOW, n_frames, 10, rng)], axis=1)
    labels[rng.random(labels.shape) < 0.02] = 0  # taken for one of the others
    labels = np.concatenate([labels, np.array(third)[hops(SLOW, n_frames, 10, rng)]], axis=1)
    identity = np.repeat(["C(C,C,H,H):1", "C(C,C,H,H):2", "C(C,C,H,H):3"], 10).tolist()
    store = store_of(tmp_path, labels, species=["C"] * 30, identity=identity)
    kinds = find_kinds([store], {"C": np.arange(4)}, fine=True)
    assert {kind.name: kind.clusters.tolist() for kind in kinds} == wanted
    assert sorted(np.concatenate([kind.atoms[store.name] for kind in kinds])) == list(range(30))
    assert [kind.name for kind in find_kinds([store], {"C": np.arange(4)})] == ["C"]


def test_parted_classes_of_several_systems_have_names_of_their_own(tmp_path: Path) -> None:
    labels = hops(SLOW, 100, 10, np.random.default_rng(0))
    stores = [
        store_of(tmp_path, labels + 2 * i, species=["C"] * 10, identity=[f"C(C,C):{i}"] * 10, name=name)
        for i, name in enumerate(("cold", "hot"))
    ]
    kinds = find_kinds(stores, {"C": np.arange(4)}, fine=True)
    assert [kind.name for kind in kinds] == ["C like atom 0 of cold", "C like atom 0 of hot"]
    assert [list(kind.atoms) for kind in kinds] == [["cold"], ["hot"]]


def test_identity_classes_are_called_by_what_tells_them_apart(tmp_path: Path) -> None:
    identity = [METHYL, f"{CHAIN}:11111111", f"{CHAIN}:22222222", "C:CA:33333333", "C", "O(H,H)"]
    labels = np.zeros((4, 6), dtype=np.int16)
    stores = [
        store_of(tmp_path, labels, species=["C"] * 5 + ["O"], identity=identity, name="a"),
        store_of(tmp_path, labels[:, :2], species=["O", "C"], identity=["O(H,Li)", f"{CHAIN}:44444444"], name="b"),
    ]
    assert identity_names(stores) == {
        METHYL: "C bonded to C and 3 H", f"{CHAIN}:11111111": "C bonded to 2 C and 2 H like atom 1 of a",
        f"{CHAIN}:22222222": "C bonded to 2 C and 2 H like atom 2 of a",
        f"{CHAIN}:44444444": "C bonded to 2 C and 2 H like atom 1 of b", "C:CA:33333333": "C named CA", "C": "C",
        "O(H,H)": "O bonded to 2 H", "O(H,Li)": "O bonded to H and Li",
    }  # fmt: skip
