"""Folders of labelled trajectories: their boxes, their labels, and the atom-frames that every method is scored on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from cgcnn_md.config import ReadConfig
from cgcnn_md.frame import Floats, Ints
from cgcnn_md.readers import Reader, open_systems

ALONE = {"nulls", "water"}  # sets whose boxes are run one by one
LEFT_OUT = ("interface",)  # labels that are not scored
POINTS = 20_000  # atom-frames of a species, at most
FEWEST_FRAMES, MOST_FRAMES = 10, 4_000  # of a box


@dataclass(frozen=True)
class Box:
    """One trajectory of a set, by the tag in its file names."""

    folder: Path
    tag: str

    @property
    def files(self) -> list[str]:
        """Trajectory and topology."""
        return [f"{self.folder}/traj{self.tag}.xtc", f"{self.folder}/topol{self.tag}.pdb"]

    def labels(self, reader: Reader) -> tuple[Ints, list[str]]:
        """Read the labels of the target atoms, shape (n_frames, n_targets), -1 for none, and the labels' names."""
        path = self.folder / f"labels{self.tag}.npz"
        with np.load(path, allow_pickle=False) as file:
            names = [str(n) for n in file["label_names"]] if "label_names" in file else []
            labels = file["labels"]
        if labels.shape[1] == reader.n_atoms:
            labels = labels[:, reader.atom_index]
        if labels.shape != (len(reader), reader.n_targets):
            msg = f"{path}: labels of shape {labels.shape}; wanted {len(reader)} frames x {reader.n_targets} atoms"
            raise ValueError(msg)
        return labels.astype(np.int64), names


@dataclass(frozen=True)
class Job:
    """What is embedded together: some boxes of a set."""

    name: str
    boxes: tuple[Box, ...]

    @property
    def files(self) -> list[str]:
        """Files of all boxes, as `embed` takes them."""
        return [file for box in self.boxes for file in box.files]

    @property
    def select(self) -> str | None:
        """Target atoms: in the lithium toys the host is no question."""
        return "element Li" if self.name.startswith("li_") else None

    def open(self) -> list[Reader]:
        """Open the boxes."""
        return open_systems(self.files, None, ReadConfig(select=self.select))


def jobs(data: Path, only: Sequence[str]) -> Iterator[Job]:
    """Give what is run of the sets in a folder."""
    for folder in sorted(p for p in data.iterdir() if p.is_dir() and list(p.glob("labels*.npz"))):
        if only and folder.name not in only:
            continue
        boxes = [Box(folder, p.stem.removeprefix("labels")) for p in sorted(folder.glob("labels*.npz"))]
        if folder.name in ALONE:
            yield from (Job(folder.name + box.tag, (box,)) for box in boxes)
        else:
            yield Job(folder.name, tuple(boxes))


@dataclass(frozen=True, eq=False)
class Points:
    """Atom-frames of one species, in the order of box, frame and atom; each array of shape (n,).

    Parameters
    ----------
    box, frame, atom
        Which box, which of its frames, and which of its target atoms.
    label
        Physical label, -1 for none.
    scored
        Whether there is a label, and it names no interface.
    when
        Place in time, from 0 to 1.
    """

    box: Ints
    frame: Ints
    atom: Ints
    label: Ints
    scored: np.ndarray
    when: Floats

    def __len__(self) -> int:
        return len(self.box)

    def of(self, mine: np.ndarray) -> Points:
        """Give some of the points, by a mask."""
        return Points(*(getattr(self, field.name)[mine] for field in fields(self)))


def sample(job: Job, readers: Sequence[Reader]) -> dict[str, Points]:
    """Draw the atom-frames of every labelled species: evenly spread frames, in them all atoms or an even share."""
    boxes = [box.labels(reader) for box, reader in zip(job.boxes, readers, strict=True)]
    total = sum(int((labels >= 0).any(axis=0).sum()) for labels, _ in boxes)
    wanted = int(np.clip(-(-POINTS // max(total, 1)), FEWEST_FRAMES, MOST_FRAMES))
    gathered: dict[str, list[np.ndarray]] = {}
    for b, (reader, (labels, names)) in enumerate(zip(readers, boxes, strict=True)):
        unscored = [-1, *(i for i, name in enumerate(names) if name in LEFT_OUT)]
        frames = np.unique(np.linspace(0, len(reader) - 1, min(wanted, len(reader))).astype(np.int64))
        species = np.asarray(reader.species_codes)[reader.targets]
        for code in np.unique(species):
            atoms = np.flatnonzero((species == code) & (labels >= 0).any(axis=0))
            frame, atom = (a.ravel() for a in np.meshgrid(frames, atoms, indexing="ij"))
            label = labels[frame, atom]
            rows = np.stack([np.full(len(frame), b), frame, atom, label, ~np.isin(label, unscored)], axis=1)
            when = frame / len(reader)
            gathered.setdefault(reader.species[code], []).append(np.column_stack([rows, when]))
    drawn = {}
    for name, parts in gathered.items():
        rows = np.concatenate(parts)
        if len(rows) > POINTS:
            rows = rows[np.sort(np.random.default_rng(0).choice(len(rows), POINTS, replace=False))]
        if rows[:, 4].any():
            box, frame, atom, label = rows[:, :4].astype(np.int64).T
            drawn[name] = Points(box, frame, atom, label, rows[:, 4].astype(bool), rows[:, 5])
    return drawn
