"""Pair sampling, choice of lag, the training loop and the kinetic map that ends it."""

from cgcnn_md.training.loop import train_model
from cgcnn_md.training.records import EpochRecord
from cgcnn_md.training.start import new_model

__all__ = ["EpochRecord", "new_model", "train_model"]
