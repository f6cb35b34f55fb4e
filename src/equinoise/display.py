"""Text that came out of files or arguments, made fit to be shown: nothing in it reaches a terminal as a command."""

from __future__ import annotations

import re

UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters of control (ESC among them), marks that turn the direction of text, and bytes that are not UTF-8."""
IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""The same without those that JSON writes as escapes itself, and without the ends of lines between its tokens."""


def plain(text: str) -> str:
    r"""The text in one line, each character that a terminal would obey written as `\x1b`.

    >>> print(plain("a\x1b[31m red\nhat"))
    a\x1b[31m red\nhat
    """
    return UNSHOWN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def plain_lines(text: str) -> str:
    """As `plain`, but for the ends of lines."""
    return "\n".join(map(plain, text.split("\n")))


def plain_json(text: str) -> str:
    """JSON with such characters as escapes of JSON, so that it says the same."""
    return IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
