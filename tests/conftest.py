"""What tests share: no screen, the same hypothesis everywhere, the example's files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["MPLBACKEND"] = "agg"
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy is there: tests run side by side, and small products spin

# machines differ in speed, not in truth; and a failure must come back when it is looked for
settings.register_profile("gate", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("gate")

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="session")
def copper(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Copper example: trajectory and topology in their own folder, as readers leave files beside them."""
    folder = tmp_path_factory.mktemp("copper")
    for name in ("copper.xtc", "copper.pdb"):
        shutil.copy(EXAMPLES / "data" / name, folder)
    return folder / "copper.xtc", folder / "copper.pdb"


@pytest.fixture(scope="session")
def copper_labels() -> Path:
    """Labels of the copper example: 0 crystal, 1 liquid, -1 neither."""
    return EXAMPLES / "data" / "copper_labels.npz"
