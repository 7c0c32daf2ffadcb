"""Runs are found by number or name, and never all of them held out."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from cgcnn_md.errors import UsageError
from cgcnn_md.readers.runs import choose_runs, run_titles


def system(name: str, *paths: str, skipped: int | None = None) -> SimpleNamespace:
    runs = [run for run in range(len(paths)) if run != skipped]
    return SimpleNamespace(name=name, run_names=paths, runs=np.repeat(runs, 5))


COLD = system("cold", "md/cold1.xtc", "md/cold2.xtc", "md/cold3.xtc")
HOT = system("hot", "md/hot.xtc")


@pytest.mark.parametrize(
    ("wanted", "runs"),
    [
        (["2"], [{1}, set()]), (["cold3"], [{2}, set()]), (["cold3.xtc", "1"], [{0, 2}, {0}]),
        (["md/hot.xtc"], [set(), {0}]),
    ],
)  # fmt: skip
def test_a_run_has_a_number_in_its_system_and_a_name(wanted: list[str], runs: list[set[int]]) -> None:
    assert choose_runs([COLD, HOT], wanted) == runs  # type: ignore[list-item]


def test_titles_name_number_file_and_system() -> None:
    chosen = choose_runs([COLD, HOT], ["2", "hot"])  # type: ignore[list-item]
    assert run_titles([COLD, HOT], chosen) == ["cold run 2 (cold2.xtc)", "hot run 1 (hot.xtc)"]  # type: ignore[list-item]
    assert run_titles([COLD], choose_runs([COLD], ["3"])) == ["run 3 (cold3.xtc)"]  # type: ignore[list-item]


@pytest.mark.parametrize("wanted", ["4", "0", "-1", "cold", "hot2.xtc"])
def test_refuses_what_is_no_run(wanted: str) -> None:
    with pytest.raises(UsageError, match=rf"validate_run {wanted}: no such run; choose among 1 \(cold1\.xtc\), 2 "):
        choose_runs([COLD], [wanted])  # type: ignore[list-item]


def test_a_run_of_which_no_frame_is_read_is_none() -> None:
    with pytest.raises(UsageError, match=r"choose among 1 \(a\.xtc\), 3 \(c\.xtc\)"):
        choose_runs([system("", "a.xtc", "b.xtc", "c.xtc", skipped=1)], ["2"])  # type: ignore[list-item]


def test_refuses_to_train_on_nothing() -> None:
    with pytest.raises(UsageError, match="validate_run 1, 2, 3: all runs are held out; leave one or more to train on"):
        choose_runs([COLD], ["1", "2", "3"])  # type: ignore[list-item]
