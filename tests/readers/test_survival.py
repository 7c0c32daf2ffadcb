"""Files that are cut off or damaged: said, never crashed on, never silently shortened."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import cgcnn_md
from cgcnn_md.errors import BadFrameError, CgcnnMdWarning, InputError
from cgcnn_md.readers import describe, open_trajectory

from .files import water, write_gro, write_trajectory, write_xtc


@pytest.fixture(scope="module")
def gro(tmp_path_factory):
    return write_gro(tmp_path_factory.mktemp("survival") / "topol.gro")


def starts(path):
    from MDAnalysis.lib.formats.libmdaxdr import XTCFile

    with XTCFile(str(path)) as file:
        return [int(offset) for offset in file.offsets]


@pytest.fixture
def damaged(tmp_path):
    """XTC whose frame 4 kills the decoding process."""
    path = write_xtc(tmp_path / "damaged.xtc")
    data, first = bytearray(path.read_bytes()), starts(path)[4]
    data[first + 84 : first + 88] = bytes(4)  # smallidx 0: division by zero in the decompression
    path.write_bytes(bytes(data))
    return path


def test_truncated_trajectory(tmp_path, gro):
    path = write_xtc(tmp_path / "cut.xtc")
    path.write_bytes(path.read_bytes()[:-100])
    message = r"^frame 7 of .*cut\.xtc cannot be decoded \(.*\); repair the file or pass --on-bad-frame skip$"
    with pytest.raises(BadFrameError, match=message):
        open_trajectory(path, gro)
    with open_trajectory(path, gro, on_bad_frame="skip") as reader:
        facts = describe(reader, scan=True)
        assert (facts["frames"], facts["first_bad_frame"], reader.dt) == (8, 7, 2.0)
        with pytest.warns(CgcnnMdWarning, match="skipped: frame 7 of"):
            assert [frame.number for frame in reader] == list(range(7))
    with open_trajectory(path, gro, stop=7) as reader:
        assert len(list(reader)) == 7


def test_frame_that_kills_the_decoder(damaged, gro):
    with open_trajectory(damaged, gro, select="name OW") as reader:
        expected = reader[3].positions
        seen = []
        with pytest.raises(BadFrameError, match=r"^frame 4 of .*damaged\.xtc cannot be decoded \("):
            seen.extend(frame.number for frame in reader)
        assert seen == [0, 1, 2, 3]
        assert list(reader.bad_frames) == [4]
        assert [frame.number for frame in reader.frames([7, 5, 6])] == [7, 5, 6]  # in a new process
        np.testing.assert_array_equal(reader[3].positions, expected)
        facts = describe(reader, scan=True)
        assert (facts["first_bad_frame"], len(facts["bad_frames"])) == (4, 1)


def test_coordinates_that_are_no_numbers(tmp_path, gro):
    frames = np.array([water(i) for i in range(3)])
    frames[1, 8] = np.nan, 1.2, 3.4
    path = write_trajectory(tmp_path / "nan.trr", frames, [20.0, 20.0, 20.0, 90.0, 90.0, 90.0])
    with open_trajectory(path, gro) as reader:
        message = r"^frame 1 of .*nan\.trr: atom 8 is at \(nan, 1\.2, 3\.4\) Å; repair the file or pass --on"
        with pytest.raises(BadFrameError, match=message):
            list(reader)


def test_box_of_no_volume(tmp_path):
    path = tmp_path / "flat.extxyz"
    box = '1\nLattice="{}" Properties=species:S:1:pos:R:3\nAr 0 0 0\n'
    path.write_text(box.format("9 0 0 0 9 0 0 0 9") + box.format("9 0 0 9 0 0 0 0 9") + box.format("9 0 0 0 9 0 0 0 9"))
    with (
        open_trajectory(path) as reader,
        pytest.raises(BadFrameError, match=r"frame 1 of .* do not span a box"),
    ):
        list(reader)


ARGON = "1\n{}Properties=species:S:1:pos:R:3\nAr 0 0 0\n"
BOX = 'Lattice="9 0 0 0 9 0 0 0 9" '


@pytest.mark.parametrize(
    ("frames", "settings", "bad", "message"),
    [
        ([BOX, "", BOX], {}, [1], "frame 1 of .*a.extxyz: there is no periodic box, and frame 0 has one; repair"),
        ([BOX, BOX + 'pbc="F F F" ', BOX], {"pbc": "xy"}, [1], "there is no periodic box, and frame 0 has one"),
        ([BOX + 'pbc="F F F" ', BOX, BOX], {}, [1, 2], "there is a periodic box, and frame 0 has none; .* --start"),
        ([BOX, BOX + 'pbc="T T F" ', BOX], {}, [1], "the box is periodic in x, y, and that of frame 0 in x, y, z;"),
        ([BOX, BOX + 'pbc="T T F" ', BOX], {"pbc": "xy"}, [], ""),
        ([BOX, "", BOX], {"pbc": "none"}, [], ""),
    ],
)
def test_frames_that_are_periodic_in_other_directions(tmp_path, frames, settings, bad, message):
    path = tmp_path / "a.extxyz"
    path.write_text("".join(ARGON.format(box) for box in frames))
    with open_trajectory(path, on_bad_frame="skip", **settings) as reader:
        describe(reader, scan=True)
        assert sorted(reader.bad_frames) == bad
        assert all(re.search(message, text) for text in reader.bad_frames.values())


def test_runs_that_are_periodic_in_other_directions(tmp_path):
    paths = [tmp_path / "a.extxyz", tmp_path / "b.extxyz"]
    for path, box in zip(paths, [BOX, BOX + 'pbc="T F F" '], strict=True):
        path.write_text(ARGON.format(box) * 2)
    message = r"frame 1 of .*b\.extxyz: the box is periodic in x, and that of frame 0 of .*a\.extxyz in x, y, z;"
    with pytest.raises(BadFrameError, match=message):
        open_trajectory(paths)


def test_atoms_that_change(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text("1\n\nAr 0 0 0\n" + "2\n\nAr 0 0 0\nAr 1 1 1\n" + "1\n\nAr 0 0 0\n")
    with (
        open_trajectory(path) as reader,
        pytest.raises(BadFrameError, match=r"frame 1 of .*its 2 atoms are not the 1 of"),
    ):
        list(reader)


def test_truncated_dcd_says_so(tmp_path, gro):
    path = write_trajectory(
        tmp_path / "cut.dcd", np.array([water(i) for i in range(4)]), [20.0, 20.0, 20.0, 90, 90, 90]
    )
    path.write_bytes(path.read_bytes()[:-100])
    with open_trajectory(path, gro) as reader:
        assert len(reader) == 3
        assert "cut.dcd ends in an incomplete frame, which is left out" in reader.notes


def test_file_that_is_not_what_its_name_says(tmp_path, gro):
    (tmp_path / "fake.xtc").write_text("hello\n" * 50)
    with pytest.raises(InputError, match=r"fake\.xtc: cannot be read as XTC: .*; check or convert the file"):
        open_trajectory(tmp_path / "fake.xtc", gro)


def test_killed_decoder_is_no_bad_frame(tmp_path, gro):
    with open_trajectory(write_xtc(tmp_path / "a.xtc"), gro) as reader:
        os.kill(reader._decoder._worker._child._process.pid, signal.SIGKILL)
        with pytest.raises(InputError, match=r"was killed .*SIGKILL"):
            list(reader)
        assert reader.bad_frames == {}
        assert reader[2].number == 2  # started again


def test_no_process_is_left(tmp_path, gro):
    reader = open_trajectory(write_xtc(tmp_path / "a.xtc"), gro)
    process = reader._decoder._worker._child._process
    frames = reader.frames(range(8))
    next(frames)
    reader.close()
    reader.close()
    assert process.poll() is not None
    frames.close()


def test_two_threads_read_at_once(tmp_path, gro):
    with open_trajectory(write_xtc(tmp_path / "a.xtc"), gro) as reader:
        seen = {}

        def read(key, order):
            seen[key] = [frame.number for frame in reader.frames(order)]

        orders = {0: list(range(8)) * 5, 1: list(range(7, -1, -1)) * 5}
        threads = [threading.Thread(target=read, args=item) for item in orders.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == orders


def test_script_without_main_guard_beside_a_module_called_random(tmp_path, gro):
    xtc = write_xtc(tmp_path / "a.xtc")
    (tmp_path / "random.py").write_text("raise SystemExit('wrong random')\n")
    script = tmp_path / "script.py"
    work = f"print(len(list(open_trajectory({str(xtc)!r}, {str(gro)!r}))))"
    script.write_text(f"from cgcnn_md.readers import open_trajectory\n{work}\n")
    environment = {**os.environ, "PYTHONPATH": str(Path(cgcnn_md.__file__).parents[1])}
    run = subprocess.run(
        [sys.executable, "-P", "-W", "error", str(script)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert (run.returncode, run.stdout.strip(), run.stderr) == (0, "8", "")
