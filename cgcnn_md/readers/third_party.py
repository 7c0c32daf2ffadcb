"""What MDAnalysis and ASE warn about: known and harmless is dropped, anything else becomes a note."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# Each pattern with the reason why nothing is lost by not showing it.
_HARMLESS = (
    r"Element information is missing",  # species.py decides, and says from what
    r"Unknown element .*found for some atoms",  # the same atoms are resolved or refused by species.py
    r"ATOMIC_NUMBER record not found",  # species.py falls back to masses
    r"Guessed all Masses to 1\.0",  # topology.py never trusts them
    r"Set all atom types to 1",  # the same
    r"No mass column found in dump file",  # the same
    r"Reader has no dt information",  # timeline.py tells the user to pass dt
    r"DCDReader currently makes independent timesteps",  # every frame is copied at once
    r"The (TRZ|MMTF) [Rr]eader is deprecated",  # MDAnalysis 3 drops them, this package pins 2
    r"Cannot write lock/offset file",  # read-only folder: offsets are computed again
    r"Couldn't save offsets|Failed to load offsets|Reading offsets from|Reload offsets",  # the same
    r"1 A\^3 CRYST1 record",  # placeholder box: the frame is taken as not periodic
    r"Unit cell dimensions not found",  # box_kind says "none"
    r"Found no information for attr",  # attributes of written files only
    r"invalid escape sequence",  # DeprecationWarning when third-party modules are first compiled
)


@contextmanager
def third_party(notes: list[str]) -> Iterator[None]:
    """Run third-party code and turn each warning that is not known to be harmless into a note.

    Parameters
    ----------
    notes
        List that the notes are appended to.

    Yields
    ------
    None
        Control, with every warning recorded.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        text = " ".join(str(warning.message).split())
        if issubclass(warning.category, DeprecationWarning | ImportWarning | ResourceWarning):
            continue  # addressed to the developers of the library, not to a user
        note = f"reading library: {text}"
        if note not in notes and not any(re.search(pattern, text) for pattern in _HARMLESS):
            notes.append(note)
