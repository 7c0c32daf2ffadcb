"""Small files that the readers' tests write."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

N_WATERS = 27
CELL = np.array([[12.0, 0.0, 0.0], [2.0, 11.0, 0.0], [1.0, -2.0, 10.0]])


def water(number: int) -> np.ndarray:
    """Coordinates in Å of frame `number` of a small box of TIP4P water: O, H, H and the site M."""
    rng = np.random.default_rng(number)
    corners = np.array([[i, j, k] for i in range(3) for j in range(3) for k in range(3)]) / 3
    oxygen = corners @ CELL + rng.normal(scale=0.2, size=(N_WATERS, 3))
    shape = np.array([[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0], [0.1, 0.1, 0]])
    return (oxygen[:, None] + shape).reshape(-1, 3)


def write_gro(path: Path, numbers: range = range(1), *, names: tuple[str, ...] = ("OW", "HW1", "HW2", "MW")) -> Path:
    """Write frames of water as GRO, 2 ps apart."""
    text = ""
    for number in numbers:
        text += f"water t= {2.0 * number:.3f}\n{4 * N_WATERS}\n"
        for i, (x, y, z) in enumerate(water(number) / 10):
            text += f"{i // 4 + 1:5d}{'SOL':5s}{names[i % 4]:>5s}{i + 1:5d}{x:8.3f}{y:8.3f}{z:8.3f}\n"
        a, b, c = CELL / 10
        text += f"{a[0]:.5f} {b[1]:.5f} {c[2]:.5f} 0.0 0.0 {b[0]:.5f} 0.0 {c[0]:.5f} {c[1]:.5f}\n"
    path.write_text(text)
    return path


def write_xtc(path: Path, n_frames: int = 8, *, first_ps: float = 0.0, dt: float = 2.0) -> Path:
    """Write frames of water as XTC."""
    from MDAnalysis.lib.formats.libmdaxdr import XTCFile

    with XTCFile(str(path), "w") as file:
        for i in range(n_frames):
            file.write((water(i) / 10).astype(np.float32), (CELL / 10).astype(np.float32), i, first_ps + i * dt, 1000)
    return path


def write_trajectory(path: Path, frames: np.ndarray, dimensions: list[float] | None) -> Path:
    """Write frames by MDAnalysis, in the format of the ending."""
    import MDAnalysis

    universe = MDAnalysis.Universe.empty(frames.shape[1], trajectory=True)
    with warnings.catch_warnings(), MDAnalysis.Writer(str(path), frames.shape[1]) as writer:
        warnings.simplefilter("ignore")  # MDAnalysis on unset attributes and boxes
        for frame in frames:
            universe.atoms.positions = frame
            universe.dimensions = dimensions
            writer.write(universe)
    return path


DATA = """LAMMPS

2 atoms
2 atom types

0 10 xlo xhi
0 10 ylo yhi
0 10 zlo zhi

Masses

1 {first}
2 {second}

{atoms}
"""


def dump(
    boundary: str = "pp pp pp",
    columns: str = "id type x y z",
    rows: tuple[str, ...] = ("2 2 4 5 6", "1 1 1 2 3"),
) -> str:
    """Three frames of a LAMMPS dump."""
    box = f"ITEM: BOX BOUNDS {boundary}\n0 10\n0 10\n0 10\n"
    body = f"ITEM: ATOMS {columns}\n" + "\n".join(rows) + "\n"
    return "".join(f"ITEM: TIMESTEP\n{100 * i}\nITEM: NUMBER OF ATOMS\n{len(rows)}\n{box}{body}" for i in range(3))
