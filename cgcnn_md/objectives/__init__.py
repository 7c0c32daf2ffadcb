"""Self-supervised objectives on pairs of views of the same atom, one a file."""

from cgcnn_md.objectives.vamp2 import Vamp2, vamp2_score

__all__ = ["Vamp2", "vamp2_score"]
