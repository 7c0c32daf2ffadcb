"""The store: layout, resume, survival."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from cgcnn_md.errors import InputError, MissingFileError, StorageError, UsageError
from cgcnn_md.store import Store

FRAMES, ATOMS, FEATURES, UNIT = 25, 7, 3, 10


def make(path: Path, group: str = "", **changes: object) -> Store:
    settings: dict = {
        "n_frames": FRAMES,
        "atom_index": np.arange(ATOMS) * 2,
        "species_names": ["O", "H", "H", "O", "H", "H", "Na"],
        "features": FEATURES,
        "frame_numbers": np.arange(FRAMES) * 5,
        "runs": np.arange(FRAMES) // 13,
        "attrs": {"lag": np.int64(4), "dt": np.nan, "source": [Path("a.xtc")]},
        "unit_frames": UNIT,
    }
    return Store.create(path, group, **{**settings, **changes})


def block(first: int, count: int, n_atoms: int = ATOMS) -> np.ndarray:
    """Numbers that tell frame, atom and feature."""
    frame, atom, feature = np.ogrid[first : first + count, :n_atoms, :FEATURES]
    return (frame * 100 + atom * 10 + feature).astype(np.float32)


def test_members_tell_the_row_of_every_atom(tmp_path: Path) -> None:
    atoms, rows = make(tmp_path / "a.zarr").members
    assert (atoms.tolist(), rows.tolist()) == ([0, 2, 4, 6, 8, 10, 12], list(range(7)))
    held = ([0, 1, 2, 4, 5, 6, 9, 10, 12], [0, 0, 0, 1, 2, 2, 3, 4, 5])
    store = make(tmp_path / "m.zarr", members=held)
    store.write_clusters(0, np.arange(ATOMS)[None] % 3)
    again = Store.open(tmp_path / "m.zarr")
    assert [part.tolist() for part in again.members] == list(held)
    on_atoms = again.clusters(0)[again.members[1]]
    assert on_atoms.tolist() == [0, 0, 0, 1, 2, 2, 0, 1, 2]
    with xr.open_zarr(tmp_path / "m.zarr", consolidated=False) as data:
        assert data["member_group"].dims == ("member",)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    store = make(tmp_path / "e.zarr")
    for first in range(0, FRAMES, UNIT):
        count = min(UNIT, FRAMES - first)
        store.write(first, block(first, count), np.arange(first, first + count) * 0.5)
        store.mark_done(first // UNIT)
    store.write_clusters(10, np.full((5, ATOMS), 2))
    store.set_spectrum(["O", "H"], [[0.9, 0.1, np.nan]] * 2, [[10.0, 1.0, np.nan]] * 2)
    again = Store.open(tmp_path / "e.zarr")
    np.testing.assert_array_equal(again.embedding(slice(0, FRAMES)), block(0, FRAMES))
    np.testing.assert_array_equal(again.time, np.arange(FRAMES) * 0.5)
    assert again.clusters(slice(8, 17))[:, 0].tolist() == [-1, -1, 2, 2, 2, 2, 2, -1, -1]
    assert again.species.tolist() == ["O", "H", "H", "O", "H", "H", "Na"]
    assert again.done.all()
    assert again.done.shape == (3,)
    assert again.runs[12:14].tolist() == [0, 1]
    spectrum = again.spectrum
    assert spectrum is not None
    assert spectrum.species == ("O", "H")
    np.testing.assert_array_equal(spectrum.timescale[1], [10.0, 1.0, np.nan])
    assert {"lag": 4, "dt": None, "source": ["a.xtc"], "schema_version": 1}.items() <= again.attrs.items()


def test_xarray_opens_it_with_the_names_of_the_contract(tmp_path: Path) -> None:
    make(tmp_path / "e.zarr").set_spectrum(["O"], [[1, 2, 3]], [[1, 2, 3]])
    ds = xr.open_zarr(tmp_path / "e.zarr", consolidated=False)
    dims = {name: ds[name].dims for name in ds.variables}
    assert dims == {
        "embedding": ("frame", "atom", "feature"),
        "cluster": ("frame", "atom"),
        "time": ("frame",),
        "frame_number": ("frame",),
        "run": ("frame",),
        "atom_index": ("atom",),
        "species": ("atom",),
        "autocorrelation": ("species", "feature"),
        "timescale": ("species", "feature"),
        "species_names": ("species",),
        "done": ("unit",),
    }
    assert ds.embedding.dtype == np.float32
    assert ds.cluster.dtype == np.int16
    assert (ds.cluster == -1).all()


def test_float16_halves_it_and_refuses_what_does_not_fit(tmp_path: Path) -> None:
    store = make(tmp_path / "e.zarr", dtype="float16")
    values = np.random.default_rng(0).normal(size=(UNIT, ATOMS, FEATURES)).astype(np.float32)
    store.write(0, values, np.zeros(UNIT))
    assert zarr.open_array(tmp_path / "e.zarr/embedding", mode="r").dtype == np.float16
    assert store.embedding(0).dtype == np.float32
    np.testing.assert_allclose(store.embedding(slice(0, UNIT)), values, atol=2e-3)
    wanted = "frames 0-9: a value of 1e+06 does not fit float16; store float32 instead"
    with pytest.raises(StorageError, match=re.escape(wanted)):
        store.write(0, values * 0 + 1e6, np.zeros(UNIT))


@pytest.mark.parametrize(("atoms", "unit"), [(1, 7), (20_000, 4), (150_000, 2)])
def test_every_shape_goes_through_chunks_and_shards(tmp_path: Path, atoms: int, unit: int) -> None:
    names = np.full(atoms, "Cu")
    store = make(
        tmp_path / "e.zarr",
        n_frames=5,
        atom_index=np.arange(atoms),
        species_names=names,
        features=16,
        frame_numbers=np.arange(5),
        runs=np.zeros(5),
        unit_frames=unit,
    )
    values = np.random.default_rng(0).normal(size=(2, atoms, 16)).astype(np.float32)
    store.write(2, values, [1.0, 2.0])
    np.testing.assert_array_equal(store.embedding(slice(2, 4)), values)
    assert np.isnan(store.embedding(slice(0, 2))).all()


def test_several_systems_share_a_store(tmp_path: Path) -> None:
    path = tmp_path / "e.zarr"
    make(path, "melt")
    make(path, "crystal", n_frames=3, frame_numbers=np.arange(3), runs=np.zeros(3))
    assert Store.systems(path) == ["melt", "crystal"]
    assert Store.open(path, "crystal").n_frames == 3
    assert xr.open_zarr(path, group="melt", consolidated=False).sizes["frame"] == FRAMES
    with pytest.raises(InputError, match=r"no system ''; choose one of 'melt', 'crystal'"):
        Store.open(path)


def test_resume_goes_on_where_it_stopped(tmp_path: Path) -> None:
    store = make(tmp_path / "e.zarr")
    store.write(10, block(10, 10), np.zeros(10))
    store.mark_done(1)
    again = Store.open(tmp_path / "e.zarr", mode="r+")
    assert again.done.tolist() == [False, True, False]
    assert list(again.done_units()) == [slice(10, 20)]
    again.write(20, block(20, 5), np.zeros(5))
    again.mark_done(2)
    np.testing.assert_array_equal(store.embedding(slice(10, 25)), block(10, 15))


def test_refusals_say_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "e.zarr"
    with pytest.raises(MissingFileError, match=r"e\.zarr: no such folder; wanted the embedding\.zarr of a"):
        Store.open(path)
    path.mkdir()
    with pytest.raises(InputError, match="not a zarr group"):
        Store.open(path)
    store = make(path)
    with pytest.raises(StorageError, match="system '' is already there; resume it or choose another folder"):
        make(path)
    wanted = re.escape("frame 20 of e.zarr: shape per frame (2, 3), wanted (7, 3)")
    with pytest.raises(UsageError, match=wanted):
        store.write(20, np.zeros((5, 2, 3)), np.zeros(5))
    with pytest.raises(UsageError, match=re.escape("frames 20-29 of e.zarr: wanted 0 to 24")):
        store.write_clusters(20, np.zeros((10, ATOMS)))
    with pytest.raises(UsageError, match="system name 'a/b'"):
        make(tmp_path / "f.zarr", "a/b")
    zarr.open_group(path, mode="r+").attrs["schema_version"] = 99
    with pytest.raises(InputError, match="schema version 99, wanted 1; open it with the version"):
        Store.open(path)


def test_an_unfinished_layout_is_laid_out_again(tmp_path: Path) -> None:
    path = tmp_path / "e.zarr"
    make(path)
    group = zarr.open_group(path, mode="r+")
    del group.attrs["schema_version"]  # as if killed before the last step of create
    with pytest.raises(InputError, match="holds no finished system"):
        Store.open(path)
    assert not make(path).done.any()


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make(tmp_path / "e.zarr")

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("zarr.storage._local._put", full)
    wanted = "cannot write frames 0-9: the disk is full; make room or check permissions, then use --resume"
    with pytest.raises(StorageError, match=wanted):
        store.write(0, block(0, 10), np.zeros(10))


WRITER = """
import sys, numpy as np
from cgcnn_md.store import Store
store = Store.create(sys.argv[1], n_frames=4000, atom_index=np.arange(50), species_names=["Cu"] * 50,
                     features=3, frame_numbers=np.arange(4000), runs=np.zeros(4000), unit_frames=10)
for unit in range(store.n_units):
    frames = np.arange(unit * 10, unit * 10 + 10)
    values = frames[:, None, None] * 100 + np.arange(50)[:, None] * 10 + np.arange(3)
    store.write(unit * 10, values.astype(np.float32), frames * 0.5)
    store.write_clusters(unit * 10, np.full((10, 50), unit % 7))
    store.mark_done(unit)
    print(unit, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
@pytest.mark.parametrize(("units", "delay"), [(1, 0.003), (5, 0.011), (12, 0.017)])
def test_killed_it_opens_and_every_done_unit_is_right(tmp_path: Path, units: int, delay: float) -> None:
    path = tmp_path / "e.zarr"
    root = Path(__file__).parents[1]
    env = {**os.environ, "PYTHONPATH": str(root)}
    child = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, env=env)
    with child:
        assert child.stdout is not None
        assert [int(child.stdout.readline()) for _ in range(units)] == list(range(units))
        time.sleep(delay)
        child.kill()
    store = Store.open(path, mode="r+")
    done = list(store.done_units())
    assert units <= len(done) < store.n_units
    for frames in done:
        np.testing.assert_array_equal(store.embedding(frames), block(frames.start, 10, 50))
        np.testing.assert_array_equal(store.time[frames], np.arange(frames.start, frames.stop) * 0.5)
        assert (store.clusters(frames) == frames.start // 10 % 7).all()
    xr.open_zarr(path, consolidated=False).embedding[:10].load()
