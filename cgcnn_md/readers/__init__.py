"""The readers' room: from trajectory files or objects in memory to frames in Å and ps."""

from __future__ import annotations

from cgcnn_md.readers.base import Reader
from cgcnn_md.readers.info import describe
from cgcnn_md.readers.open import open_systems, open_trajectory

__all__ = ["Reader", "describe", "open_systems", "open_trajectory"]
