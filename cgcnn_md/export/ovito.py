"""Extended XYZ, as OVITO, ASE and others read it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cgcnn_md.export.scene import Scene, Shot

_ROW = "%s %.5f %.5f %.5f %d %d %.3f %.3f %.3f %.3f"


def write_ovito(scene: Scene, folder: Path) -> Path:
    """Write an extended XYZ file of all frames.

    Its columns are species, position (Å), identifier (place in the topology, from 1), cluster, membership, colour
    (which OVITO shows at once) and the first slow coordinates.

    Parameters
    ----------
    scene
        What to show.
    folder
        Where to write.
    """
    path = folder / f"{scene.name}.extxyz"
    species, number = scene.species, scene.reader.environment_index + 1
    row = _ROW + " %.4g" * scene.n_slow + "\n"
    with path.open("w", encoding="utf-8") as file:
        for shot in scene.shots():
            columns = [
                species, *shot.frame.positions.T, number, shot.cluster, shot.membership, *scene.colour(shot.cluster).T,
                *shot.slow.T,
            ]  # fmt: skip
            file.write(f"{scene.n_atoms}\n{_comment(shot, scene.n_slow)}\n")
            file.writelines(row % atom for atom in zip(*(column.tolist() for column in columns), strict=True))
    return path


def _comment(shot: Shot, n_slow: int) -> str:
    """Give the line that says what the columns are, and the box."""
    frame = shot.frame
    words = [
        "Properties=species:S:1:pos:R:3:id:I:1:cluster:I:1:membership:R:1:color:R:3"
        + (f":slow:R:{n_slow}" if n_slow else ""),
        f'pbc="{" ".join("FT"[int(on)] for on in frame.pbc)}"',
        f"Frame={frame.number}",
    ]
    if frame.pbc.any():
        words.insert(0, f'Lattice="{" ".join(f"{x:.6f}" for x in frame.cell.ravel())}"')
    if np.isfinite(frame.time):
        words.append(f"Time={frame.time:.6g}")
    return " ".join(words)
