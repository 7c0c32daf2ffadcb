"""What training says of every epoch, and the table of it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from cgcnn_md.store_layout import saving


@dataclass(frozen=True)
class EpochRecord:
    """One row of training.csv: scores are VAMP-2, larger is better."""

    epoch: int
    train: float
    validation: float
    learning_rate: float
    atoms_per_second: float
    seconds: float


def write_records(path: Path, records: Sequence[EpochRecord]) -> None:
    """Write one row per epoch.

    Raises
    ------
    StorageError
        If the disk does not take it.
    """
    with saving(path, "the scores"), path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(EpochRecord)])
        writer.writeheader()
        for record in records:
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in asdict(record).items()})
