"""Frames with their clusters, in the files of programs that show atoms."""

from cgcnn_md.export.ovito import write_ovito
from cgcnn_md.export.pymol import write_pymol
from cgcnn_md.export.scene import Scene
from cgcnn_md.export.vmd import write_vmd

WRITERS = {"ovito": write_ovito, "vmd": write_vmd, "pymol": write_pymol}
"""What writes a scene for each program: each takes the scene and a folder, and gives the file to open."""

__all__ = ["WRITERS", "Scene"]
