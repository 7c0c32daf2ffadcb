"""Figures: what they say, that they are safe to draw from anything, and that pyplot is left alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.image import imread

from cgcnn_md.errors import StorageError, UsageError
from cgcnn_md.out_folder import OutFolder
from cgcnn_md.outcome_figures import has_figure
from cgcnn_md.plotting import (
    plot_chapman_kolmogorov,
    plot_coordination,
    plot_displacement,
    plot_gates,
    plot_map,
    plot_populations,
    plot_rdf,
    plot_residence,
    plot_spectrum,
    plot_training,
    save_figure,
)
from cgcnn_md.plotting.style import looks, names, percent


def clusters_of(**populations: list[float]) -> pd.DataFrame:
    rows = [(species, share) for species, shares in populations.items() for share in shares]
    table = pd.DataFrame(rows, columns=["species", "population"])
    return table.assign(cluster=np.arange(len(table)))


def points_of(clusters: pd.DataFrame, n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    parts = [
        pd.DataFrame({"x": rng.normal(size=n), "y": rng.normal(size=n), "cluster": c, "species": s, "method": "UMAP"})
        for c, s in zip(clusters.cluster, clusters.species)
    ]
    return pd.concat(parts, ignore_index=True)


def series_of(clusters: pd.DataFrame, runs: int = 1, frames: int = 10, system: str = "") -> pd.DataFrame:
    return pd.DataFrame(
        [
            (system, run, frame, frame * 2.0, species, cluster, share)
            for run in range(runs)
            for frame in range(frames)
            for cluster, species, share in zip(clusters.cluster, clusters.species, clusters.population)
        ],
        columns=["system", "run", "frame", "time_ps", "species", "cluster", "fraction"],
    )


def rdf_of(clusters: pd.DataFrame, neighbours: list[str], column: str = "g") -> pd.DataFrame:
    r = np.arange(0.025, 10, 0.05)
    parts = [
        pd.DataFrame(
            {
                "cluster": c,
                "species": s,
                "neighbour": n,
                "r": r,
                column: (1 + k) * np.exp(-((r - 3) ** 2)) + (r > 4),
            }
        )
        for c, s in zip(clusters.cluster, clusters.species)
        for k, n in enumerate(neighbours)
    ]
    return pd.concat(parts, ignore_index=True)


def counts_of(clusters: pd.DataFrame, neighbours: list[str], *, alike: bool = False) -> pd.DataFrame:
    rows = [
        (c, s, neighbour, n, share)
        for place, (c, s) in enumerate(zip(clusters.cluster, clusters.species))
        for neighbour in neighbours
        for n, share in ((2, 0.25), (4 if alike else 4 + place % 3, 0.75))
    ]
    return pd.DataFrame(rows, columns=["cluster", "species", "neighbour", "n", "share"])


SPECTRUM = pd.DataFrame(
    {
        "species": ["O"] * 4 + ["H"] * 4,
        "feature": [0, 1, 2, 3] * 2,
        "autocorrelation": [0.98, 0.9, 0.1, np.nan, 0.1, 0.05, -0.1, np.nan],
        "timescale_ps": [1234.0, 20.0, 1.0, np.nan, 1, np.nan, np.nan, np.nan],
    }
)

WATER = clusters_of(H=[1.0], O=[0.42, 0.5, 0.08])
MANY = clusters_of(Cu=list(np.linspace(0.1, 0.01, 25)))


def legend_of(ax: object) -> list[str]:
    legend = ax.get_legend()  # type: ignore[attr-defined]
    return [text.get_text() for text in legend.get_texts()]


def residence_of(clusters: pd.DataFrame) -> pd.DataFrame:
    """Exponential decay; limits that are not known, too."""
    table = clusters.rename(columns={"species": "group"})[["group", "cluster"]].merge(
        pd.DataFrame({"time_ps": [1.0, 2.0, 4.0]}), how="cross"
    )
    still = np.exp(-table["time_ps"] / 3)
    return table.assign(still=still, still_low=still - 0.1, still_high=np.nan, again=0.5, again_low=0.4, again_high=0.6)


def displacements_of(clusters: pd.DataFrame) -> pd.DataFrame:
    """Diffusion, and atoms that rest."""
    table = clusters[["cluster", "species"]].merge(pd.DataFrame({"lag_frames": [1, 2, 4]}), how="cross")
    msd = table["lag_frames"] * (table["cluster"] % 2).astype(float)
    return table.assign(time_ps=table["lag_frames"] * 2.0, msd=msd, msd_low=0.8 * msd, msd_high=np.nan)


def test_the_map_has_a_panel_per_species_and_tells_populations() -> None:
    ax = plot_map(points_of(WATER), WATER)
    panels = ax.figure.axes
    assert [p.get_title(loc="left") for p in panels] == ["H: one environment", "O: 3 environments"]
    assert legend_of(panels[1]) == ["O 1: 42 %", "O 2: 50 %", "O 3: 8.0 %"]
    assert panels[0].get_xlabel() == "UMAP 1"
    assert all(c.get_rasterized() for p in panels for c in p.collections if isinstance(c, PathCollection))


def test_where_groups_share_a_panel_each_has_its_share_of_the_panel() -> None:
    """Of ten oxygens four are of one group; half of these, so a fifth of all, are in its first cluster."""
    grouped = pd.DataFrame({
        "cluster": [1, 2, 3], "species": ["O"] * 3, "group": ["a", "a", "b"], "population": [0.5, 0.4, 1.0],
        "n_atom_frames": [200, 160, 600],
    })  # fmt: skip
    assert list(names(grouped).values()) == ["O 1: 20 % of O", "O 2: 16 % of O", "O 3: 60 % of O"]


def test_unassigned_points_are_grey_and_named() -> None:
    points = points_of(WATER).assign(cluster=lambda t: t.cluster.where(t.index % 5 > 0, -1))
    ax = plot_map(points, WATER, species="O")
    assert legend_of(ax)[-1] == "between clusters"
    assert len(ax.collections[0].get_offsets()) == (points[points.species == "O"].cluster == -1).sum()


def test_a_figure_is_cut_nowhere(tmp_path: Path) -> None:
    many = clusters_of(CH4=[0.57, 0.38, 0.015, 0.014], type1=[0.51, 0.46])
    between = points_of(many.assign(cluster=-1))
    figure = plot_map(pd.concat([points_of(many), between], ignore_index=True), many).figure
    empty = plot_map(
        points_of(WATER)[:0], WATER, species="O bonded to 2 C like atom 4, of which nothing at all is known"
    )
    for n, drawn in enumerate((figure, empty)):
        image = imread(save_figure(drawn, tmp_path / f"{n}.png"))[..., :3]
        assert image.min() < 0.5
        assert min(edge.min() for edge in (image[0], image[-1], image[:, 0], image[:, -1])) == 1.0


def test_a_map_without_a_species_column_is_sorted_by_cluster() -> None:
    points = points_of(WATER)[["x", "y", "cluster"]]
    assert len(plot_map(points, WATER).figure.axes) == 2


@pytest.mark.parametrize(
    "clusters", [WATER, MANY, clusters_of(Ar=[1.0]), clusters_of()], ids=["water", "many", "one", "none"]
)
def test_everything_draws_with_any_number_of_clusters(tmp_path: Path, clusters: pd.DataFrame) -> None:
    empty = clusters.empty
    points = points_of(clusters) if not empty else points_of(WATER)[:0]
    series = series_of(clusters)
    rdf = rdf_of(clusters, ["H", "O"]) if not empty else rdf_of(WATER, ["H"])[:0]
    axes = [
        plot_map(points, clusters),
        plot_populations(series, clusters),
        plot_coordination(counts_of(clusters, ["H", "O"]), clusters),
        plot_rdf(rdf, clusters),
        plot_spectrum(SPECTRUM if not empty else SPECTRUM[:0]),
        plot_training(pd.DataFrame({"epoch": [], "train": [], "validation": []})),
        plot_residence(residence_of(clusters), clusters),
        plot_displacement(displacements_of(clusters), clusters),
    ]
    for number, ax in enumerate(axes):
        assert save_figure(ax, tmp_path / "figures" / f"{number}.png", dpi=40).stat().st_size > 1000


def test_looks_are_distinct_and_independent_of_the_figure() -> None:
    style = looks(MANY)
    assert len({(x.colour, x.line, x.marker) for x in style.values()}) > 20
    assert len({x.colour for x in list(style.values())[:21]}) == 21
    several = clusters_of(A=[0.5] * 4, B=[0.5] * 4, C=[0.5] * 4)
    assert looks(several)[0] == looks(several)[4] == looks(several)[8]
    assert looks(WATER)[0] != looks(WATER)[1]


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.42, "42 %"),
        (0.0314, "3.1 %"),
        (0.00001, "< 0.1 %"),
        (0, "0 %"),
        (1, "100 %"),
        (np.nan, "?"),
        (0.0996, "10 %"),
    ],
)
def test_shares_are_short(share: float, text: str) -> None:
    assert percent(share) == text


def test_times_that_do_not_grow_are_frames() -> None:
    series = series_of(WATER, runs=2)
    assert "time (ps)" in plot_populations(series, WATER).get_xlabel()
    ax = plot_populations(series.assign(time_ps=0.0), WATER)
    assert ax.get_xlabel() == "frame, runs end to end"
    assert ax.get_xlim()[1] > 10


def test_each_system_has_its_own_shares() -> None:
    poor = series_of(WATER, system="poor").assign(fraction=lambda t: np.where(t["cluster"] == 1, 0.1, t["fraction"]))
    series = pd.concat([series_of(WATER, system="rich"), poor])
    rich, other = plot_populations(series, WATER, species="O").figure.axes[:2]
    first, second = ([text.get_text() for text in ax.get_legend().get_texts()] for ax in (rich, other))
    assert "O 1: 42 %" in first
    assert "O 1: 10 %" in second


def test_neighbours_that_tell_are_chosen_as_far_as_all_clusters_reach() -> None:
    rdf = rdf_of(WATER, ["A", "B", "C", "D"])
    rdf["g"] *= 1 + 5 * (rdf["neighbour"] == "D")
    short = WATER.loc[WATER["species"] == "O", "cluster"].min()
    rdf = rdf[(rdf["cluster"] != short) | (rdf["r"] < 8)]
    figure = plot_rdf(rdf, WATER, species="O").figure
    assert any(ax.get_title(loc="left") == "D around O" for ax in figure.axes)


def test_the_spectrum_marks_what_was_kept_and_says_how_slow() -> None:
    ax = plot_spectrum(SPECTRUM, {"O": 2, "H": 0}, lag=4.0)
    first, second = ax.figure.axes
    assert first.get_title(loc="left") == "O: 2 slow coordinates"
    assert second.get_title(loc="left") == "H: no slow coordinates"
    assert [t.get_text() for t in first.texts] == ["1234 ps", "20 ps"]
    assert first.get_ylabel() == "autocorrelation after 4 ps"
    assert len({bar.get_facecolor() for bar in first.patches}) == 2


def test_the_spectrum_has_no_times_where_pairs_were_not_made_by_time() -> None:
    ax = plot_spectrum(SPECTRUM, {"O": 2, "H": 0}, lag=4.0, species="O", timed=False)
    assert ax.get_ylabel() == "correlation of a pair"
    assert not ax.texts
    unknown = plot_spectrum(SPECTRUM.assign(timescale_ps=np.nan), {"O": 2, "H": 0}, species="O")
    assert not unknown.texts
    long = plot_spectrum(SPECTRUM.assign(timescale_ps=123456.0), {"O": 1, "H": 0}, species="O")
    assert [t.get_text() for t in long.texts] == ["123 ns"]


def test_the_spectrum_marks_what_shuffled_pairs_keep() -> None:
    shuffled = pd.DataFrame(
        {
            "species": "O", "group": "O", "feature": [0, 1, 2], "shuffled_time": [0.9, 0.2, 0.0],
            "shuffled_atoms": [0.0, 0.1, np.nan], "chance": [0.1, 0.05, 0.02],
        }
    )  # fmt: skip
    first, second = plot_spectrum(SPECTRUM, {"O": 2, "H": 0}, shuffled=shuffled).figure.axes
    assert legend_of(first) == ["shuffled time", "shuffled atoms", "chance"]
    time, atoms = (line.get_ydata() for line in first.lines if str(line.get_label()).startswith("shuffled"))
    np.testing.assert_array_equal(time, shuffled.shuffled_time)
    np.testing.assert_array_equal(atoms, shuffled.shuffled_atoms)
    assert second.get_legend() is None  # nothing is known of H
    grouped = plot_spectrum(SPECTRUM, shuffled=shuffled.assign(group="O:a"), species="O")
    assert grouped.get_legend() is None  # nor of O as a whole


def test_runs_follow_each_other_and_the_rest_is_not_assigned() -> None:
    series = series_of(WATER, runs=3).assign(fraction=lambda t: t.fraction * 0.9)
    ax = plot_populations(series, WATER, species="O")
    assert ax.get_xlabel() == "time (ps), runs end to end"
    assert ax.get_xlim() == (0, 58)
    assert legend_of(ax) == ["between clusters", "O 3: 8.0 %", "O 2: 50 %", "O 1: 42 %"]


def test_unknown_times_are_counted_in_frames_and_one_frame_is_a_band() -> None:
    series = series_of(WATER, frames=1).assign(time_ps=np.nan)
    ax = plot_populations(series, WATER)
    assert len(ax.figure.axes) == 1  # hydrogen has one cluster only
    assert len(plot_populations(series[series.species == "H"], WATER).figure.axes) == 1
    assert ax.get_xlabel() == "frame"
    assert np.ptp(ax.get_xlim()) > 0


def test_systems_have_panels_of_their_own() -> None:
    series = pd.concat([series_of(MANY, system=name) for name in ("melt", "crystal")])
    titles = [p.get_title(loc="left") for p in plot_populations(series, MANY).figure.axes]
    assert titles == ["Cu, melt", "Cu, crystal"]
    assert len(legend_of(plot_populations(series, MANY))) == 12


def test_rdf_names_its_axis_by_what_it_is() -> None:
    assert plot_rdf(rdf_of(WATER, ["H"]), WATER).get_ylabel() == "$g(r)$ of H"
    bare = plot_rdf(rdf_of(WATER, ["H"], "density_per_A3"), WATER)
    assert bare.get_ylabel() == "density of H (Å$^{-3}$)"
    assert bare.get_xlabel() == "$r$ (Å)"


def test_rdf_shows_few_neighbours_and_cuts_bonds() -> None:
    rdf = rdf_of(WATER, ["A", "B", "C", "D"])
    figure = plot_rdf(rdf, WATER).figure
    assert [p.get_title(loc="left") for p in figure.axes[:3]] == ["B around H", "C around H", "D around H"]
    rdf.loc[rdf.r.between(0.9, 1.0), "g"] = 60
    ax = plot_rdf(rdf, WATER, species="O", neighbour="A")
    assert ax.get_ylim()[1] < 10
    assert re.match(r"peak at 0\.\d+ Å reaches 60", ax.texts[0].get_text())


def gates_of(centres: list[str], neighbours: list[str]) -> pd.DataFrame:
    rows = [
        (a, b, r, 1.0 / r, 0.5 / r, edges)
        for a in centres
        for b in neighbours
        for r, edges in ((2.0, 9), (3.0, 10), (4.0, 99))
    ]
    return pd.DataFrame(rows, columns=["species", "neighbour", "r", "importance", "weight", "edges"])


def test_gates_have_a_panel_per_centre_and_a_line_per_neighbour() -> None:
    ax = plot_gates(gates_of(["Cl", "Na"], ["Cl", "Na"]))
    assert [p.get_title(loc="left") for p in ax.figure.axes] == ["around Cl", "around Na"]
    assert legend_of(ax) == ["weight by distance", "Cl", "Na"]
    assert ax.get_lines()[1].get_xdata().tolist() == [3.0, 4.0]  # nine edges are too few for a mean
    assert ax.get_lines()[0].get_ydata().max() == pytest.approx(1 / 6 * 1 / 3)
    many = [f"X{n}" for n in range(20)]
    assert len({line.get_color() for line in plot_gates(gates_of(["A"], many)).get_lines()}) == 8
    assert len(plot_gates(gates_of([], [])).texts) == 1


def test_coordination_shows_the_neighbours_that_differ() -> None:
    other = counts_of(WATER, ["molecules of A"]).assign(n=lambda t: t.n - 2)
    table = pd.concat([counts_of(WATER, ["O", "molecules of O"]), other, counts_of(WATER, ["H"], alike=True)])
    panels = {p.get_title(loc="left"): p for p in plot_coordination(table, WATER).figure.axes}
    assert [title for title in panels if title.endswith("O")] == ["O around O", "molecules of A around O"]
    assert "O around H" in panels  # of one cluster, so nothing differs
    ax = panels["O around O"]
    assert ax.get_legend() is None
    assert legend_of(panels["molecules of A around O"]) == ["O 1: 42 %", "O 2: 50 %", "O 3: 8.0 %"]
    bars = {round(bar.get_x() + bar.get_width() / 2, 1): bar.get_height() for bar in ax.patches if bar.get_height()}
    assert sum(bars.values()) == pytest.approx(3)
    assert ax.get_xticks().tolist() == [2, 3, 4, 5, 6]
    alone = plot_coordination(table, WATER, species="O", neighbour="H")
    low = plot_coordination(table.assign(share=table.share / 4), WATER, species="O", neighbour="O").yaxis
    assert [round(float(low.get_major_formatter()(t).removesuffix(" %")) / 100, 9) for t in low.get_ticklocs()] == (
        pytest.approx(low.get_ticklocs().tolist())
    )
    assert alone.get_title(loc="left") == "H around O"
    nothing = plot_coordination(counts_of(WATER, ["H"], alike=True), WATER, species="O")
    assert [text.get_text() for text in nothing.texts] == ["no number of neighbours differs between clusters"]


def test_training_marks_the_kept_epoch() -> None:
    table = pd.DataFrame({"epoch": [1, 2, 3], "train": [1.0, 2, 3], "validation": [1.0, 1.5, 1.2]})
    assert legend_of(plot_training(table)) == ["training frames", "held-out frames", "kept: epoch 2, 1.5"]
    without = plot_training(table.assign(validation=np.nan))
    assert legend_of(without) == ["training frames"]


def test_only_groups_with_a_test_are_drawn(tmp_path: Path) -> None:
    one = {end: [[[0.5, 0.5], [0.5, 0.5]]] for end in ("value", "low", "high")}
    tested = {
        "active_clusters": [1, 2], "lag_frames": 1, "transition_matrix": {end: v[0] for end, v in one.items()},
        "chapman_kolmogorov": {
            "holds": True, "largest_deviation": 0.0, "lag_frames": [2], "predicted": one, "counted": one,
        },
    }  # fmt: skip
    untested = {"active_clusters": [1, 2], "lag_frames": 1}
    drawn = plot_chapman_kolmogorov({"groups": {"H": untested, "O": tested}}, WATER)
    assert [panel.get_title(loc="left") for panel in drawn.figure.axes] == ["O: holds"]
    bare = plot_chapman_kolmogorov({"groups": {"H": untested}}, WATER)
    assert [text.get_text() for text in bare.texts] == ["no longer lag could be counted"]
    folder = cast(OutFolder, SimpleNamespace(path=tmp_path))
    assert not has_figure(folder, "chapman_kolmogorov")  # nor is there a table
    (tmp_path / "kinetics_rates.csv").touch()
    for groups, there in (({"O": tested, "H": untested}, True), ({"H": untested}, False), ({}, False)):
        (tmp_path / "kinetics.json").write_text(json.dumps({"groups": groups}))
        assert has_figure(folder, "chapman_kolmogorov") is there


def test_an_axes_or_a_figure_can_be_given() -> None:
    figure = Figure()
    assert plot_map(points_of(WATER), WATER, figure.subfigures(1, 2)[0]).figure is not figure
    ax = Figure().subplots()
    assert plot_map(points_of(WATER), WATER, ax, species="O") is ax
    with pytest.raises(UsageError, match=re.escape("one Axes for 2 panels (H, O): choose one or pass a Figure")):
        plot_map(points_of(WATER), WATER, ax)


def test_saving_is_the_same_bytes_and_fails_in_one_line(tmp_path: Path) -> None:
    first, second = (save_figure(plot_map(points_of(WATER), WATER), tmp_path / f"{n}.png") for n in "ab")
    assert first.read_bytes() == second.read_bytes()
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot write the figure"):
        save_figure(plot_training(pd.DataFrame({"epoch": [1], "train": [1.0]})), tmp_path / "file" / "x.png")


def test_pyplot_and_torch_stay_out() -> None:
    code = (
        "import sys, cgcnn_md.plotting, cgcnn_md.results, cgcnn_md.report, cgcnn_md.analysis.project,"
        "cgcnn_md.analysis.structure, cgcnn_md.analysis.populations\n"
        "assert not {'torch', 'matplotlib.pyplot', 'umap', 'sklearn', 'MDAnalysis'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])
