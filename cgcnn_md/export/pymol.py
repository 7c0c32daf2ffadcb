"""States and a script for PyMOL."""

from __future__ import annotations

import re
from pathlib import Path

from cgcnn_md.export.scene import GREY, Scene
from cgcnn_md.export.universe import place, universe_of
from cgcnn_md.readers.third_party import third_party


def write_pymol(scene: Scene, folder: Path) -> Path:
    """Write a PDB of all frames, clusters in the place of B factors, and a script that shows them.

    States are loaded as discrete, for otherwise PyMOL gives an atom one colour in all of them.

    Parameters
    ----------
    scene
        What to show.
    folder
        Where to write.
    """
    import MDAnalysis

    pdb, script = folder / f"{scene.name}.states.pdb", folder / f"{scene.name}.pml"
    with third_party([]):
        universe = universe_of(scene)
        with MDAnalysis.Writer(str(pdb), scene.n_atoms, multiframe=True) as frames:
            for shot in scene.shots():
                place(universe, shot.frame)
                universe.atoms.tempfactors = shot.cluster.astype(float)
                frames.write(universe.atoms)
    # in Python, for in a command commas, brackets and semicolons of a name would part it
    beside = f"os.path.join(os.path.dirname(globals().get('__script__') or ''), {pdb.name!a})"
    load = f"cmd.load({beside}, {_object(scene.name)!a}, discrete=1)"
    lines = [
        "# for PyMOL: pymol FILE", "python", "import os", load, "python end", "hide everything", "show spheres",
        "set sphere_scale, 0.4", *_coloured("cluster_none", GREY, "b < 0"),
    ]  # fmt: skip
    for cluster, colour in scene.colours.items():
        lines += _coloured(f"cluster_{cluster}", colour, f"b = {cluster}")
    script.write_text("\n".join([*lines, "zoom", ""]), encoding="utf-8")
    return script


def _object(name: str) -> str:
    """Make a name that PyMOL gives to an object."""
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", name)


def _coloured(name: str, colour: tuple[float, float, float], which: str) -> list[str]:
    """Define a colour and give it to some atoms; without brackets PyMOL takes `b = 1` for an argument."""
    rgb = ", ".join(f"{x:.3f}" for x in colour)
    return [f"set_color {name}, [{rgb}]", f"color {name}, ({which})"]
