"""What an atom's mass says about its element or united atom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

TOLERANCE = 0.1
"""Largest difference in u between a mass and an element's."""

_STRICT = 0.02
# Carbon with its hydrogens in one site, as in GROMOS or TraPPE; CH4 is 0.044 u from O, CH2 0.020 u from N.
_UNITED = {"CH": 13.019, "CH2": 14.027, "CH3": 15.035, "CH4": 16.043}


@cache
def _table() -> tuple[tuple[float, str], ...]:
    """List masses in u with their labels: every element that occurs in nature, and united carbons."""
    from ase.data import atomic_masses, chemical_symbols

    numbers = [z for z in range(1, 84) if z not in (43, 61)] + [90, 92]
    elements = [(float(atomic_masses[z]), chemical_symbols[z]) for z in numbers]
    return tuple(elements + [(mass, label) for label, mass in _UNITED.items()])


def from_mass(mass: float, tolerance: float = TOLERANCE) -> str | None:
    """Resolve a mass to an element or united carbon; None if nothing, or more than one thing, is near.

    Parameters
    ----------
    mass
        Mass in u.
    tolerance
        Largest difference in u.
    """
    near = sorted((abs(mass - known), label) for known, label in _table() if abs(mass - known) < tolerance)
    if not near or (len(near) > 1 and near[0][0] > near[1][0] / 2):
        return None
    return near[0][1]


@dataclass
class MassScale:
    """How far a system's masses can be trusted.

    Parameters
    ----------
    usable
        Whether masses tell species at all.
    factor
        What a mass is multiplied by to be in u.
    tolerance
        Largest difference to an element's mass in u.
    coarse
        Whether some masses are no element's: beads.
    notes
        What the user should know.
    """

    usable: bool = False
    factor: float = 1.0
    tolerance: float = TOLERANCE
    coarse: bool = False
    notes: list[str] = field(default_factory=list)

    def label(self, mass: float | None) -> str | None:
        """Resolve one mass as read from the file.

        Parameters
        ----------
        mass
            Mass in the file's unit, or None.
        """
        return from_mass(mass * self.factor, self.tolerance) if self.usable and mass else None


def judge(masses: Iterable[tuple[float | None, str]]) -> MassScale:
    """Decide from all pairs of mass and atom name of a system what masses are worth.

    Parameters
    ----------
    masses
        Distinct pairs of mass (None if unknown) and atom name (empty if unknown).
    """
    known = [(mass, name) for mass, name in masses if mass]
    if not known:
        return MassScale()
    smallest, largest = min(known)[0], max(known)[0]
    small, whole = largest <= 4, all(mass == round(mass) for mass, _ in known)
    strange = smallest == 1 and any(from_mass(mass) is None for mass, _ in known)
    if (small and whole) or (strange and (small or whole)):
        return MassScale(notes=["masses are in reduced units: they do not tell elements"])
    scale = MassScale(usable=True)
    if largest < 0.5:
        scale.factor = 1000.0
        scale.notes.append("masses are taken as kg/mol")
    values = [(mass * scale.factor, name) for mass, name in known]
    heavy_hydrogen = any(
        1.2 < mass < 4.2 and name.lstrip("0123456789").upper().startswith("H") for mass, name in values
    )
    if heavy_hydrogen and not any(name.upper() == "HE" for _, name in values):
        return MassScale(notes=["hydrogen masses are repartitioned: elements are taken from names"])
    if any(from_mass(mass) is None for mass, _ in values):
        scale.coarse, scale.tolerance = True, _STRICT
    return scale
