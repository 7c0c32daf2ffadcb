"""Neighbour search against ASE and matscipy, in every kind of box."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from ase.neighborlist import primitive_neighbor_list

from cgcnn_md.errors import InputError
from cgcnn_md.frame import Frame
from cgcnn_md.graph import edge_weight
from cgcnn_md.kernels.neighbours import CellList, complete_cell, finish_edges


def compare(frame: Frame, k: int, cutoff: float, pairs: tuple[np.ndarray, np.ndarray]) -> None:
    index, distance, radius = CellList.of(frame).nearest(k, cutoff=cutoff)
    centre, length = pairs
    bounds = np.searchsorted(centre, np.arange(len(frame) + 1))
    for atom in range(len(frame)):
        wanted = np.sort(length[bounds[atom] : bounds[atom + 1]])
        got = distance[atom][np.isfinite(distance[atom])]
        assert len(got) == min(k, len(wanted))
        np.testing.assert_allclose(got, wanted[: len(got)], atol=1e-9)
        assert (index[atom, : len(got)] >= 0).all()
        assert (index[atom, len(got) :] == -1).all()
        assert radius[atom] == pytest.approx(wanted[k] if len(wanted) > k else cutoff)


@pytest.mark.parametrize("seed", range(25))
def test_equals_ase_in_random_boxes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, length = int(rng.integers(1, 40)), rng.uniform(2, 12)
    cell = np.eye(3) * length + np.tril(rng.uniform(-0.4, 0.4, (3, 3)) * length, -1)
    pbc = rng.random(3) < 0.7
    positions = rng.random((n, 3)) @ cell + (rng.integers(-3, 4, (n, 3)) * pbc) @ cell
    k, cutoff = int(rng.integers(1, 30)), rng.uniform(2, 7)
    i, d = primitive_neighbor_list("id", pbc, cell, positions, cutoff)
    compare(Frame(positions, cell, pbc, np.zeros(n, np.int16)), k, cutoff, (i, d))


def slab(rng: np.random.Generator) -> np.ndarray:
    return rng.random((3000, 3)) * [1.0, 1.0, 0.2]


def droplet(rng: np.random.Generator) -> np.ndarray:
    return 0.5 + np.concatenate([0.03 * rng.normal(size=(2000, 3)), 0.3 * rng.normal(size=(200, 3))])


def gas(rng: np.random.Generator) -> np.ndarray:
    return rng.random((3000, 3))


@pytest.mark.parametrize("pbc", [(True, True, True), (True, True, False), (False, False, False)])
@pytest.mark.parametrize("place", [slab, droplet, gas])
def test_equals_matscipy_where_density_varies(place: Callable[..., np.ndarray], pbc: tuple[bool, bool, bool]) -> None:
    neighbours = pytest.importorskip("matscipy.neighbours")
    cell = np.array([[30.0, 0, 0], [6.0, 28.0, 0], [-5.0, 4.0, 32.0]])
    scaled = place(np.random.default_rng(0))
    scaled = np.where(pbc, scaled % 1.0, scaled)
    periodic = np.array(pbc)
    i, d = neighbours.neighbour_list("id", positions=scaled @ cell, cell=cell, pbc=periodic, cutoff=6.0)
    order = np.argsort(i, kind="stable")
    compare(Frame(scaled @ cell, cell, periodic, np.zeros(len(scaled), np.int16)), 20, 6.0, (i[order], d[order]))


@pytest.mark.parametrize("n", [30, 900])  # by one thread, and by all
def test_edges_carry_the_weight_that_the_formula_says(n: int) -> None:
    rng = np.random.default_rng(4)
    frame = Frame(rng.random((n, 3)) * n ** (1 / 3) * 3, np.zeros((3, 3)), np.zeros(3, bool), np.zeros(n, np.int16))
    cells = CellList.of(frame, 12)
    found = cells.search(12, cutoff=4.0)
    number = rng.permutation(n)
    index, distance, weight = finish_edges(*found, (number + 1).astype(np.int32))
    masked = found[0] < 0
    assert masked.any()
    np.testing.assert_array_equal(index, np.where(masked, 0, number[found[0]]))
    np.testing.assert_allclose(distance, np.where(masked, 0, found[1]), rtol=1e-6)
    np.testing.assert_allclose(weight, np.where(masked, 0, edge_weight(found[1], found[2])), atol=1e-6)


def test_more_than_k_atoms_at_one_point_have_finite_weights() -> None:
    rng = np.random.default_rng(5)
    positions = np.concatenate([np.zeros((40, 3)), rng.random((60, 3)) * 12])
    frame = Frame(positions, np.eye(3) * 12, np.ones(3, bool), np.zeros(100, np.int16))
    cells = CellList.of(frame, 12)
    found = cells.search(12, cutoff=6.0)
    assert (found[2] == 0).sum() == 40
    _, _, weight = finish_edges(*found, np.arange(1, 101, dtype=np.int32))
    np.testing.assert_allclose(weight, edge_weight(found[1], found[2]), atol=1e-6)


@pytest.mark.parametrize("length", [2.0, 3.1])
def test_one_atom_sees_its_own_images_like_matscipy(length: float) -> None:
    neighbours = pytest.importorskip("matscipy.neighbours")
    cell = np.array([[length, 0, 0], [0.4, length, 0], [0.1, -0.5, length]])
    frame = Frame(np.array([[0.3, 7.0, -4.0]]), cell, np.ones(3, bool), np.zeros(1, np.int16))
    wrapped = np.array([[0.1, 0.2, 0.3]]) @ cell
    i, d = neighbours.neighbour_list("id", positions=wrapped, cell=cell, pbc=np.ones(3, bool), cutoff=6.0)
    compare(frame, 64, 6.0, (i, d))


def test_a_subset_of_centres_gets_the_rows_of_the_whole() -> None:
    rng = np.random.default_rng(3)
    frame = Frame(rng.random((200, 3)) * 12, np.eye(3) * 12, np.ones(3, bool), np.zeros(200, np.int16))
    cells = CellList.of(frame)
    whole = cells.nearest(12, cutoff=6.0)
    part = cells.nearest(12, cutoff=6.0, centres=np.array([5, 199, 17]))
    for a, b in zip(whole, part, strict=True):
        np.testing.assert_array_equal(a[[5, 199, 17]], b)


def test_lonely_atoms_have_no_neighbours() -> None:
    frame = Frame(np.array([[0.0, 0, 0], [50, 0, 0]]), np.zeros((3, 3)), np.zeros(3, bool), np.zeros(2, np.int16))
    index, distance, radius = CellList.of(frame).nearest(4, cutoff=8.0)
    assert (index == -1).all()
    assert np.isinf(distance).all()
    np.testing.assert_array_equal(radius, [8.0, 8.0])


def test_refuses_a_coordinate_that_is_not_finite() -> None:
    frame = Frame(np.array([[0, 0, 0], [np.nan, 1, 2]]), np.eye(3) * 5, np.ones(3, bool), np.zeros(2, np.int16))
    with pytest.raises(InputError, match=r"frame 0: atom 1 is at \(nan, 1.0, 2.0\) Å, wanted finite coordinates"):
        CellList.of(frame)


def test_refuses_a_flat_periodic_box() -> None:
    with pytest.raises(InputError, match="has no volume; repair the box or turn pbc off"):
        complete_cell(np.diag([3.0, 3.0, 0.0]), np.ones(3, bool))
