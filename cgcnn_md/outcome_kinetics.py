"""From the clusters of an output folder to its kinetics: numbers, tables and sentences on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from cgcnn_md.analysis.census import step_time
from cgcnn_md.blas import one_blas_thread
from cgcnn_md.config import in_time, reword
from cgcnn_md.errors import StorageError
from cgcnn_md.kinetic_map import read_maps
from cgcnn_md.out_folder import OutFolder
from cgcnn_md.progress import Progress
from cgcnn_md.results import DISPLACEMENTS, KINETICS, RATES, RESIDENCE, TRANSITIONS
from cgcnn_md.store import Store

if TYPE_CHECKING:
    import pandas as pd

    from cgcnn_md.frame import Ints

_FEWEST_FRAMES = 20


@one_blas_thread()
def write_kinetics(folder: OutFolder, tell: Progress, *, required: bool = False) -> None:
    """Find how fast atoms go from cluster to cluster, and write ``kinetics.json`` and its tables.

    Where there is nothing to find (one cluster, no time, few frames), that is what is written.

    Parameters
    ----------
    folder
        The output folder, with clusters.
    tell
        Told what was found.
    required
        Refuse to go on without deeptime, rather than leave kinetics out.

    Raises
    ------
    MissingExtraError
        If deeptime is required, needed and not installed.
    StorageError
        If the folder cannot be written.
    """
    folder.discard(KINETICS, RATES, RESIDENCE, TRANSITIONS)
    stores = folder.stores()
    groups = _groups(folder)
    why = _unfit(folder, stores, groups)
    if not why and not required and find_spec("deeptime") is None:
        folder.note(kinetics=[])
        tell.say("kinetics are left out, since deeptime is not installed: pip install 'cgcnn-md[kinetics]'")
        return
    if why:
        _dump(folder, {"sentences": [f"No kinetics: {why}."], "groups": {}})
    said = [] if why else _find(folder, stores, groups, tell)
    folder.note(kinetics=said)
    for sentence in said if said or not required else [f"no kinetics: {why}"]:
        tell.say(sentence)


def _find(folder: OutFolder, stores: Sequence[Store], groups: dict[str, Ints], tell: Progress) -> list[str]:
    """Find kinetics and write them; give the sentences."""
    from cgcnn_md.analysis.kinetics import find_kinetics
    from cgcnn_md.analysis.kinetics_tables import plain_numbers, rates_table, residence_table, transitions_table

    tell.say("counting transitions between clusters")
    timed = [store for store in stores if np.isfinite(step_time(store))]
    config, used = folder.config, timed or list(stores)
    soft = bool(folder.record.get("states"))
    found = find_kinetics(used, groups, by="found", soft=soft, seed=config.train.seed)
    numbers = {group.name: plain_numbers(group) for group in found}
    for facts in numbers.values():
        facts["mean_square_displacement"] = _displacements(folder, facts["clusters"])
        facts["sentences"] = [reword(sentence, config.model.level) for sentence in facts["sentences"]]
    said = [sentence for facts in numbers.values() for sentence in facts["sentences"]]
    if not timed:
        said.append("The time between frames is not known: times of kinetics are in frames.")
    if len(used) < len(stores):
        out = ", ".join(s.name for s in stores if s not in used)
        said.append(f"Kinetics leave out systems whose time between frames is not known: {out}; pass --dt.")
    _dump(folder, {"sentences": said, "groups": numbers})
    _write(rates_table(found), folder, RATES)
    _write(residence_table(found), folder, RESIDENCE)
    _write(transitions_table(found, used), folder, TRANSITIONS)
    return said


def _displacements(folder: OutFolder, clusters: list[int]) -> dict[str, Any]:
    """Give the mean square displacements in Å² of some clusters, by cluster, where they are known."""
    if not (folder.path / DISPLACEMENTS).is_file():
        return {}
    table = folder.result().displacements
    names = {"lag_frames": "lag_frames", "time_ps": "lag_ps", "msd": "value", "msd_low": "low", "msd_high": "high"}
    found = {}
    for cluster in clusters:
        rows = table.loc[table["cluster"] == cluster, list(names)].rename(columns=names)
        if len(rows):
            found[str(cluster)] = rows.astype(object).where(rows.notna(), None).to_dict("list")
    return found


def _groups(folder: OutFolder) -> dict[str, Ints]:
    """Numbers of the clusters of each group of atoms."""
    clusters = folder.result().clusters
    of = clusters["group" if "group" in clusters else "species"]
    numbers = clusters["cluster"].to_numpy(dtype=np.int64)
    return {str(name): numbers[(of == name).to_numpy()] for name in of.dropna().unique()}


def _unfit(folder: OutFolder, stores: Sequence[Store], groups: dict[str, Ints]) -> str:
    """Say why there can be no kinetics; "" where there can."""
    if all(len(clusters) < 2 for clusters in groups.values()):
        return "no species has more than one cluster"
    view = str(read_maps(folder.model)[1]["view"])
    if not in_time(view):
        return f"pairs were made by view '{view}', not by time"
    longest = max(int(np.unique(store.runs, return_counts=True)[1].max()) for store in stores)
    if longest < _FEWEST_FRAMES:
        return f"{longest} frames a run are too few; {_FEWEST_FRAMES} or more are needed"
    return ""


def _dump(folder: OutFolder, content: dict[str, Any]) -> None:
    path = folder.path / KINETICS
    try:
        path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as err:
        msg = f"{path}: cannot be written ({err.strerror or err}); free some space"
        raise StorageError(msg) from err


def _write(table: pd.DataFrame, folder: OutFolder, name: str) -> None:
    if table.empty:
        return
    try:
        table.to_csv(folder.path / name, index=False, float_format="%.6g")
    except OSError as err:
        msg = f"{folder.path / name}: cannot be written ({err.strerror or err}); free some space"
        raise StorageError(msg) from err
