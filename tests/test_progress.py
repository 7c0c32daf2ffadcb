from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cgcnn_md.progress import Plain, Progress, Silent, Task


def test_plain_shows_the_last_line_of_a_task(capsys: pytest.CaptureFixture[str]) -> None:
    progress: Progress = Plain(interval=1e9)
    progress.say("reading")
    progress.start("train", 4)
    for _ in range(4):
        progress.advance(loss=-1.5)
    progress.finish()
    progress.finish()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["reading", "train 4/4, loss -1.5, in 0 s"]


def test_plain_without_interval_shows_each_step_and_a_new_task_ends_the_old(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = Plain(interval=0)
    progress.start("train", 3)
    progress.advance()
    progress.start("embed", 2)
    progress.finish()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == ["train 1/3", "train 1/3", "embed 0/2"]


def test_advance_without_a_task_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Plain()
    progress.advance()
    progress.finish()
    assert capsys.readouterr() == ("", "")


def test_silent_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    progress: Progress = Silent()
    progress.say("a")
    progress.start("b", 1)
    progress.advance(loss=1.0)
    progress.finish()
    assert capsys.readouterr() == ("", "")


def test_task_counts_atoms_into_a_rate_and_keeps_the_newest_values() -> None:
    task = Task("train", 10)
    task.started -= 2.0
    task.advance(1, {"loss": 3.0, "atoms": 1e6})
    task.advance(1, {"loss": 2.0, "validation": 1.25})
    assert task.values().startswith("loss 2, validation 1.25, ")
    assert task.values().endswith("k atoms/s")
    assert task.atoms / task.seconds == pytest.approx(5e5, rel=0.1)
    assert task.seconds_left == pytest.approx(8.0, rel=0.1)
    assert "8 s left" in task.summary(ended=False)


LOG = """
import locale, sys
from pathlib import Path
from cgcnn_md.progress import Logged, Silent
Logged(Silent(), Path(sys.argv[1])).say("cutoff 5 \\u00c5")
print(locale.getpreferredencoding(False))
"""


def test_the_log_holds_what_the_encoding_of_the_locale_does_not(tmp_path: Path) -> None:
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-W", "ignore", "-c", LOG, str(tmp_path / "log.txt")]
    done = subprocess.run(command, env=plain, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "log.txt").read_text(encoding="utf-8").endswith(" cutoff 5 Å\n")
