"""A model as an analysis of MDAnalysis gives what `encode` stores."""

from __future__ import annotations

from pathlib import Path

import MDAnalysis
import numpy as np
import pytest
from readers.files import N_WATERS, write_gro, write_xtc

import cgcnn_md
from cgcnn_md.errors import CgcnnMdWarning, SpeciesError
from cgcnn_md.mdanalysis import EmbeddingAnalysis

TINY = {"epochs": 1, "steps_per_epoch": 2, "batch_atoms": 200, "width": 16, "layers": 2, "k": 8}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("universe")
    return write_xtc(folder / "water.xtc", 12), write_gro(folder / "topol.gro")


@pytest.fixture(scope="module")
def model(files: tuple[Path, Path]) -> Path:
    return cgcnn_md.train(*files, out=files[0].parent / "model", **TINY)


def universe_of(files: tuple[Path, Path]) -> MDAnalysis.Universe:
    return MDAnalysis.Universe(str(files[1]), str(files[0]), to_guess=())


@pytest.mark.filterwarnings("ignore:27 massless sites")
def test_is_what_encode_stores(files: tuple[Path, Path], model: Path, tmp_path: Path) -> None:
    universe = universe_of(files)
    universe.trajectory[3]
    analysis = EmbeddingAnalysis(universe.select_atoms("name OW"), model)
    assert universe.trajectory.ts.frame == 3
    analysis.run(start=2, stop=11, step=3)
    stored = cgcnn_md.encode(model, *files, out=tmp_path / "out", select="name OW").embedding[:]
    assert analysis.results.embedding.shape == (3, N_WATERS, stored.shape[2])
    np.testing.assert_allclose(analysis.results.embedding, stored[2:11:3], atol=1e-5)
    np.testing.assert_array_equal(analysis.results.atom_index, universe.select_atoms("name OW").indices)
    assert set(analysis.results.species) == {"O"}
    np.testing.assert_array_equal(analysis.times, [4.0, 10.0, 16.0])


@pytest.mark.filterwarnings("ignore:27 massless sites")
def test_groups_are_rows(files: tuple[Path, Path], tmp_path: Path) -> None:
    pooled = cgcnn_md.train(*files, out=tmp_path / "model", level="residue", **TINY)
    found = EmbeddingAnalysis(universe_of(files).atoms, cgcnn_md.load_model(pooled)).run().results
    assert found.embedding.shape[:2] == (12, N_WATERS)
    np.testing.assert_array_equal(found.atom_index, 4 * np.arange(N_WATERS))


@pytest.mark.filterwarnings("ignore:27 massless sites")
def test_says_that_a_group_that_updates_stands_still(files: tuple[Path, Path], model: Path) -> None:
    universe = universe_of(files)
    universe.trajectory[3]
    near = universe.select_atoms("name OW and around 6 index 0", updating=True)
    now = near.indices.copy()
    with pytest.warns(CgcnnMdWarning, match=r"^the updating AtomGroup is taken as it is at frame 3, for all frames$"):
        analysis = EmbeddingAnalysis(near, model).run(start=5, stop=7)
    np.testing.assert_array_equal(analysis.results.atom_index, now)


def test_refuses_species_that_the_model_never_saw(files: tuple[Path, Path], model: Path) -> None:
    with pytest.raises(SpeciesError, match="Ne: this model was trained on H, O only"):
        EmbeddingAnalysis(universe_of(files).atoms, model, type_map={"OW": "Ne"})
