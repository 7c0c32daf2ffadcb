"""One flag for every setting of `cgcnn_md.config`: name, help, panel; types and defaults come from there."""

from __future__ import annotations

from dataclasses import dataclass

INPUT, MODEL, TRAINING, OUTPUT, MACHINE = "Input", "Model", "Training", "Output", "Machine"
PANELS = (INPUT, MODEL, TRAINING, OUTPUT, MACHINE)


@dataclass(frozen=True)
class Flag:
    """How one setting is spelled on the command line.

    Parameters
    ----------
    names
        Option names, e.g. ``("-k", "--neighbours")``.
    panel
        Heading of `--help` under which it stands.
    help
        What it is, with its unit.
    text
        Placeholder for a value that is given as text and parsed here; None for plain types.
    """

    names: tuple[str, ...]
    panel: str
    help: str
    text: str | None = None


FLAGS: dict[str, Flag] = {
    # ReadConfig
    "select": Flag(("--select",), INPUT, "Atoms that get an embedding, as an MDAnalysis selection; default all."),
    "environment": Flag(
        ("--environment",), INPUT, "Atoms that may be neighbours, as an MDAnalysis selection; default all."
    ),
    "start": Flag(("--start",), INPUT, "First frame, counted from 0; negative counts from the end."),
    "stop": Flag(("--stop",), INPUT, "Frame before which reading ends."),
    "step": Flag(("--step",), INPUT, "Read every n-th frame."),
    "begin": Flag(("-b", "--begin"), INPUT, "First time to read, ps."),
    "end": Flag(("-e", "--end"), INPUT, "Last time to read, ps, included."),
    "dt": Flag(("--dt",), INPUT, "Time between the frames of the file, ps, where the file does not hold it."),
    "species_from": Flag(("--species-from",), INPUT, "Where each atom's element or bead type comes from."),
    "type_map": Flag(
        ("--type-map",),
        INPUT,
        "Species by atom type or name: '1=Si,2=O'.",
        "TYPE=SPECIES,...",
    ),
    "pbc": Flag(
        ("--pbc",),
        INPUT,
        "Directions in which the box repeats: 'xy', 'none'; default as the file says, which for most formats is all.",
    ),
    "on_bad_frame": Flag(
        ("--on-bad-frame",),
        INPUT,
        "What to do at a frame that cannot be read: stop with exit code 4, or skip it.",
    ),
    # ModelConfig
    "k": Flag(("-k", "--neighbours"), MODEL, "Neighbours per atom. Below 20, fcc and hcp look the same."),
    "cutoff": Flag(("--cutoff",), MODEL, "Largest distance of a neighbour, Å."),
    "width": Flag(("--width",), MODEL, "Hidden features per atom."),
    "layers": Flag(("--layers",), MODEL, "Gated convolutions: how many hops an atom sees."),
    "level": Flag(
        ("--level",),
        MODEL,
        "What gets a vector: atoms, or residues, molecules (what bonds hold together) or the bonded pieces of an "
        "MDAnalysis selection, pooled from their atoms; with --select, from selected atoms.",
        "atom|residue|molecule|SELECTION",
    ),
    # TrainConfig
    "objective": Flag(("--objective",), TRAINING, "What training makes large, on pairs of views of the same atom."),
    "view": Flag(
        ("--view",),
        TRAINING,
        "What makes a pair: the same atom one lag later (time), a neighbour of the same species (space), "
        "the same atom with jiggled coordinates (noise), or several joined by '+'; auto takes time where there are "
        "frames enough.",
    ),
    "lag": Flag(
        ("--lag",),
        TRAINING,
        "Time between the two of a pair: '10' (frames), '5ps', '0.1ns'; default chosen by the data.",
        "FRAMES|TIME",
    ),
    "epochs": Flag(("--epochs",), TRAINING, "Most epochs; training stops earlier when validation stalls."),
    "steps_per_epoch": Flag(("--steps-per-epoch",), TRAINING, "Optimiser steps in an epoch."),
    "batch_atoms": Flag(("--batch-atoms",), TRAINING, "Atoms in one view of a batch."),
    "learning_rate": Flag(("--learning-rate",), TRAINING, "Peak of the rate, which rises over the first steps."),
    "validation": Flag(("--validation",), TRAINING, "Share of the frames that is held out, in contiguous blocks."),
    "validate_run": Flag(
        ("--validate-run",),
        TRAINING,
        "Hold out this run whole, in place of ends of each: number of the file in its system, from 1, or its name; may "
        "be given several times.",
    ),
    "seed": Flag(("--seed",), TRAINING, "Seed of weights, sampling, clusters and map."),
    "seeds": Flag(("--seeds",), TRAINING, "Starts that are tried for two epochs; the best on held-out time goes on."),
    "states": Flag(("--states",), TRAINING, "Soft states per species, trained with VAMP-2, in place of clusters."),
    # machine
    "device": Flag(("--device",), MACHINE, "auto, cpu, cuda, or any torch device."),
    "threads": Flag(("--threads",), MACHINE, "CPU threads; default all."),
    # StoreConfig
    "features": Flag(
        ("--features",),
        OUTPUT,
        "Slow coordinates stored per atom, or 'hidden' for the encoder's raw features.",
        "N|hidden",
    ),
    "dtype": Flag(("--dtype",), OUTPUT, "Number format of the stored embedding."),
    "group_by": Flag(
        ("--group-by",),
        OUTPUT,
        "Atoms among which clusters are sought: those of a species (kinds by what they are bonded to apart, where "
        "these differ), of an identity class (place in the molecule), or of a topology type.",
    ),
    "map_points": Flag(("--map-points",), OUTPUT, "Atoms drawn in the 2-D map, over all frames."),
}
