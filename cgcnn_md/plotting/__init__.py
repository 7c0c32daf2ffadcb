"""Figures: data in, Axes out. Colours are safe for colour-blind readers; units are Å and ps."""

from cgcnn_md.plotting.coordination import plot_coordination
from cgcnn_md.plotting.gates import plot_gates
from cgcnn_md.plotting.kinetics import plot_chapman_kolmogorov, plot_lifetimes, plot_timescales
from cgcnn_md.plotting.maps import plot_map
from cgcnn_md.plotting.network import plot_network
from cgcnn_md.plotting.populations import plot_populations
from cgcnn_md.plotting.rdf import plot_rdf
from cgcnn_md.plotting.residence import plot_displacement, plot_residence
from cgcnn_md.plotting.spectrum import plot_spectrum
from cgcnn_md.plotting.style import colours, save_figure
from cgcnn_md.plotting.training import plot_training

__all__ = [
    "colours",
    "plot_chapman_kolmogorov",
    "plot_coordination",
    "plot_displacement",
    "plot_gates",
    "plot_lifetimes",
    "plot_map",
    "plot_network",
    "plot_populations",
    "plot_rdf",
    "plot_residence",
    "plot_spectrum",
    "plot_timescales",
    "plot_training",
    "save_figure",
]
