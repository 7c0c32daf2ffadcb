"""What open_embedding gives."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from cgcnn_md import out_folder, results
from cgcnn_md.analysis.populations import populations
from cgcnn_md.errors import InputError, MissingFileError
from cgcnn_md.results import Embedding, open_embedding
from cgcnn_md.store import Store


def make(out: Path, *systems: str) -> list[Store]:
    stores = []
    for name in systems:
        store = Store.create(
            out / "embedding.zarr",
            name,
            n_frames=12,
            atom_index=[0, 2, 3],
            species_names=["O", "O", "NA"],
            features=4,
            frame_numbers=np.arange(12),
            runs=np.zeros(12),
            attrs={"lag": 2, "dt": 0.5},
            unit_frames=5,
        )
        values = np.random.default_rng(0).normal(size=(12, 3, 4)).astype(np.float32)
        store.write(0, values, np.arange(12) * 0.5)
        store.write_clusters(0, np.asarray([0, 1, 2])[None].repeat(12, axis=0))
        store.set_spectrum(["NA", "O"], np.full((2, 4), 0.5), np.full((2, 4), 3.0))
        for unit in range(store.n_units):
            store.mark_done(unit)
        stores.append(store)
    return stores


@pytest.fixture
def out(tmp_path: Path) -> Path:
    stores = make(tmp_path, "")
    populations(stores).to_csv(tmp_path / "clusters.csv", index=False)
    points = {"frame": [0, 1, 2], "atom": [0, 1, 2], "x": [0.0, 1, 2], "y": [0.0, 1, 2], "cluster": [0, 1, 2]}
    pd.DataFrame(points).to_parquet(tmp_path / "map.parquet")
    pd.DataFrame({"epoch": [1, 2], "train": [1.0, 2.0], "validation": [1.0, 1.5]}).to_csv(
        tmp_path / "training.csv", index=False
    )
    r = np.linspace(0.1, 5, 50)
    (tmp_path / "figures").mkdir()
    pd.DataFrame({"cluster": 2, "species": "NA", "neighbour": "O", "r": r, "g": r}).to_csv(
        tmp_path / "figures" / "rdf.csv", index=False
    )
    pd.DataFrame(
        {"cluster": [0, 0, 1], "species": "O", "neighbour": "NA", "n": [1, 2, 2], "share": [0.5, 0.5, 1]}
    ).to_csv(tmp_path / "coordination.csv", index=False)
    run = {"summary": ["O: two environments.", "NA: <one> environment."], "kept": {"O": 1, "NA": 0}}
    (tmp_path / "run.json").write_text(json.dumps(run))
    return tmp_path


def test_a_result_gives_arrays_tables_and_sentences(out: Path) -> None:
    result = open_embedding(out)
    assert result.systems == [""]
    assert result.embedding[3:5].shape == (2, 3, 4)
    data = result.to_xarray()
    assert isinstance(data, xr.Dataset)
    assert data.embedding.dims == ("frame", "atom", "feature")
    assert set(data.embedding.coords) >= {"time", "run", "species", "atom_index", "frame_number"}
    assert data.embedding.where(data.species == "O", drop=True).sizes["atom"] == 2
    assert result.clusters.species.tolist() == ["O", "O", "NA"]
    assert np.isinf(result.clusters.lifetime_ps).all()
    assert len(result.map) == 3
    assert result.timescales.columns.tolist() == ["species", "feature", "autocorrelation", "timescale_ps"]
    assert result.timescales.species.tolist() == ["NA"] * 4 + ["O"] * 4
    assert result.summary == ["O: two environments.", "NA: <one> environment."]
    assert result.verdict == "O: two environments. NA: <one> environment."


def test_it_shows_itself(out: Path) -> None:
    result = open_embedding(out)
    assert repr(result).splitlines() == [
        f"Embedding({out})",
        "  12 frames x 3 atoms x 4 features, float32",
        "  O: two environments.",
        "  NA: <one> environment.",
    ]
    html = result._repr_html_()
    assert "&lt;one&gt;" in html
    assert "<table" in html


def test_every_figure_comes_from_the_folder(out: Path) -> None:
    plot = open_embedding(out).plot
    assert len(plot.map().figure.axes) == 2
    spectrum = plot.spectrum()
    assert spectrum.get_title(loc="left") == "NA: no slow coordinates"
    assert spectrum.get_ylabel() == "autocorrelation after 1 ps"
    assert plot.populations(species="NA").get_xlim() == (0, 5.5)
    assert plot.coordination().get_title(loc="left") == "NA around O"
    assert plot.rdf().get_title(loc="left") == "O around NA"
    assert plot.training().get_xlabel() == "epoch"


def test_several_systems_are_asked_for_by_name(tmp_path: Path) -> None:
    make(tmp_path, "melt", "crystal")
    result = open_embedding(tmp_path)
    assert result.systems == ["melt", "crystal"]
    assert list(result.embedding) == ["melt", "crystal"]
    assert result.to_xarray("melt").sizes["frame"] == 12
    wanted = re.escape("2 systems, none named; choose one of 'melt', 'crystal', as in to_xarray('melt')")
    with pytest.raises(InputError, match=wanted):
        result.to_xarray()
    with pytest.raises(InputError, match="no system 'glass'; choose one of"):
        result.store("glass")
    assert "  melt: 12 frames" in repr(result)


def test_a_folder_that_is_no_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="nowhere: no such folder; wanted the OUT of"):
        open_embedding(tmp_path / "nowhere")
    with pytest.raises(MissingFileError, match=r"no embedding\.zarr in it; wanted the OUT of"):
        open_embedding(tmp_path)


def test_what_was_not_made_yet_is_named_with_its_command(tmp_path: Path) -> None:
    make(tmp_path, "")
    result = open_embedding(tmp_path)
    with pytest.raises(MissingFileError, match=r"clusters\.csv: no such file; `cgcnn-md cluster` writes it"):
        _ = result.clusters
    for name, where in {
        "rates": "kinetics` writes it where atoms go between clusters",
        "transitions": "kinetics` writes it where atoms go between clusters",
        "populations": "cluster` writes it of several systems",
        "rdf": "cluster` writes it where the input files are",
    }.items():
        with pytest.raises(MissingFileError, match=f"no such file; `cgcnn-md {where}$"):
            getattr(result, name)
    with pytest.raises(MissingFileError, match=r"map\.parquet: no such file; `cgcnn-md project` writes it"):
        result.plot.map()
    assert result.provenance == {}
    assert result.verdict == ""
    assert "table" not in result._repr_html_()
    (tmp_path / "run.json").write_text("{broken")
    with pytest.raises(InputError, match=r"run\.json: not JSON"):
        _ = Embedding(tmp_path).summary


def test_an_unfinished_run_says_how_to_go_on(tmp_path: Path) -> None:
    for n_systems, names in ((1, []), (2, ["melt"])):  # stopped in training, and between two systems
        record = {"command": "encode", "inputs": {str(i): [] for i in range(n_systems)}}
        (tmp_path / "run.json").write_text(json.dumps(record))
        make(tmp_path, *names)
        with pytest.raises(MissingFileError, match=r"not finished; wait .* same `cgcnn-md encode` command"):
            open_embedding(tmp_path)
    (store,) = make(tmp_path, "glass")
    assert open_embedding(tmp_path).systems == ["melt", "glass"]
    store._group["done"][0] = False  # stopped while frames were embedded
    with pytest.raises(MissingFileError, match="not finished"):
        open_embedding(tmp_path)


def test_the_store_itself_may_be_named(out: Path) -> None:
    assert open_embedding(out / "embedding.zarr").path == out


def test_a_run_that_replaces_another_clears_every_file_that_a_result_is_read_from() -> None:
    named = {value for name, value in vars(results).items() if name.isupper() and isinstance(value, str)}
    read = {value for value in named if "." in value}
    assert "coordinates.csv" in read
    assert {name.split("/")[0] for name in read} <= set(out_folder._FILES)
