"""Sphinx configuration; builds without network."""

import sys
from pathlib import Path

import cgcnn_md

sys.path.insert(0, str(Path(__file__).parent))
import cli_reference

cli_reference.write(Path(__file__).parent / "cli.md")

project = "cgcnn_md"
author = "The cgcnn_md developers"
copyright = f"2026, {author}"
release = version = cgcnn_md.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates"]
myst_enable_extensions = ["dollarmath", "amsmath", "deflist"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
napoleon_google_docstring = False
# a record's parameters are its attributes, described once
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"cgcnn_md {release}"
html_show_sourcelink = False
