"""What was found, in HTML: the sentences about each group of atoms together, what speaks against them last."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape

_CAUTION = "Caution: "
_SUBJECT = (": ", " cluster", " in ", " bonded to ")  # of a group; its clusters; of one system; of one kind of it


def summary_section(sentences: Sequence[str], names: Collection[str]) -> str:
    """Write sentences as HTML, those that begin with the name of a group of atoms under that name.

    Parameters
    ----------
    sentences
        What was found.
    names
        Names of groups and of species.

    Returns
    -------
    str
        HTML.
    """
    about: dict[str, list[str]] = {}
    general, cautions = [], []
    for sentence in sentences:
        # the longest name first: "C bonded to H" may be a group beside C
        mine = (n for n in sorted(names, key=len, reverse=True) if sentence.startswith(tuple(n + s for s in _SUBJECT)))
        name = next(mine, None)
        if sentence.startswith(_CAUTION):
            cautions.append(sentence.removeprefix(_CAUTION))
        elif name is None:
            general.append(sentence)
        else:
            about.setdefault(name, []).append(sentence.removeprefix(name).removeprefix(":").strip())
    parts = [_under(name, first, rest) for name, (first, *rest) in about.items()]
    parts += [f"<p>{escape(sentence)}</p>" for sentence in general]
    parts += [_under("Cautions", "", cautions)] if cautions else []
    return f'<section class="summary">{"".join(parts)}</section>'


def _under(name: str, first: str, rest: Sequence[str]) -> str:
    """Write a name, a sentence beside it, and a list of others."""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in rest)
    listed = f"<ul>{items}</ul>" if items else ""
    return f"<p><strong>{escape(name)}</strong>{f': {escape(first)}' if first else ''}</p>{listed}"
