"""The gated CGCNN encoder and its model file."""

from cgcnn_md.nn.conv import GatedConv
from cgcnn_md.nn.encoder import Encoder
from cgcnn_md.nn.model import Model, load_model

__all__ = ["Encoder", "GatedConv", "Model", "load_model"]
