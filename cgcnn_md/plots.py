"""The figures of a finished run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cgcnn_md.errors import MissingFileError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

    from cgcnn_md.results import Embedding


class Plots:
    """Figures of one result; each method takes an Axes or a Figure, or makes a figure, and returns the Axes.

    Parameters
    ----------
    result
        Whose figures.
    """

    def __init__(self, result: Embedding) -> None:
        self._result = result

    def map(self, ax: Axes | FigureBase | None = None, **options: Any) -> Axes:
        """Draw the map, a panel per species; options of `plotting.plot_map`."""
        from cgcnn_md.plotting import plot_map

        return plot_map(self._result.map, self._result.clusters, _canvas(ax), **options)

    def spectrum(self, ax: Axes | FigureBase | None = None, **options: Any) -> Axes:
        """Draw how slow each coordinate is; options of `plotting.plot_spectrum`."""
        from cgcnn_md.analysis.census import step_time
        from cgcnn_md.analysis.surrogates import timeless
        from cgcnn_md.config import in_time
        from cgcnn_md.kinetic_map import read_maps
        from cgcnn_md.plotting import plot_spectrum

        stores, table = self._result.stores(), self._result.timescales
        store = stores[0]
        embedded = set().union(*(s.species.tolist() for s in stores))  # others are in the surroundings only
        kept = self._result.provenance.get("kept", store.attrs.get("kept"))
        model = self._result.path / "model.safetensors"
        lag = step_time(store) * float(store.attrs.get("lag") or "nan")
        if model.is_file():  # the bars are of its training, whatever was encoded
            header = read_maps(model)[1]
            lag = float(header["lag"]) * float(header["dt"])
        timed = in_time(str(store.attrs.get("view", "time")))
        try:
            found = self._result.shuffled
            shuffled = None if found.empty else found  # of a frame alone
        except MissingFileError:  # pairs were not made by time
            shuffled = None
        if shuffled is not None:
            none = shuffled.loc[timeless(shuffled), ["species", "feature"]].agg(tuple, axis=1)
            denied = table[["species", "feature"]].agg(tuple, axis=1).isin(set(none))
            table = table.assign(timescale_ps=table["timescale_ps"].mask(denied))
        options = {"kept": kept, "lag": lag if lag > 0 else None, "shuffled": shuffled, "timed": timed, **options}
        return plot_spectrum(table[table["species"].isin(embedded)], ax=_canvas(ax), **options)

    def populations(self, ax: Axes | FigureBase | None = None, **options: Any) -> Axes:
        """Draw the share of every cluster in time; options of `plotting.plot_populations`."""
        from cgcnn_md.analysis.populations import populations_in_time
        from cgcnn_md.plotting import plot_populations

        clusters = self._result.clusters
        series = populations_in_time(self._result.stores(), n_clusters=len(clusters))
        return plot_populations(series, clusters, _canvas(ax), **options)

    def coordination(self, ax: Axes | FigureBase | None = None, **options: Any) -> Axes:
        """Draw how many neighbours atoms of each cluster have; options of `plotting.plot_coordination`."""
        from cgcnn_md.plotting import plot_coordination

        return plot_coordination(self._result.coordination, self._result.clusters, _canvas(ax), **options)

    def rdf(self, ax: Axes | FigureBase | None = None, **options: Any) -> Axes:
        """Draw what surrounds each cluster; options of `plotting.plot_rdf`."""
        from cgcnn_md.plotting import plot_rdf

        return plot_rdf(self._result.rdf, self._result.clusters, _canvas(ax), **options)

    def gates(self, ax: Axes | FigureBase | None = None, **options: Any) -> Axes:
        """Draw how much neighbours count, by distance; options of `plotting.plot_gates`."""
        from cgcnn_md.plotting import plot_gates

        return plot_gates(self._result.gates, _canvas(ax), **options)

    def training(self, ax: Axes | FigureBase | None = None, **options: Any) -> Axes:
        """Draw the score of every epoch; options of `plotting.plot_training`."""
        from cgcnn_md.plotting import plot_training

        return plot_training(self._result.training, _canvas(ax), **options)

    def timescales(self, ax: Axes | FigureBase | None = None, **options: Any) -> Axes:
        """Draw relaxation times against the lag; options of `plotting.plot_timescales`."""
        from cgcnn_md.plotting import plot_timescales

        return plot_timescales(self._result.kinetics, _canvas(ax), **options)

    def chapman_kolmogorov(self, ax: Axes | FigureBase | None = None, **options: Any) -> Axes:
        """Draw predicted against counted probabilities; options of `plotting.plot_chapman_kolmogorov`."""
        from cgcnn_md.plotting import plot_chapman_kolmogorov

        return plot_chapman_kolmogorov(self._result.kinetics, self._result.clusters, _canvas(ax), **options)

    def network(self, ax: Axes | FigureBase | None = None, **options: Any) -> Axes:
        """Draw clusters and the rates between them; options of `plotting.plot_network`."""
        from cgcnn_md.plotting import plot_network

        return plot_network(self._result.kinetics, self._result.clusters, _canvas(ax), **options)

    def lifetimes(self, ax: Axes | FigureBase | None = None, **options: Any) -> Axes:
        """Draw how long atoms stay; options of `plotting.plot_lifetimes`."""
        from cgcnn_md.plotting import plot_lifetimes

        return plot_lifetimes(self._result.kinetics, self._result.clusters, _canvas(ax), **options)

    def residence(self, ax: Axes | FigureBase | None = None, **options: Any) -> Axes:
        """Draw how probably atoms are still, or again, in their cluster; options of `plotting.plot_residence`."""
        from cgcnn_md.plotting import plot_residence

        return plot_residence(self._result.residence, self._result.clusters, _canvas(ax), **options)

    def displacement(self, ax: Axes | FigureBase | None = None, **options: Any) -> Axes:
        """Draw how far atoms move in their cluster; options of `plotting.plot_displacement`."""
        from cgcnn_md.plotting import plot_displacement

        return plot_displacement(self._result.displacements, self._result.clusters, _canvas(ax), **options)


def _canvas(ax: Axes | FigureBase | None) -> Axes | FigureBase | None:
    """In a notebook, let pyplot own the new figure, so that it is shown."""
    import sys

    pyplot = sys.modules.get("matplotlib.pyplot")
    if ax is not None or pyplot is None or "inline" not in pyplot.get_backend().lower():
        return ax
    figure: FigureBase = pyplot.figure(layout="constrained")
    return figure
