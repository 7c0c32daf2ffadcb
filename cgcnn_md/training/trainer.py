"""The optimisation itself: starts tried, the best trained on, its best weights kept."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cgcnn_md.config import TrainConfig
from cgcnn_md.frame import Floats
from cgcnn_md.kernels.threads import side_by_side
from cgcnn_md.nn import Model
from cgcnn_md.objectives import OBJECTIVES, Objective
from cgcnn_md.progress import Progress
from cgcnn_md.training.checkpoint import TrainingState
from cgcnn_md.training.moments import UNTRAINED_NODES, Moments, at_pairs, encode_ends, pair_features
from cgcnn_md.training.pairs import PairBatch, PairSampler
from cgcnn_md.training.records import EpochRecord, write_records

CHECKPOINT = "training.safetensors"
_CLIP = 1.0
_PATIENCE = 4  # epochs without a better held-out score
_TRIAL = 2  # epochs that a start is tried for
_VALIDATION_NODES = 40_000
_FIRST_RATE, _GROWS = 0.1, 1 / 24  # of the peak rate; share of the steps until that is reached
_RIDGES = np.logspace(-3, 4, 15)
_FEWEST_SHARED = 4  # held-out atoms for each feature that a regression on them takes


@dataclass(eq=False)
class Trainer:
    """Trains a model's encoder in place.

    Parameters
    ----------
    model
        The model, on the device where it is trained.
    samplers
        One for each view; a step takes the next.
    settings
        Objective, epochs, seeds and rates.
    progress
        Told every epoch.
    folder
        Where scores and checkpoint go; None for nowhere.
    """

    model: Model
    samplers: Sequence[PairSampler]
    settings: TrainConfig
    progress: Progress
    folder: Path | None

    def __post_init__(self) -> None:
        self.scores: list[float] = []  # of the starts
        self._others: list[NDArray[np.float32]] = []  # features of the starts, of the fixed held-out batches

    def run(self) -> list[EpochRecord]:
        """Train to the end, or until the held-out score stalls; the weights of the best epoch are kept."""
        settings, progress = self.settings, self.progress
        first = self.samplers[0]
        self._fixed = list(first.spread(first.held_out or first.train, _VALIDATION_NODES, seed=2))
        state = self._start()
        going_on = self.folder is not None and state.load(self.folder / CHECKPOINT)
        tried = 1 if going_on else settings.seeds
        extra = (tried - 1) * min(_TRIAL, settings.epochs)
        progress.start("training", settings.epochs - len(state.records) + extra)
        if going_on:
            progress.say(f"training goes on after epoch {len(state.records)}")
        elif tried > 1:
            state = self._best_of(state, tried)
        while len(state.records) < settings.epochs and state.stale < _PATIENCE:
            self._epoch(state)
            self._keep(state)
        progress.finish()
        self.scores, self._others = state.scores, state.others
        self.model.encoder.load_state_dict(state.best)
        return state.records

    def _start(self) -> TrainingState:
        """Begin with the weights that the encoder has."""
        model, settings = self.model, self.settings
        device = model.encoder.species.weight.device
        objective = OBJECTIVES[settings.objective](model.config.n_hidden, len(model.identities)).to(device)
        sizes = {model.encoder: 1.0, objective.head: self._aim(objective)}
        optimiser = torch.optim.Adam(
            [{"params": part.parameters(), "lr": size * settings.learning_rate} for part, size in sizes.items()]
        )
        steps = settings.epochs * settings.steps_per_epoch
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step / steps))
        untrained = score_batches(model, objective, self._fixed)
        return TrainingState(model.encoder, objective, optimiser, schedule, model.lag, untrained, _digest(self._fixed))

    def _aim(self, objective: Objective) -> float:
        """Let the projection start at the slowest coordinates that the encoder has as it is, each species' in turn.

        Returns
        -------
        float
            How much larger its weights are than they were: where atoms are nearly alike, their differences are small.
        """
        head = objective.head.weight
        maps = Moments.of(self.model, self.samplers[0], UNTRAINED_NODES).maps(len(head))
        slow = sorted(
            (rank, -float(c), name)
            for name, mapping in maps.items()
            for rank, c in enumerate(mapping.autocorrelation)
            if c > 0
        )[: len(head)]
        rows = [maps[name].weights[:, rank] / -negative for rank, negative, name in slow]  # of variance 1
        if not rows:
            return 1.0
        with torch.no_grad():
            size = float(np.mean(np.linalg.norm(rows, axis=1))) / float(head.norm(dim=1).mean())
            head *= size
            head[: len(rows)] = torch.from_numpy(np.array(rows)).to(head)
        return size

    def _best_of(self, state: TrainingState, n: int) -> TrainingState:
        """Try n starts for some epochs and go on with the one of the best held-out score."""
        encoder = self.model.encoder
        tried: list[tuple[TrainingState, dict[str, torch.Tensor]]] = []
        features: list[NDArray[np.float32]] = []
        for start in range(n):
            if start > 0:
                torch.manual_seed(self.settings.seed * n + start)
                fresh = Model.new(
                    self.model.species, self.model.config, shortest=self.model.shortest, longest=self.model.longest
                )
                encoder.load_state_dict(fresh.encoder.state_dict())
                state = self._start()
            for _ in range(min(_TRIAL, self.settings.epochs)):
                self._epoch(state)
            tried.append((state, {k: v.detach().clone() for k, v in encoder.state_dict().items()}))
            features.append(self._held_out_features())
        scores = [state.best_epoch for state, _ in tried]
        best = int(np.argmax(scores))
        state, weights = tried[best]
        state.scores, state.others = scores, features[:best] + features[best + 1 :]
        encoder.load_state_dict(weights)
        self._keep(state)
        each = ", ".join(f"{score:.3f}" for score in scores)
        held = "held-out " if self.samplers[0].held_out else ""
        self.progress.say(f"{n} starts, {held}scores {each}: the best is trained on")
        return state

    def _epoch(self, state: TrainingState) -> None:
        """Take the steps of an epoch and note its scores."""
        settings, objective = self.settings, state.objective
        device = self.model.encoder.species.weight.device
        epoch = len(state.records) + 1
        # a generator of its own for each epoch: a resumed training draws what an unbroken one would have
        rng = np.random.default_rng([settings.seed, epoch])
        views = [sampler.random(rng, settings.steps_per_epoch) for sampler in self.samplers]
        began, scores, atoms = time.perf_counter(), [], 0
        for step in range(settings.steps_per_epoch):
            batch = next(views[step % len(views)])
            ends = encode_ends(self.model, batch)
            heard = [end.detach().requires_grad_() for end in ends]
            score = objective(*at_pairs(heard, batch), *_codes([batch], device))
            state.optimiser.zero_grad()
            (-score).backward()
            self._pass_back(ends, heard)
            torch.nn.utils.clip_grad_norm_(self.model.encoder.parameters(), _CLIP)
            state.optimiser.step()
            state.schedule.step()
            scores.append(float(score.detach()))
            atoms += 2 * batch.first.counts[0]
        seconds = time.perf_counter() - began
        rate = float(state.schedule.get_last_lr()[0])
        validation = score_batches(self.model, objective, self._fixed)
        state.note(EpochRecord(epoch, float(np.mean(scores)), validation, rate, atoms / seconds, seconds))
        self.progress.advance(loss=-state.records[-1].train, validation=validation, atoms=atoms)

    def _pass_back(self, ends: list[torch.Tensor], heard: list[torch.Tensor]) -> None:
        """Give the weights their gradient, from that of the features of both ends; each end's is found by itself."""
        weights = [weight for weight in self.model.encoder.parameters() if weight.requires_grad]

        def back(of: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor | None, ...]:
            return torch.autograd.grad(of[0], weights, of[1].grad, allow_unused=True)

        of_ends = side_by_side(back, list(zip(ends, heard, strict=True)), weights[0].device)
        for weight, *parts in zip(weights, *of_ends, strict=True):
            weight.grad = sum((part for part in parts if part is not None), start=torch.zeros_like(weight))

    @torch.no_grad()
    def _held_out_features(self) -> NDArray[np.float32]:
        return np.concatenate([pair_features(self.model, batch)[0].cpu().numpy() for batch in self._fixed])

    def agreement(self) -> dict[str, float]:
        """Tell how far other starts lead to the same slow coordinates.

        Returns
        -------
        dict
            Per species, the share of the slow coordinates' variance that a linear function of another start's features
            explains (least of the starts, which were tried only); fitted to one half of held-out atoms and measured on
            the other. Empty where there was one start.
        """
        if not self._others:
            return {}
        features = self._held_out_features()
        species = np.concatenate([batch.species for batch in self._fixed])
        classes = np.concatenate([batch.classes[:, 0] for batch in self._fixed])
        shares = {}
        for name, mapping in self.model.maps.items():
            mine = np.flatnonzero(species == self.model.kinds.index(name))
            if len(mine) < _FEWEST_SHARED * features.shape[1]:
                continue
            slow = mapping(features[mine], classes[mine])
            shares[name] = min(explained(other[mine], slow) for other in self._others)
        return shares

    def _keep(self, state: TrainingState) -> None:
        if self.folder is not None:
            write_records(self.folder / "training.csv", state.records)
            state.save(self.folder / CHECKPOINT)


def explained(features: NDArray[np.float32], slow: Floats) -> float:
    """Share of the variance of slow coordinates that features explain linearly, on the half that was not fitted.

    By ridge regression: of the few held-out atoms of a rare species, plain least squares explains nothing at all.

    Parameters
    ----------
    features
        Shape (n, n_features).
    slow
        Shape (n, n_coordinates).
    """
    fit, test = slice(0, None, 2), slice(1, None, 2)
    line = make_pipeline(StandardScaler(), RidgeCV(_RIDGES, alpha_per_target=True))
    told = line.fit(features[fit], slow[fit]).predict(features[test])
    return round(float(r2_score(slow[test], told, multioutput="variance_weighted")), 4)


@torch.no_grad()
def score_batches(model: Model, objective: Objective, batches: Sequence[PairBatch]) -> float:
    """Score batches together, so that one small batch does not decide."""
    objective.eval()
    ends = [pair_features(model, b) for b in batches]
    x, y = (torch.cat([e[i] for e in ends]) for i in range(2))
    score = float(objective(x, y, *_codes(batches, x.device)))
    objective.train()
    return score


def _digest(batches: Sequence[PairBatch]) -> str:
    """Hash what tells atoms from others, or from the same at another time: how far their neighbours are."""
    digest = hashlib.sha256()
    for batch in batches:
        digest.update(batch.first.distance.tobytes())
    return digest.hexdigest()


def _codes(batches: Sequence[PairBatch], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the species of all pairs, and the identity classes of both their ends."""
    species, classes = (np.concatenate([getattr(b, of) for b in batches]) for of in ("species", "classes"))
    return torch.from_numpy(species.astype(np.int64)).to(device), torch.from_numpy(classes.astype(np.int64)).to(device)


def _rate(done: float) -> float:
    """Give the learning rate after a share of the steps, of its peak: small steps first, lest what is rare be lost."""
    grown = math.exp(math.log(_FIRST_RATE) * max(1 - done / _GROWS, 0.0))
    return grown * (1 + math.cos(math.pi * min(done, 1.0))) / 2
