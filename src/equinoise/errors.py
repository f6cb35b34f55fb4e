"""The one exception for whatever a user can put right."""

import warnings
from collections.abc import Sequence

MOST_LISTED = 12
"""Names in a message; of more the first so many are given."""


class EquinoiseError(Exception):
    """Bad input or a machine that cannot do what was asked.

    The message is one line that says what was wrong and what to do; the command line prints it and exits with 2.
    """


class EquinoiseWarning(UserWarning):
    """Something a user should know about a result that is given all the same."""


def warn(message: str) -> None:
    """Warn the user, once a message and place: a line on stderr of the command line, a Python warning elsewhere."""
    warnings.warn(message, EquinoiseWarning, stacklevel=3)


def reason_of(error: Exception) -> str:
    """What a library said, in one line of at most 160 characters; the kind of error where it said nothing."""
    return " ".join(str(error).split())[:160] or type(error).__name__


def listed(names: Sequence[str]) -> str:
    """Names for a message: all of some, the first of many.

    >>> listed([str(n) for n in range(14)])
    '0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more'
    """
    more = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
