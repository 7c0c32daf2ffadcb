"""What is asked of the folder of an earlier run: other clusters, a map, rates, figures, files for other programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cgcnn_md.config import ATOM, ExportTo, GroupBy, PlotForm, called, checked, make_config
from cgcnn_md.errors import MissingFileError, StorageError, UsageError
from cgcnn_md.out_folder import OutFolder
from cgcnn_md.outcome import analyse, write_gates
from cgcnn_md.outcome_figures import draw, draw_figures, redraw_map
from cgcnn_md.outcome_kinetics import write_kinetics
from cgcnn_md.progress import Progress, Silent
from cgcnn_md.readers import Reader
from cgcnn_md.steps import announce_compiling

if TYPE_CHECKING:
    from cgcnn_md.results import Embedding

_SLOW_SHOWN = 3  # slow coordinates in exported files


def cluster(
    out: str | Path, *, n: int | None = None, group_by: GroupBy | None = None, states: bool | None = None,
    progress: Progress | None = None,
) -> Embedding:  # fmt: skip
    """Find the clusters of a stored embedding again, with tables, figures and report.

    Parameters
    ----------
    out
        Folder of an earlier run.
    n
        Clusters per group; None lets the data decide.
    group_by
        Atoms among which clusters are sought: "species", "identity" or "type"; None as before.
    states
        Whether states that the model was trained with are taken for clusters; None for yes, unless `n` is given.
    progress
        Where to say what happens; silent by default.

    Raises
    ------
    UsageError
        If an argument cannot be right, as a number below 1, or the model has no states that could be taken.
    """
    n = checked("n", n, int | None)
    folder = OutFolder.reopen(out, clustered=False)
    config = make_config(folder.config, {} if group_by is None else {"group_by": group_by})
    if states and n is not None:
        msg = f"clusters {n}: the states of the model are as many as they are; leave the number out, or states"
        raise UsageError(msg)
    keep = states if n is None else False
    analyse(folder, folder.sources(), config, folder.listen(progress or Silent()), n_clusters=n, states=keep)
    return folder.result()


def project(
    out: str | Path, *, points: int | None = None, seed: int = 0, progress: Progress | None = None
) -> Embedding:
    """Draw the map of a stored embedding again.

    Parameters
    ----------
    out
        Folder of an earlier run.
    points
        Atom-frames drawn; None as before.
    seed
        Seed of the sample and of the projection.
    progress
        Where to say what happens; silent by default.

    Raises
    ------
    UsageError
        If an argument cannot be right, as a number below 1.
    """
    points, seed = checked("points", points, int | None), checked("seed", seed, int)
    folder = OutFolder.reopen(out)
    drawn = folder.config.store.map_points if points is None else points
    redraw_map(folder, drawn, seed, progress or Silent())
    return folder.result()


def kinetics(out: str | Path, *, progress: Progress | None = None) -> Embedding:
    """Find the kinetics of a stored embedding's clusters again, with tables, figures and report.

    Parameters
    ----------
    out
        Folder of an earlier run.
    progress
        Where to say what happens; silent by default.

    Raises
    ------
    MissingExtraError
        If deeptime is not installed.
    """
    folder = OutFolder.reopen(out)
    write_kinetics(folder, folder.listen(progress or Silent()), required=True)
    draw(folder)
    return folder.result()


def gates(out: str | Path, *, progress: Progress | None = None) -> Embedding:
    """Weigh the neighbours of sampled atoms by what the embedding loses without them.

    Parameters
    ----------
    out
        Folder of an earlier run; its input files are read again.
    progress
        Where to say what happens; silent by default.
    """
    from cgcnn_md.gates import sample_edges
    from cgcnn_md.nn import load_model

    folder = OutFolder.reopen(out)
    if (level := folder.config.model.level) != ATOM:
        msg = f"{folder.path}: neighbours are weighed for atoms, and its vectors are of {called(level)}; embed atoms"
        raise UsageError(msg)
    tell = folder.listen(progress or Silent())
    with _input_again(folder) as readers:
        announce_compiling(tell)
        edges = sample_edges(load_model(folder.model), readers, folder.stores(), seed=folder.config.train.seed)
    write_gates(folder, edges, tell)
    return folder.result()


def plot(
    out: str | Path, *names: str, form: PlotForm = "png", dpi: int = 200, progress: Progress | None = None
) -> list[Path]:
    """Draw figures of a result into its folder ``figures``, in the format that a paper or a talk wants.

    Parameters
    ----------
    out
        Folder of an earlier run.
    *names
        Figures, as "map" or "rdf"; all that the folder has tables for where none is given.
    form
        "png", "pdf" or "svg".
    dpi
        Dots per inch, of what is not drawn as lines.
    progress
        Where to say what happens; silent by default.

    Returns
    -------
    list of Path
        The figures.

    Raises
    ------
    UsageError
        If there is no such figure or format, or the folder has no table for it, or `dpi` is below 20.
    """
    form, dpi = checked("form", form, PlotForm), checked("dpi", dpi, int)
    folder = OutFolder.reopen(out)
    (progress or Silent()).say("drawing figures")
    return draw_figures(folder, names, form=form, dpi=dpi)


def report(out: str | Path, *, progress: Progress | None = None) -> Embedding:
    """Draw figures and report of a result again.

    Parameters
    ----------
    out
        Folder of an earlier run.
    progress
        Where to say what happens; silent by default.
    """
    folder = OutFolder.reopen(out)
    (progress or Silent()).say("drawing figures and report")
    draw(folder)
    return folder.result()


def export(
    out: str | Path, *, to: ExportTo = "ovito", step: int = 1, progress: Progress | None = None
) -> list[Path]:  # fmt: skip
    """Write every frame with its clusters, for a program that shows atoms, into the folder ``export`` of OUT.

    Parameters
    ----------
    out
        Folder of an earlier run; its input files are read again.
    to
        The program: "ovito", "vmd" or "pymol".
    step
        Every how many stored frames are written.
    progress
        Where to say what happens; silent by default.

    Returns
    -------
    list of Path
        What to open in the program, a file for each system.

    Raises
    ------
    UsageError
        If there is no such program, or `step` is below 1.
    MissingFileError
        If the input files are gone.
    StorageError
        If the files cannot be written.
    """
    from cgcnn_md.export import WRITERS, Scene
    from cgcnn_md.plotting import colours

    to, step = checked("to", to, ExportTo), checked("step", step, int)
    folder = OutFolder.reopen(out)
    tell, place, written = progress or Silent(), folder.path / "export", []
    colour_of = colours(folder.result().clusters)
    n_slow = 0 if folder.config.store.features == "hidden" else _SLOW_SHOWN
    with _input_again(folder) as readers:
        for reader, store in zip(readers, folder.stores(), strict=True):
            scene = Scene(reader, store, colour_of, step, n_slow)
            try:
                place.mkdir(exist_ok=True)
                written.append(WRITERS[to](scene, place))
            except OSError as err:
                msg = f"{place}: cannot be written ({err.strerror or err}); free some space, or pass a larger step"
                raise StorageError(msg) from err
            tell.say(f"{reader.name}: {written[-1]} written")
    return written


@contextmanager
def _input_again(folder: OutFolder) -> Iterator[list[Reader]]:
    """Open the input files of a folder again, and close them at the end."""
    readers = folder.sources()
    if not readers:
        msg = f"{folder.path}: {folder.gone}"
        raise MissingFileError(msg)
    with ExitStack() as stack:
        yield [stack.enter_context(reader) for reader in readers]
