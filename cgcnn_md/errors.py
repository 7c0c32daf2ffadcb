"""The error family: every refusal a user can meet, each with the exit code of the contract.

A message names the object, what was got, what was wanted and the remedy, in one line.
"""

from __future__ import annotations


class CgcnnMdError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code = 1


class UsageError(CgcnnMdError, ValueError):
    """An argument or option that cannot be right, whatever the files hold."""

    exit_code = 2


class InputError(CgcnnMdError, ValueError):
    """Input that cannot be read, or that contradicts itself or another input."""

    exit_code = 3


class MissingFileError(InputError, FileNotFoundError):
    """A file that was named is not there."""


class SpeciesError(InputError):
    """An atom whose element or bead type cannot be told, or that a model never saw."""


class StorageError(CgcnnMdError, OSError):
    """A result that cannot be written or read back (full disk, no permission)."""

    exit_code = 3


class BadFrameError(CgcnnMdError, ValueError):
    """A frame that cannot be decoded or holds impossible coordinates."""

    exit_code = 4


class ResumeError(CgcnnMdError, ValueError):
    """An output folder that does not match what is asked to resume."""

    exit_code = 5


class MissingExtraError(CgcnnMdError, ImportError):
    """An optional dependency that a feature needs is not installed."""

    exit_code = 6


class CgcnnMdWarning(UserWarning):
    """Something the user should know although the work goes on."""
