"""From a stored embedding to clusters, tables, map, figures and report; needs no torch."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cgcnn_md.analysis.discover import Coordinates, discover
from cgcnn_md.analysis.discovery import Discovery
from cgcnn_md.analysis.membership import SURE
from cgcnn_md.blas import one_blas_thread
from cgcnn_md.config import Config, in_time, reword
from cgcnn_md.errors import BadFrameError, CgcnnMdWarning, StorageError, UsageError
from cgcnn_md.kinetic_map import read_maps
from cgcnn_md.out_folder import OutFolder
from cgcnn_md.outcome_figures import CAPTIONS, draw, redraw_map
from cgcnn_md.outcome_kinetics import write_kinetics
from cgcnn_md.progress import Progress
from cgcnn_md.readers import Reader
from cgcnn_md.results import (
    BEGUN,
    CLUSTERS,
    COORDINATES,
    COORDINATION,
    DISPLACEMENTS,
    EFFECTIVE,
    GATES,
    POPULATIONS,
    RDF,
    SPECTRUM,
    SURROUNDINGS,
)
from cgcnn_md.states import SoftStates, read_states
from cgcnn_md.store import Store

if TYPE_CHECKING:
    import pandas as pd

    from cgcnn_md.analysis.census import Census
    from cgcnn_md.analysis.gates import Edges
    from cgcnn_md.analysis.mobility import Mobility
    from cgcnn_md.analysis.samples import FrameSource
    from cgcnn_md.analysis.structure import ClusterRdf
    from cgcnn_md.analysis.surroundings import Surroundings

_SPECIES_STATES = "the states of {} that the model was trained with (--states)"
_MENTIONED = 0.05  # per cent


@one_blas_thread()
def analyse(
    folder: OutFolder,
    readers: Sequence[Reader],
    config: Config,
    tell: Progress,
    *,
    n_clusters: int | None = None,
    states: bool | None = None,
) -> None:
    """Find clusters in what is stored and write everything that follows from them.

    Parameters
    ----------
    folder
        The output folder, with a model and a store.
    readers
        The systems, for what needs coordinates; empty where the files are gone.
    config
        Settings.
    tell
        Told each step.
    n_clusters
        Clusters per group; None lets the data decide.
    states
        Whether the states that the model was trained with are taken for clusters, and refused where it has none; None
        takes them where it has some.
    """
    from cgcnn_md.analysis.census import take_census
    from cgcnn_md.analysis.coarse import particles
    from cgcnn_md.analysis.kinds import bonded_words
    from cgcnn_md.analysis.surrogates import shuffle_table
    from cgcnn_md.analysis.trust import assess

    stores = folder.stores()
    maps, header = read_maps(folder.model)
    given = _given_states(folder, states, tell)
    tell.say("seeking clusters")
    by = config.store.group_by
    coordinates = Coordinates(maps, header["identities"], hidden=config.store.features == "hidden")
    lag = max(int(store.attrs["lag"]) for store in stores) if in_time(header["view"]) else None
    seed = config.train.seed
    for store in stores:
        store.groups(by)  # refused before anything is changed
    folder.note(clustering=BEGUN)
    found = discover(stores, coordinates, lag=lag, by=by, n_clusters=n_clusters, states=given, seed=seed)
    census = take_census(stores, n_clusters=found.n_clusters, by="found")
    clusters = _populations(folder, census, found, seed)
    trust = assess(found, census, maps, header["provenance"])
    (folder.path / SPECTRUM).parent.mkdir(parents=True, exist_ok=True)
    _write(shuffle_table(found.shuffles, found.species), folder.path / SPECTRUM)
    means: pd.DataFrame | None = None
    distance: dict[tuple[str, str], float] = {}
    pairs = [(particles(reader), store) for reader, store in zip(readers, stores)]
    around = _structure(folder, pairs, found.n_clusters, config, tell)
    if around is not None:
        rdf, surroundings = around
        means, distance = surroundings.means(seed), surroundings.distance
        clusters = clusters.merge(rdf.coordination(), on="cluster", how="left")
        _write(rdf.to_frame().dropna(), folder.path / RDF)
        _write(means, folder.path / SURROUNDINGS)
        _write(surroundings.histograms(), folder.path / COORDINATION)
    _write(clusters, folder.path / CLUSTERS)
    moved = _mobility(folder, pairs, found.n_clusters, seed)
    moves = {} if moved is None else {k: moved.words(k) for k in range(found.n_clusters)}
    _forget_older(folder, tell)
    bonded = bonded_words(stores, found.numbers, by="found")
    sentences = _summary(found, clusters, header, means, distance, moves, bonded)
    kept = _kept(found)
    sentences += _meaning(folder, pairs, coordinates, found, header, seed)
    sentences += [*([] if moved is None else moved.doubts), *trust.sentences]
    sentences = [reword(sentence, config.model.level) for sentence in sentences]
    folder.note(
        summary=sentences,
        trust=trust.record(),
        kept=kept,
        clusters={name: asdict(f.evidence) for name, f in found.by_group.items()},
        clusters_given=n_clusters,
        states={name: {"given_by": "--states", "n": s.n_states} for name, s in given.items()},
    )
    for sentence in sentences:
        tell.say(sentence)
    write_kinetics(folder, tell)
    redraw_map(folder, config.store.map_points, seed, tell)
    folder.note(clustering="finished")


def _given_states(folder: OutFolder, states: bool | None, tell: Progress) -> dict[str, SoftStates]:
    """Give the states that are taken for clusters, by species, and say so."""
    trained = read_states(folder.model)
    if states and not trained:
        msg = f"{folder.path}: the model has no states; train one with `cgcnn-md embed ... --states N`"
        raise UsageError(msg)
    given = {} if states is False else trained
    if given:
        tell.say(f"{_SPECIES_STATES.format(', '.join(given))} are taken for clusters")
    elif trained:
        tell.say(f"{_SPECIES_STATES.format(', '.join(trained))} are left aside: clusters are sought in their place")
    return given


def _populations(folder: OutFolder, census: list[Census], found: Discovery, seed: int) -> pd.DataFrame:
    """Give the table of clusters, as far as counts tell it; write the populations of every system of several."""
    from cgcnn_md.analysis.populations import populations, populations_by_system

    clusters = populations(census, n_clusters=found.n_clusters, seed=seed)
    if any(found.species[name] != name for name in found.by_group):
        clusters.insert(1, "group", clusters["species"])
        clusters["species"] = clusters["group"].map(found.species)
    folder.discard(POPULATIONS)
    if len(census) > 1:
        by_system = populations_by_system(census, n_clusters=found.n_clusters, seed=seed)
        _write(by_system, folder.path / POPULATIONS)
    return clusters


def _forget_older(folder: OutFolder, tell: Progress) -> None:
    """Take away what was made on request of older clusters, and say what of it stays."""
    folder.discard(EFFECTIVE, *(f"figures/{name}.{form}" for name in CAPTIONS for form in ("pdf", "svg")))
    if (folder.path / "export").is_dir():
        tell.say("what lies in export is of older clusters: export again")


def _meaning(
    folder: OutFolder, pairs: Sequence[tuple[FrameSource, Store]], coordinates: Coordinates, found: Discovery,
    header: dict[str, Any], seed: int,
) -> list[str]:  # fmt: skip
    """Write what slow coordinates follow, and say it; nothing where coordinates of atoms cannot be read."""
    from cgcnn_md.analysis.meaning import relaxation, what_coordinates_follow, words

    folder.discard(COORDINATES)
    try:
        table = what_coordinates_follow(pairs, coordinates, _kept(found), seed=seed)
    except BadFrameError as err:
        warnings.warn(f"what coordinates follow is not told: {err}", CgcnnMdWarning, stacklevel=2)
        return []
    if table.empty:
        return []
    _write(table, folder.path / COORDINATES)
    lag = int(header["lag"]) * float(header["dt"]) if in_time(header["view"]) else float("nan")
    encoded = folder.record.get("command") == "encode"
    return words(table, relaxation(found, coordinates.maps, lag), encoded=encoded)


def _kept(found: Discovery) -> dict[str, int]:
    """Count the coordinates of each species in which clusters were sought."""
    kept: dict[str, int] = {}
    for name, group in found.by_group.items():
        of = found.species[name]
        kept[of] = max(kept.get(of, 0), len(group.columns) if group.evidence.n_coordinates else 0)
    return kept


def _structure(
    folder: OutFolder, pairs: Sequence[tuple[FrameSource, Store]], n_clusters: int, config: Config, tell: Progress
) -> tuple[ClusterRdf, Surroundings] | None:
    """Look at what surrounds atoms; nothing where coordinates cannot be read."""
    from cgcnn_md.analysis.samples import sample_frames
    from cgcnn_md.analysis.structure import rdf_by_cluster
    from cgcnn_md.analysis.surroundings import look_around

    folder.discard(RDF, SURROUNDINGS, COORDINATION)
    if not pairs:
        tell.say(f"no pair distributions, for {folder.gone}")
        return None
    seed = config.train.seed
    try:
        # twice, so that no more than one frame is held: shells must be known before neighbours are counted
        rdf = rdf_by_cluster(chain.from_iterable(sample_frames(*p) for p in pairs), n_clusters=n_clusters, seed=seed)
        return rdf, look_around((sample_frames(*p) for p in pairs), rdf, seed=seed)
    except BadFrameError as err:
        warnings.warn(f"no pair distributions: {err}", CgcnnMdWarning, stacklevel=2)
        return None


def _mobility(
    folder: OutFolder, pairs: Sequence[tuple[FrameSource, Store]], n_clusters: int, seed: int
) -> Mobility | None:
    """Write how far atoms move while they stay in their cluster; nothing where coordinates cannot be read."""
    from cgcnn_md.analysis.mobility import displacements

    folder.discard(DISPLACEMENTS)
    try:
        found = displacements(pairs, n_clusters=n_clusters, seed=seed) if pairs else None
    except BadFrameError as err:
        warnings.warn(f"no mean square displacements: {err}", CgcnnMdWarning, stacklevel=2)
        return None
    if found is not None and len(found.table):
        _write(found.table, folder.path / DISPLACEMENTS)
    return found


def write_gates(folder: OutFolder, edges: Edges, tell: Progress) -> None:
    """Write how much neighbours count, and draw figures and report again.

    Parameters
    ----------
    folder
        The output folder, with clusters.
    edges
        Neighbours of sampled atoms with their importance.
    tell
        Told the effective coordination of every cluster.
    """
    from cgcnn_md.analysis.gates import ALL, coordination_by_cluster, importance_by_distance

    coordination = coordination_by_cluster(edges)
    (folder.path / GATES).parent.mkdir(parents=True, exist_ok=True)
    _write(importance_by_distance(edges), folder.path / GATES)
    _write(coordination, folder.path / EFFECTIVE)
    for row in coordination[coordination["neighbour"] == ALL].to_dict("records"):
        where = f"cluster {row['cluster']}" if row["cluster"] >= 0 else "between clusters"
        number = f"{row['effective_coordination']:.1f}"
        if row["atoms"] > 1:
            number += f" ± {row['standard_deviation']:.1f}"
        tell.say(f"{row['species']} {where}: effective coordination {number}")
    draw(folder)


def _write(table: pd.DataFrame, path: Path) -> None:
    try:
        table.to_csv(path, index=False, float_format="%.6g")
    except OSError as err:
        msg = f"{path}: cannot be written ({err.strerror or err}); free some space"
        raise StorageError(msg) from err


def _summary(
    found: Discovery,
    clusters: pd.DataFrame,
    header: dict[str, object],
    means: pd.DataFrame | None,
    distance: dict[tuple[str, str], float],
    moves: dict[int, str],
    bonded: dict[int, str],
) -> list[str]:
    """Say what was found, one sentence a group of atoms and one a cluster."""
    from cgcnn_md.analysis.sentences import describe

    sentences = []
    for name, group in found.by_group.items():
        sentences.append(f"{name}: {group.evidence.verdict}.")
        mine = clusters[clusters.get("group", clusters["species"]) == name]
        sentences += describe(name, mine, means, distance, moves, bonded)
        between = 100 * (1 - mine["population"].sum())
        if between >= _MENTIONED:
            sentences.append(
                f"{name}: {between:.3g} % of the atoms are between clusters (membership below {SURE}); in lifetimes "
                "they count with the cluster they were in last."
            )
    if not in_time(str(header["view"])):
        sentences.append(f"Pairs were made by view '{header['view']}', not by time: no timescale follows from them.")
    return sentences
