"""Self-supervised objectives on pairs of views of the same atom, one a file."""

from cgcnn_md.objectives.infonce import InfoNce
from cgcnn_md.objectives.objective import Objective
from cgcnn_md.objectives.vamp2 import Vamp2
from cgcnn_md.objectives.vicreg import VicReg

OBJECTIVES: dict[str, type[Objective]] = {"vamp2": Vamp2, "vicreg": VicReg, "infonce": InfoNce}

__all__ = ["OBJECTIVES", "Objective"]
