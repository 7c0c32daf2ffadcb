"""The model file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from systems import random_frame

from cgcnn_md.config import ModelConfig
from cgcnn_md.errors import InputError, MissingFileError, SpeciesError, UsageError
from cgcnn_md.kinetic_map import KineticMap, read_maps
from cgcnn_md.nn import Model, load_model


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    made = Model.new(["Cl", "Na"], ModelConfig(k=8, width=16, layers=2), shortest=0.8, longest=5.0)
    rng = np.random.default_rng(0)
    for name in made.species:
        made.maps[name] = KineticMap(rng.normal(size=(3, 16)), rng.normal(size=(16, 3)), rng.random(3), rng.random(3))
    made.lag, made.dt = 4, 0.5
    made.identities = ("Cl", "Na", "Na(Cl)")
    return made


def test_a_saved_model_gives_the_same_embedding(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path / "model.safetensors")
    again = load_model(tmp_path)
    frame = random_frame(np.random.default_rng(0))
    targets, codes = np.arange(len(frame)), model.codes(["Na", "Cl"])
    results = []
    for one in (model, again):
        graph = one.graph(frame, targets, codes)
        results.append(one.embed(one.features([graph]), graph.target_species, np.arange(len(frame)) % 3))
    np.testing.assert_array_equal(*results)
    assert repr(again) == repr(model)
    maps, header = read_maps(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(maps["Na"].weights, model.maps["Na"].weights)
    assert (header["lag"], header["dt"], header["identities"]) == (4, 0.5, ["Cl", "Na", "Na(Cl)"])


def test_an_unknown_species_is_refused_by_name(model: Model) -> None:
    with pytest.raises(SpeciesError, match="species K: this model was trained on Cl, Na only"):
        model.codes(["Cl", "K"])


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no such model file; name a model.safetensors or the OUT folder"):
        load_model(tmp_path / "nothing.safetensors")
    (tmp_path / "model.safetensors").write_bytes(b"not a model at all")
    with pytest.raises(InputError, match="not a cgcnn_md model"):
        load_model(tmp_path)
    with pytest.raises(UsageError, match="model dict: wanted the path"):
        load_model({})  # type: ignore[arg-type]
