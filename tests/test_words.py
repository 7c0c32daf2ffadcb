"""Numbers and times in words."""

from __future__ import annotations

import pytest

from cgcnn_md.words import duration, listed, rounded


@pytest.mark.parametrize(
    ("ps", "words"),
    [(0.012345, "0.0123 ps"), (5.5, "5.5 ps"), (999.4, "999 ps"), (999.6, "1000 ps"), (1130.4, "1130 ps"),
     (12_345, "12.3 ns"), (2.5e6, "2500 ns")],
)  # fmt: skip
def test_times_are_plain_numbers(ps: float, words: str) -> None:
    assert duration(ps) == words


def test_digits_are_those_asked_for() -> None:
    assert [rounded(x, 2) for x in (0.123, 9.96, 83.2, 99.6, 120.4)] == ["0.12", "10", "83", "100", "120"]


def test_lists_end_with_and() -> None:
    assert [listed(["O"]), listed(["H", "O"]), listed(["C", "H", "O"])] == ["O", "H and O", "C, H and O"]
