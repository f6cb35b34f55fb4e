"""The one exception for whatever a user can put right."""

import warnings


class EquinoiseError(Exception):
    """Bad input or a machine that cannot do what was asked.

    The message is one line that says what was wrong and what to do; the command line prints it and exits with 2.
    """


class EquinoiseWarning(UserWarning):
    """Something a user should know about a result that is given all the same."""


def warn(message: str) -> None:
    """Warn the user, once a message and place: a line on stderr of the command line, a Python warning elsewhere."""
    warnings.warn(message, EquinoiseWarning, stacklevel=3)
