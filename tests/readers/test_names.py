"""Names and masses that mean an element, and those that only look like one."""

from __future__ import annotations

import pytest

from cgcnn_md.readers.masses import from_mass, judge
from cgcnn_md.readers.names import element, from_name, is_virtual_name, looks_coarse

PROTEIN = ("N", "CA", "C", "O", "HA", "CB")
ORGANIC = ("C1", "C2", "H1", "O1", "NA", "CA")
SALT = ("NA", "CL")


@pytest.mark.parametrize(
    ("name", "resname", "siblings", "lone", "expected"),
    [
        ("CA", "ALA", PROTEIN, False, "C"),
        ("PT1", "LIG", ("PT1", "N1", "CL1"), False, None),
        ("NI", "HEM", ("NI", "NA", "C1"), False, None),
        ("NA", "HEM", ("NI", "NA", "C1"), False, "N"),
        ("CR1", "LIG", ("CR1", "N1"), False, None),
        ("SB", "UNK", ("SB", "C1"), False, None),
        ("BI1", "LIG", ("BI1", "O1"), False, None),
        ("B1", "LIG", ("B1", "O1"), False, "B"),
        ("NH1", "ARG", PROTEIN, False, "N"),
        ("OG1", "THR", PROTEIN, False, "O"),
        ("CMA", "HEM", ("FE", "NA", "CHA", "HHA"), False, "C"),
        ("CD1", "ILE", PROTEIN, False, "C"),
        ("CA", "ALA", ("CA",), True, "C"),  # a model of alpha carbons alone
        ("CA", "CA", ("CA",), True, "Ca"),
        ("CAL", "CAL", ("CAL",), True, "Ca"),
        ("CA", "CA2+", ("CA",), True, "Ca"),
        ("CL", "CL-", ("CL",), True, "Cl"),
        ("CL1", "XYZ", ORGANIC, False, "Cl"),
        ("SOD", "SOD", ("SOD",), True, "Na"),
        ("NA", "NA", ("NA",), True, "Na"),
        ("NA", "NACL", SALT, False, "Na"),
        ("NA", "XYZ", ORGANIC, False, "N"),
        ("Na", "XYZ", ORGANIC, False, None),  # sodium, or a nitrogen alpha
        ("SN", "SNO", ("SN", "O"), False, "Sn"),
        ("SN", "XYZ", ORGANIC, False, None),
        ("HG1", "THR", PROTEIN, False, "H"),
        ("1HB2", "ALA", PROTEIN, False, "H"),
        ("FE", "HEM", ("FE", "NA", "CHA", "HHA"), False, "Fe"),
        ("NA", "HEM", ("FE", "NA", "CHA", "HHA"), False, "N"),
        ("OW", "SOL", ("OW", "HW1", "HW2"), False, "O"),
        ("OH2", "TIP3", ("OH2", "H1", "H2"), False, "O"),
        ("W", "W", ("W",), True, None),  # Martini water is not tungsten
        ("Si", "SYS", ("Si", "O"), False, "Si"),
        ("BB", "XXX", ("BB", "SC1"), False, None),
        ("GL1", "DPP", ("NC3", "GL1"), False, None),
        ("CM1", "MOL", ("CM1", "H1"), False, "C"),  # no curium
    ],
)
def test_name_in_its_residue(name, resname, siblings, lone, expected):
    assert from_name(name, resname, siblings, lone) == expected


@pytest.mark.parametrize(("text", "symbol"), [("CL", "Cl"), ("na+", "Na"), ("D", "H"), ("X", None), ("", None)])
def test_capitalisation_of_symbols(text, symbol):
    assert element(text) == symbol


@pytest.mark.parametrize(
    ("name", "resname", "site"),
    [("MW", "SOL", True), ("M", "HOH", True), ("EPW", "WAT", True), ("LP1", "LIG", True), ("M", "LIG", False),
     ("MG", "MG", False), ("OW", "SOL", False), ("HW1", "SOL", False)],
)  # fmt: skip
def test_names_of_massless_sites(name, resname, site):
    assert is_virtual_name(name, resname) is site


def test_martini_is_known_by_its_beads():
    assert looks_coarse({"BB", "SC1"}, {"ALA"})
    assert looks_coarse({"NC3", "PO4", "GL1"}, {"DPPC"})
    assert looks_coarse({"A", "W"}, {"POL", "W"})
    assert not looks_coarse({"N", "CA", "C", "O"}, {"ALA"})


@pytest.mark.parametrize(
    ("mass", "label"),
    [
        (1.008, "H"), (12.01, "C"), (14.01, "N"), (14.0027, "N"), (15.9994, "O"), (16.0, "O"), (35.45, "Cl"),
        (28.0855, "Si"), (40.08, "Ca"), (39.95, "Ar"), (14.027, "CH2"), (15.035, "CH3"), (13.019, "CH"),
        (16.043, "CH4"), (40.0, None), (72.0, None),
    ],
)  # fmt: skip
def test_mass_to_element_or_united_carbon(mass, label):
    assert from_mass(mass) == label


def test_masses_that_are_not_to_be_trusted():
    for reduced in ([1.0, 1.0], [1.0, 2.0], [1.0, 1.5], [1.0, 100.0]):  # the unit of mass, not hydrogen
        assert not judge([(mass, "") for mass in reduced]).usable
    for real in ([1.0, 12.0, 16.0], [1.008, 15.999], [1.008, 2.014], [72.0, 54.0]):
        assert judge([(mass, "") for mass in real]).usable
    assert not judge([(0.0, "A"), (None, "B")]).usable
    repartitioned = judge([(3.024, "H1"), (9.995, "C1"), (11.991, "N1")])  # that nitrogen weighs a carbon
    assert not repartitioned.usable
    assert "repartitioned" in repartitioned.notes[0]
    molar = judge([(0.012, "C"), (0.016, "O")])
    assert (molar.label(0.012), molar.label(0.016)) == ("C", "O")
    martini = judge([(72.0, "BB"), (45.0, "SC1")])
    assert martini.coarse
    assert martini.label(45.0) is None  # no scandium
