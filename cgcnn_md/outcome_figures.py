"""From the tables of an output folder to its map, figures and report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from cgcnn_md.config import in_time, reword
from cgcnn_md.errors import StorageError, UsageError
from cgcnn_md.kinetic_map import read_maps
from cgcnn_md.out_folder import OutFolder
from cgcnn_md.progress import Progress
from cgcnn_md.results import COORDINATION, DISPLACEMENTS, GATES, KINETICS, MAP, RATES, RDF, RESIDENCE, TRAINING

_KINETIC = {
    "timescales": "Relaxation times of the Markov model against its lag, with 95 % intervals; they should be level "
    "from the chosen lag (dashed) on. In the shade they are shorter than the lag, and cannot be told.",
    "chapman_kolmogorov": "Probability to be in the same cluster later: predicted by the model (lines) and counted "
    "(points), with 95 % intervals.",
    "network": "Clusters by their stationary share in the Markov model, among atoms in these clusters only; it differs "
    "from the population where a run drifts. Arrows are rates between them: an arrow's time is one over its rate.",
    "lifetimes": "Mean stay in each cluster, as counted from frame to frame and by the model, with 95 % intervals.",
    "residence": "Probability to be in the cluster later: never having left it (broken lines), or left between or not "
    "(full lines); as counted, with 95 % intervals.",
}
CAPTIONS = {
    "map": "Map of sampled atoms, for looking only: clusters were found in the embedding, not here.",
    "spectrum": "Autocorrelation of each slow coordinate over one lag, on time that training did not see; "
    "coloured ones survive, and clusters are sought in these. What shuffled time (circles) keeps is a label that "
    "hardly changes; what shuffled atoms (triangles) keep belongs to the box.",
    "populations": "Population of each cluster in time.",
    "coordination": "How many neighbours in direct contact the atoms of each cluster have, and of how many molecules.",
    "rdf": "What surrounds the atoms of each cluster.",
    "displacement": "Mean square displacement of atoms while they stay in their cluster, with 95 % intervals. Along "
    "the dotted line is diffusion; where it levels off, atoms are held.",
    **_KINETIC,
    "gates": "What a neighbour counts for: how far the embedding of the atom moves if it does not hear it.",
    "training": "Score of every epoch; the weights of the best validation score are kept.",
}
_UNTIMED = (
    "Correlation of each coordinate between both ends of a pair, on frames that training did not see; coloured ones "
    "survive, and clusters are sought in these. No time follows from it."
)
_ENCODED = (
    "Autocorrelation of each slow coordinate over one lag, in the training of the model, on time held out there; "
    "coloured ones survived, and clusters are sought in these. What shuffled time (circles) and shuffled atoms "
    "(triangles) keep is of the files that were encoded."
)
# files that not every folder holds
_DRAWN_FROM = {
    "coordination": COORDINATION, "rdf": RDF, "gates": GATES, "training": TRAINING,
    **dict.fromkeys(_KINETIC, RATES), "residence": RESIDENCE, "displacement": DISPLACEMENTS,
}  # fmt: skip


def redraw_map(folder: OutFolder, points: int, seed: int, tell: Progress) -> None:
    """Lay sampled atoms out on a plane again, and draw figures and report.

    Parameters
    ----------
    folder
        The output folder, with clusters.
    points
        Atom-frames on the map.
    seed
        Seed of sample and layout.
    tell
        Told each step.
    """
    from cgcnn_md.analysis.project import project_stores

    tell.say("drawing the map")
    table = project_stores(folder.stores(), points=points, seed=seed)
    try:
        table.to_parquet(folder.path / MAP)
    except OSError as err:
        msg = f"{folder.path / MAP}: cannot be written ({err.strerror or err}); free some space"
        raise StorageError(msg) from err
    draw(folder)


def draw(folder: OutFolder) -> None:
    """Draw every figure that the folder's tables allow, take older ones away, and write the report."""
    from cgcnn_md.report import write_report

    folder.discard(*(f"figures/{name}.png" for name in CAPTIONS if not has_figure(folder, name)))
    result, level = folder.result(), folder.config.model.level
    captions = CAPTIONS
    if not in_time(str(read_maps(folder.model)[1]["view"])):
        captions = CAPTIONS | {"spectrum": _UNTIMED}
    elif folder.record.get("command") == "encode":
        captions = CAPTIONS | {"spectrum": _ENCODED}
    figures = [(path, reword(captions[path.stem], level)) for path in draw_figures(folder)]
    record = {k: v for k, v in folder.record.items() if k not in {"summary", "trust", "kinetics", "clustering"}}
    write_report(
        folder.path, summary=result.summary, clusters=result.clusters, figures=figures,
        provenance={**record, "settings": folder.config.to_dict()}, trust=folder.record.get("trust"),
        level=level,
    )  # fmt: skip


def draw_figures(folder: OutFolder, names: Sequence[str] = (), *, form: str = "png", dpi: int = 200) -> list[Path]:
    """Draw figures into the folder.

    Parameters
    ----------
    folder
        The output folder.
    names
        Figures; every one that the folder's tables allow where none is given.
    form, dpi
        Ending of the files, and dots per inch.

    Returns
    -------
    list of Path
        The figures.

    Raises
    ------
    UsageError
        If there is no such figure, or no table that it is drawn from.
    """
    from cgcnn_md.plotting import save_figure

    there = [name for name in CAPTIONS if has_figure(folder, name)]
    if strange := [name for name in names if name not in there]:
        raise UsageError(f"{folder.path}: no figure {', '.join(strange)}; wanted some of {', '.join(there)}")
    plots = folder.result().plot
    return [
        save_figure(getattr(plots, name)(), folder.path / "figures" / f"{name}.{form}", dpi=dpi)
        for name in names or there
    ]


def has_figure(folder: OutFolder, name: str) -> bool:
    """Tell whether there is what a figure is drawn from.

    Parameters
    ----------
    folder
        The output folder.
    name
        Name of the figure.
    """
    if name in _DRAWN_FROM and not (folder.path / _DRAWN_FROM[name]).is_file():
        return False
    if name != "chapman_kolmogorov":
        return True
    groups = json.loads((folder.path / KINETICS).read_text(encoding="utf-8"))["groups"]
    return any(name in facts for facts in groups.values())  # where no multiple of the lag is counted, none is tested
