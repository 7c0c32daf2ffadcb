"""A trained model as an analysis of MDAnalysis, for those who have a Universe in hand."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from MDAnalysis.analysis.base import AnalysisBase

from cgcnn_md.errors import CgcnnMdWarning
from cgcnn_md.nn import Model, load_model
from cgcnn_md.readers import open_trajectory


class EmbeddingAnalysis(AnalysisBase):  # type: ignore[misc]  # MDAnalysis has no types
    """Embed atoms of a Universe with a trained model.

    What `cgcnn-md encode` stores, in memory: for trajectories that do not fit, use `cgcnn_md.encode`.

    Parameters
    ----------
    atomgroup
        Atoms that get a vector, the same in all frames: of a group that updates, those that it holds now. All atoms of
        their Universe may be neighbours.
    model
        A trained model, its file, or the folder that holds it.
    verbose
        Show a progress bar.
    **read
        Fields of `cgcnn_md.config.ReadConfig` that say which atoms count and what they are: `environment`,
        `species_from`, `type_map`, `pbc`.

    Attributes
    ----------
    results.embedding : numpy.ndarray
        Slow coordinates, shape (n_frames, n_atoms, n_features), float32; slowest first. With a model of groups a row is
        a group.
    results.atom_index : numpy.ndarray
        Index in the Universe of the atom of every row, or the first atom of its group, shape (n_atoms,).
    results.species : numpy.ndarray
        Species of every row, or kind of group, shape (n_atoms,).

    Raises
    ------
    SpeciesError
        If the model never saw a species of the Universe.
    BadFrameError
        On `run`, at a frame that cannot be used.

    Warns
    -----
    CgcnnMdWarning
        For what the user should know of the atoms: those that are left out, and an AtomGroup that updates.
    """

    def __init__(
        self, atomgroup: Any, model: Model | str | Path, *, verbose: bool = False, **read: Any
    ) -> None:  # fmt: skip
        trajectory = atomgroup.universe.trajectory
        super().__init__(trajectory, verbose=verbose)
        self._model = model if isinstance(model, Model) else load_model(model)
        now = trajectory.ts.frame
        self._reader = open_trajectory(atomgroup, level=self._model.config.level, **read)
        trajectory[now]  # where it was: the reader looks at other frames
        self._codes = self._model.codes(self._reader.species)
        self._rows = self._model.rows(self._reader.groups)
        self._targets, self._group = self._reader.groups.members()
        for note in self._reader.notes:
            warnings.warn(note, CgcnnMdWarning, stacklevel=2)

    def _prepare(self) -> None:
        """Make room for all frames."""
        groups = self._reader.groups
        self.results.embedding = np.full(
            (self.n_frames, len(groups), self._model.n_features), np.nan, dtype=np.float32
        )  # fmt: skip
        self.results.atom_index = self._reader.environment_index[groups.first]
        self.results.species = np.asarray(groups.names)

    def _single_frame(self) -> None:
        """Embed the frame that the trajectory is at."""
        frame = self._reader[self._ts.frame]
        graph = self._model.graph(frame, self._targets, self._codes, group=self._group)
        self.results.embedding[self._frame_index] = self._model.embed(self._model.features([graph]), *self._rows)
