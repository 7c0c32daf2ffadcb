"""The page: complete, self-contained, safe."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from cgcnn_md.errors import MissingFileError, StorageError
from cgcnn_md.plotting import save_figure
from cgcnn_md.report import write_report

CLUSTERS = pd.DataFrame(
    {
        "cluster": [0, 1, 2],
        "species": ["O", "O", "<b>"],
        "population": [0.62, 0.38, 1.0],
        "population_low": [0.55, 0.31, np.nan],
        "population_high": [0.69, 0.45, np.nan],
        "lifetime_ps": [12.34, np.inf, np.nan],
        "n_atom_frames": [12345, 7, 8],
        "longest_stay_ps": [40.0, 80.0, np.nan],
        "coordination_H": [1.999, np.nan, 0.0],
    }
)


class Page(HTMLParser):
    """Collect tags, attributes and cells, and check that what opens closes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img"}:
            self.open.append(tag)
        if tag in {"td", "figcaption", "p"}:
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "figcaption", "p"} & set(self.open):
            self.cells[-1] += data


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return save_figure(Figure(figsize=(1, 1)), tmp_path / "map.png", dpi=20)


def test_the_page_holds_everything_and_needs_nothing(tmp_path: Path, picture: Path) -> None:
    place = write_report(
        tmp_path,
        summary=["Two environments of O."],
        clusters=CLUSTERS,
        figures=[(picture, "The map.")],
        provenance={
            "inputs": {"a": [{"name": "a.xtc"}, {"name": "a.pdb"}]},
            "version": "0.1",
            "config": {"model": {"k": 20}},
        },
    )
    assert place == tmp_path / "report.html"
    text = place.read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    sources = [attrs.get("src") or attrs.get("href") for _, attrs in page.tags]
    assert [s[:22] for s in sources if s] == ["data:image/png;base64,"]
    assert "script" not in {tag for tag, _ in page.tags}
    assert "link" not in {tag for tag, _ in page.tags}
    assert "http" not in text
    for wanted in (
        "Two environments of O.",
        "The map.",
        "a.xtc, a.pdb",
        "62 % (55 to 69)",
        "12.3 ps",
        "2.00",
    ):
        assert wanted in page.cells
    assert "at least 80 ps" in page.cells
    (note,) = (cell for cell in page.cells if "a dash" in cell)
    assert note.endswith("a dash where there is no clear first shell, or most of it is not in direct contact.")
    assert '"k": 20' in " ".join(page.cells)


def test_all_input_is_escaped(tmp_path: Path, picture: Path) -> None:
    evil = '"><script>alert(1)</script>'
    place = write_report(
        tmp_path,
        summary=[evil],
        clusters=CLUSTERS.assign(species=evil).rename(columns={"coordination_H": f"coordination_{evil}"}),
        figures=[(picture, evil)],
        provenance={evil: evil, "inputs": {evil: [{"name": evil}]}, "list": [evil], "dict": {evil: evil}},
        title=evil,
    )
    tags = [tag for tag, _ in Page(place.read_text(encoding="utf-8")).tags]
    assert "script" not in tags


def test_sentences_stand_under_whom_they_are_about(tmp_path: Path) -> None:
    said = [
        "O: 2 environments.", "O cluster 0: half.", "O in hot: exchange.", "O of PEO: one environment only.",
        "O clusters differ.", "Pairs were made in space.", "Caution: O: few.",
    ]  # fmt: skip
    clusters = CLUSTERS.assign(species="O", group=["O", "O of PEO", "O"][: len(CLUSTERS)])
    place = write_report(tmp_path, summary=said, clusters=clusters, figures=[], provenance={})
    text = place.read_text(encoding="utf-8")
    section = text[text.index("<section") : text.index("</section>")]
    assert section.split(">", 1)[1] == (
        "<p><strong>O</strong>: 2 environments.</p><ul><li>cluster 0: half.</li><li>in hot: exchange.</li>"
        "<li>clusters differ.</li></ul>"
        "<p><strong>O of PEO</strong>: one environment only.</p><p>Pairs were made in space.</p>"
        "<p><strong>Cautions</strong></p><ul><li>O: few.</li></ul>"
    )


def test_a_run_without_clusters_or_figures_has_a_page(tmp_path: Path) -> None:
    page = write_report(tmp_path / "new", summary=[], clusters=CLUSTERS[:0], figures=[], provenance={})
    assert "No clusters were sought." in page.read_text(encoding="utf-8")


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"map\.png: no such figure; draw it before the report"):
        write_report(tmp_path, summary=[], clusters=CLUSTERS, figures=[(tmp_path / "map.png", "")], provenance={})
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot write the report"):
        write_report(tmp_path / "file", summary=[], clusters=CLUSTERS, figures=[], provenance={})
