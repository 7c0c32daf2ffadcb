"""What slow coordinates follow, on made frames and against scikit-learn."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_selection import f_classif

from cgcnn_md.analysis.discovery import Discovery
from cgcnn_md.analysis.meaning import correlation_ratio, relaxation, what_coordinates_follow, words
from cgcnn_md.analysis.surrogates import Shuffles
from cgcnn_md.frame import Frame
from cgcnn_md.store import Store


def test_correlation_ratio_is_that_of_the_analysis_of_variance() -> None:
    rng = np.random.default_rng(0)
    x = rng.random(1000)
    y = np.cos(6 * x) + rng.normal(size=1000)
    where = np.minimum((x.argsort().argsort() * 10) // 1000, 9)  # ten ranges, equally filled
    f = float(f_classif(y[:, None], where)[0][0])
    assert correlation_ratio(x, y, 10) == pytest.approx(1 - 1 / (1 + (f - 1) * 9 / 999), abs=2e-3)
    assert correlation_ratio(x, rng.normal(size=1000)) < 0.03
    assert correlation_ratio(np.ones(10), y[:10]) == correlation_ratio(x, np.ones(1000)) == 0.0


BAD = 150  # cannot be decoded


class Source:
    """Frames of 4 A and 36 B in a box."""

    species = ("A", "B")
    targets = np.arange(4)
    molecules = SimpleNamespace()

    def __init__(self) -> None:
        self.positions = np.random.default_rng(1).random((300, 40, 3)) * 12.0

    def frames(self, indices):
        for i in indices:
            assert i != BAD, "a frame that was skipped is not read"
            species = np.repeat([0, 1], [4, 36]).astype(np.int16)
            yield Frame(self.positions[i], np.eye(3) * 12.0, np.ones(3, bool), species, number=i)


def test_finds_what_a_coordinate_was_made_of(tmp_path: Path) -> None:
    source, rng = Source(), np.random.default_rng(2)
    apart = source.positions[:, :4, None] - source.positions[:, None, :4]
    apart -= 12.0 * np.round(apart / 12.0)
    second = np.sort(np.linalg.norm(apart, axis=-1), axis=2)[:, :, 2]  # the first is the atom itself
    values = np.stack([second + 0.5 * rng.normal(size=second.shape), rng.normal(size=second.shape)], axis=2)
    store = Store.create(
        tmp_path / "e.zarr", "", n_frames=300, atom_index=np.arange(4), species_names=["A"] * 4, features=2,
        frame_numbers=np.arange(300), runs=np.zeros(300), labels={"identity": ["A"] * 4}, attrs={}, unit_frames=100,
    )  # fmt: skip
    for unit in range(3):
        here = slice(100 * unit, 100 * unit + 100)
        store.write(here.start, values[here].astype(np.float32), np.arange(100.0))
        labels = np.zeros((100, 4), dtype=np.int16)
        labels[np.arange(here.start, here.stop) == BAD] = -1
        store.write_clusters(here.start, labels)
        store.mark_done(unit)

    def read(_name: str, block: np.ndarray, _identity: np.ndarray) -> np.ndarray:
        return block.astype(np.float64)

    table = what_coordinates_follow([(source, store)], read, {"A": 2})
    assert table["species"].tolist() == ["A", "A"]
    assert table["follows"][0] == "2nd nearest A"
    assert table["share"][0] == pytest.approx(second.var() / (second.var() + 0.25), abs=0.05)
    assert table["share"][1] < 0.1
    assert words(table, {"A": [12.3, 1.0]}) == [
        "A: slow coordinate 0, which relaxes in 12.3 ps, follows the distance to the 2nd nearest A "
        f"({100 * table['share'][0]:.0f} % of its variance)."
    ]
    (said,) = words(table, {"A": [12.3, 1.0]}, encoded=True)
    assert said.startswith("A: slow coordinate 0, which relaxed in 12.3 ps in the training, follows the distance")
    assert what_coordinates_follow([(source, store)], read, {"A": 0}).empty


def test_gives_no_time_for_what_belongs_to_the_box_or_is_frozen() -> None:
    def shuffles(time: list[float], atoms: list[float]) -> Shuffles:
        held, none = np.array([0.9, 0.8, 0.7]), np.zeros(3)
        return Shuffles(held, held, none, np.array(time), none, np.array(atoms), none, none)

    found = Discovery(
        dict.fromkeys(["A", "A of B"]), {}, {"A": "A", "A of B": "A"},
        {"A": shuffles([0.1, 0.1, 0.1], [0.9, 0.1, 0.1]), "A of B": shuffles([0.1, 0.1, 0.7], [0.1, 0.1, 0.1])},
    )  # fmt: skip
    scale = relaxation(found, {"A": SimpleNamespace(timescale=lambda lag: lag * np.arange(1.0, 4.0))}, 2.0)["A"]
    np.testing.assert_array_equal(scale, [np.nan, 4.0, np.nan])
    table = pd.DataFrame({"species": "A", "coordinate": [0, 1], "follows": "nearest A", "share": 0.8})
    assert words(table, {"A": scale}) == [
        "A: slow coordinate 0 follows the distance to the nearest A (80 % of its variance).",
        "A: slow coordinate 1, which relaxes in 4 ps, follows the distance to the nearest A (80 % of its variance).",
    ]


@pytest.mark.parametrize("n_atoms", [1, 4, 8])
def test_few_atoms_that_keep_what_they_have_follow_nothing(tmp_path: Path, n_atoms: int) -> None:
    rng = np.random.default_rng(5)
    home = rng.random((n_atoms + 36, 3)) * 12.0

    class Still:
        species, targets, molecules = ("A", "B"), np.arange(n_atoms), SimpleNamespace()

        def frames(self, indices):
            for i in indices:
                positions = home + 0.1 * np.random.default_rng(i).normal(size=home.shape)
                species = np.repeat([0, 1], [n_atoms, 36]).astype(np.int16)
                yield Frame(positions, np.eye(3) * 12.0, np.ones(3, bool), species, number=i)

    told = 0
    for trial in range(5):
        store = Store.create(
            tmp_path / f"{trial}.zarr", "", n_frames=400, atom_index=np.arange(n_atoms), species_names=["A"] * n_atoms,
            features=1, frame_numbers=np.arange(400), runs=np.zeros(400), unit_frames=400,
        )  # fmt: skip
        values = rng.normal(size=n_atoms)[:, None] + 0.1 * rng.normal(size=(400, n_atoms, 1))
        store.write(0, values.astype(np.float32), np.arange(400.0))
        store.write_clusters(0, np.zeros((400, n_atoms), dtype=np.int16))
        store.mark_done(0)
        table = what_coordinates_follow([(Still(), store)], lambda _name, v, _identity: v.astype(float), {"A": 1})
        told += len(words(table, {"A": [np.nan]}))
    assert told <= 1
