"""The gated CGCNN encoder and its model file."""

from cgcnn_md.nn.conv import GatedConv
from cgcnn_md.nn.encoder import Encoder
from cgcnn_md.nn.importance import edge_importance, moves
from cgcnn_md.nn.model import Model, load_model

__all__ = ["Encoder", "GatedConv", "Model", "edge_importance", "load_model", "moves"]
