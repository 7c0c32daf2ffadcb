"""Graphs of the k nearest periodic neighbours around target atoms, and batches of them."""

from cgcnn_md.graph.batch import batch_graphs
from cgcnn_md.graph.block import compact_block
from cgcnn_md.graph.knn import KnnGraph, edge_weight, knn_graph
from cgcnn_md.graph.occlude import with_copies

__all__ = ["KnnGraph", "batch_graphs", "compact_block", "edge_weight", "knn_graph", "with_copies"]
