"""Atoms, frames and a script for VMD."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from cgcnn_md.analysis.census import step_time
from cgcnn_md.analysis.samples import labelled_frames
from cgcnn_md.export.scene import GREY, Scene
from cgcnn_md.export.universe import place, universe_of
from cgcnn_md.readers.third_party import third_party

_FIRST, _LAST = 1, 32  # of the colours that VMD lets one change; atoms without a cluster have the first

_SCRIPT = """# for VMD: vmd -e FILE
set files [file dirname [file normalize [info script]]]/{name}
mol new $files.pdb type pdb waitfor all
animate delete all
mol addfile $files.dcd type dcd waitfor all
set atoms [atomselect top all]
set clusters [open $files.clusters r]
for {{set i 0}} {{$i < [molinfo top get numframes]}} {{incr i}} {{
    $atoms frame $i
    $atoms set user [split [gets $clusters] " "]
}}
close $clusters
$atoms delete
mol delrep 0 top
mol representation VDW 0.4 12
"""


def write_vmd(scene: Scene, folder: Path) -> Path:
    """Write atoms (PDB), frames (DCD), the clusters of every frame, and a script that shows them.

    In VMD the field `user` of every atom holds its cluster, frame by frame, -1 where it has none; each cluster has a
    representation of its own.

    Parameters
    ----------
    scene
        What to show.
    folder
        Where to write.
    """
    import MDAnalysis

    script = folder / f"{scene.name}.tcl"
    clusters = [-1, *range(len(scene.colours))]
    with third_party([]):
        universe = universe_of(scene)
        with (
            (folder / f"{scene.name}.clusters").open("w", encoding="utf-8") as labels,
            MDAnalysis.Writer(str(folder / f"{scene.name}.dcd"), scene.n_atoms, **_times(scene)) as frames,
        ):
            for number, shot in enumerate(scene.shots()):
                place(universe, shot.frame)
                if number == 0:
                    universe.atoms.write(str(folder / f"{scene.name}.pdb"))
                frames.write(universe.atoms)
                labels.write(" ".join(map(str, shot.cluster.tolist())) + "\n")
    with script.open("w", encoding="utf-8") as file:
        file.write(_SCRIPT.format(name=_word(scene.name)))
        for k, cluster in enumerate(clusters):
            number = _FIRST + k % (_LAST + 1 - _FIRST)
            which = "user < 0" if cluster < 0 else f"user = {cluster}"
            red, green, blue = GREY if cluster < 0 else scene.colours[cluster]
            file.write(
                f"color change rgb {number} {red:.3f} {green:.3f} {blue:.3f}\n"
                f"mol color ColorID {number}\nmol selection {{{which}}}\nmol addrep top\n"
                f"mol selupdate {k} top on\n"
            )
    return script


def _times(scene: Scene) -> dict[str, float]:
    """Say when frames are, where that is known: DCD holds the first time and one spacing, in stored frames."""
    spacing = step_time(scene.store)
    if not spacing > 0:
        return {}
    first = scene.store.time[labelled_frames(scene.store)[:1]]
    start = round(float(first[0]) / spacing) if np.isfinite(first).any() else 0
    return {"dt": scene.step * spacing, "nsavc": scene.step, "istart": start}


def _word(text: str) -> str:
    """Write a text so that Tcl takes it for a part of one word, as it is."""
    return re.sub(r"[^\w.-]", r"\\\g<0>", text)
