"""What an atom name says about its element, given the residue that it stands in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

VIRTUAL = "virtual site"


def _words(text: str) -> frozenset[str]:
    """Split a list of words."""
    return frozenset(text.split())


WATER = _words("""
    SOL WAT HOH H2O DOD TIP TIP2 TIP3 TIP4 TIP5 TIP3P TIP4P TIP5P TP3 TP4 TP5 T3P T4P T5P TIPS3P SPC SPCE
    OPC OPC3 SPCF TIP4EW TIP4PEW T4E T4I TIP4I ICE HO4 HO5 SWM4 SWM6
""")
_BIOMOLECULES = _words("""
    ALA ARG ASN ASP CYS GLN GLU GLY HIS ILE LEU LYS MET PHE PRO SER THR TRP TYR VAL ACE NME NMA NH2 NAC
    HSD HSE HSP HID HIE HIP HISA HISB HISD HISE HISH CYX CYM CYS2 CYSH ASH ASPH GLH GLUH LYN LYSH ARGN
    MSE A C G T U DA DC DG DT DA5 DC5 DG5 DT5 DA3 DC3 DG3 DT3 RA RC RG RU ADE CYT GUA THY URA ATP ADP
    AMP GTP GDP NAD NADP FAD FMN HEM HEME POPC POPE POPG DPPC DOPC DOPE DMPC DSPC DLPC CHOL CHL1 PA PC
    PE OL LIG UNK PEO PEG TFSI TFS PMMA PS PP
""")
_ION_NAMES = {
    "SOD": "Na", "CLA": "Cl", "POT": "K", "CAL": "Ca", "CES": "Cs", "LIT": "Li", "RUB": "Rb", "CAD": "Cd",
    "BAR": "Ba", "IOD": "I", "BRO": "Br", "CIO": "Cs", "IM": "Cl", "IP": "Na", "IB": "Br",
}  # fmt: skip
# Two letters that in an organic residue name an atom by its place: alpha carbon, gamma hydrogen, ...
_PLACES = _words("CA CD CE CF CM CO CS HE HF HG HO HS NA NB ND NE NP NO OS PA PB SG SD")
# metals whose first letter is another element's; in a ligand these two letters may be either
_METALS = _words("PT PD PR CU CR NI IR IN SN SR SC SB SM BA BE BI")
_ALWAYS_TWO = frozenset(("CL", "BR", "SI", "FE"))  # ligands hold these; C+L, B+R, S+I, F+E are no places
_BEADS = ({"NC3", "PO4"}, {"GL1", "GL2"}, {"BB", "SC1"})  # Martini lipids and proteins


@cache
def symbols() -> dict[str, str]:
    """Give every element symbol by its upper-case form, deuterium and tritium as hydrogen."""
    from ase.data import chemical_symbols

    return {symbol.upper(): symbol for symbol in chemical_symbols[1:]} | {"D": "H", "T": "H"}


def element(text: str) -> str | None:
    """Normalise an element symbol (`CL` becomes `Cl`), or give None if it is none.

    Parameters
    ----------
    text
        Symbol in any capitalisation, possibly with a charge.
    """
    return symbols().get(re.sub(r"[\s\d+-]", "", text).upper())


def letters(name: str) -> str:
    """Give the first run of letters of an atom name, as written.

    Parameters
    ----------
    name
        Atom name, e.g. ``1HB2`` or ``CA``.
    """
    found = re.search(r"[A-Za-z]+", name)
    return found.group() if found else ""


def is_virtual_name(name: str, resname: str) -> bool:
    """Tell whether a name is that of a massless site (MW, M, EP, LP, ...).

    Parameters
    ----------
    name, resname
        Atom and residue name.
    """
    text = name.upper()
    if resname.upper() in WATER and re.fullmatch(r"(M|MW|OM|EP|EPW|LP|LPW|L|E|IW|XX)\d*", text):
        return True
    return re.fullmatch(r"(MW|EPW|EP|LP|LPW|DUM|VS|MCH3|MNH3?)\d*[A-D]?", text) is not None


def from_name(name: str, resname: str, siblings: Iterable[str], lone: bool) -> str | None:
    """Resolve an atom name to an element, or give None where it cannot be told safely.

    Parameters
    ----------
    name, resname
        Atom and residue name; an unknown residue name is the empty string.
    siblings
        Names of all atoms in residues of that name.
    lone
        Whether residues of that name hold a single atom.
    """
    residue = re.sub(r"[\d+-]+$", "", resname.upper())
    stem = letters(name)
    upper = stem.upper()
    if not stem or (residue in ("W", "WF", "PW", "WN") and upper in ("W", "WF", "WN")):
        return None
    if resname.upper() in WATER:
        return {"O": "O", "H": "H", "D": "H"}.get(upper[0])
    biomolecule = resname.upper() in _BIOMOLECULES
    if not biomolecule and (lone or residue == upper):
        return _ION_NAMES.get(upper) or symbols().get(upper) or (symbols().get(residue) if lone else None)
    if biomolecule:
        if upper[:2] in ("CL", "BR", "FE", "SE", "LI", "MG", "ZN", "SI"):
            return symbols()[upper[:2]]
        if upper[:2] in _METALS:
            return None
        return upper[0] if upper[0] in "HCNOSPFBI" else None
    return _by_letters(stem, _is_organic(siblings))


@cache
def _natural() -> dict[str, str]:
    """Give the symbols of elements that occur in nature: a name `CM1` is no curium."""
    from ase.data import atomic_numbers

    return {key: value for key, value in symbols().items() if atomic_numbers[value] not in (43, 61, *range(84, 119))}


def _by_letters(stem: str, organic: bool) -> str | None:
    """Choose between a one-letter and a two-letter symbol at the start of a name."""
    upper, table = stem.upper(), _natural() | {"U": "U"}
    common = upper[:2] in _ALWAYS_TWO
    two = table.get(upper[:2]) if len(upper) == 2 or common else None
    one = table.get(upper[0]) if len(upper) == 1 or upper[0] in "HCNOSP" else None
    if common or two is None or one is None:
        return two or one
    if not organic:
        return two
    mixed_case = stem[0].isupper() and stem[1].islower()  # Na: sodium, or nitrogen alpha?
    return one if upper in _PLACES and not mixed_case else None


def _is_organic(siblings: Iterable[str]) -> bool:
    """Tell whether a residue holds hydrogen or carbon by name (H1, C12, ...)."""
    return any(re.fullmatch(r"\d*[HC](\d+\w?)?|\d*H[A-Z]?\d*", name.upper()) for name in siblings)


def looks_coarse(names: set[str], resnames: set[str]) -> bool:
    """Tell a coarse-grained model by the names that Martini gives its beads.

    Parameters
    ----------
    names, resnames
        All atom and residue names of the system.
    """
    upper = {name.upper() for name in names}
    water_bead = bool({"W", "WF"} & upper) and bool({"W", "WF", "PW", "WN"} & {name.upper() for name in resnames})
    backbone = "BB" in upper and "CA" not in upper
    return water_bead or backbone or any(signature <= upper for signature in _BEADS)
