"""Numbers in the cells of tables."""

from __future__ import annotations

import re
from pathlib import Path

from equinoise.errors import EquinoiseError

_WHOLE = re.compile(r"[0-9]{1,17}(\.0*)?")
_DECIMAL = re.compile(r"(?=\.?[0-9])[0-9]{0,17}(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?")
_GROUPED = re.compile(r"[0-9][0-9.,' \u00a0\u202f]*[0-9] ?%?|[0-9] ?%")


def number(text: str, whole: bool, where: str | Path) -> float:
    """A number of at least 0, whole where asked. `40.0` is 40.

    Raises:
        EquinoiseError: it is not; percents, thousands separators and decimal commas are refused with a hint.
    """
    plain = (_WHOLE if whole else _DECIMAL).fullmatch(text)
    value = float(text) if plain else -1.0
    if 0 <= value < 2**53:
        return int(value) if whole else value
    kind = "whole number" if whole else "number"
    grouped = not plain and _GROUPED.fullmatch(text) and not re.fullmatch(r"[0-9]+\.[0-9]+", text)
    hint = "; write plain digits, without %, thousands separators or a decimal comma" if grouped else ""
    raise EquinoiseError(f"{where}: '{text}' is not a {kind} of at least 0{hint}")
