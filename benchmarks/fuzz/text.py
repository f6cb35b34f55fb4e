"""Changes to files of text, made from a random generator: JSON, lines of JSON, CSV, TOML, and lists of words."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from random import Random

from pydantic import JsonValue

Mutation = Callable[[bytes, Random], bytes]
"""Content of a file → what is written in its place."""

Place = tuple[int | str, ...]
"""Keys and indexes that lead to a value."""

OUTSIDE = "../outside/secret.png"
"""Lies in the folder beside the one that commands run in; nothing may read or write it."""
ABSOLUTE = "{ABSOLUTE}"
"""Stands for the absolute path of that file in a mutated file; see `running`."""

DEEP = 100_000
"""Levels of nesting; far more than a parser that calls itself can take."""
RAW = "@@raw@@"
TWICE = "@@twice@@"
RAW_VALUES = (
    "[" * DEEP + "]" * DEEP,
    '{"a":' * DEEP + "1" + "}" * DEEP,
    "1" + "0" * 5000,  # longer than Python makes a number of by default
    "1e999",
    "-1e999",
    "NaN",
    "-0.0",
    "01",
    '"\\ud800"',  # half a letter
)
"""Texts that stand where a value belongs."""

ODD_TEXTS = (
    "", " ", "x", "nan", "inf", "-1", "0", "1e308", "1e39", "40.0", "1,240", "80%", "12.5", "unclear", "woman",
    " Woman", "gender", "none", "T", "true",
    "a\nb", 'a"b', "a,b", "a;b", "a=b", "a:b@0=1", "\x00", "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07", "\u202egnp.exe", "[red]x[/red]", "[/]", "[bold", "{0}", "%s", "<script>alert(1)</script>",
    "e\u0301", "é", "😀", "a" * 300, OUTSIDE, ABSOLUTE, "..", "/", "C:\\x", "con", "a/b", "sub\\img0.png",
)  # fmt: skip
"""Texts that a file should not hold, or that are read as something else."""

ODD_VALUES: tuple[JsonValue, ...] = (
    None, True, False, 0, 1, -1, 2, 0.5, -4, 5, 1e308, -1e308, 1e39, 1e-320, 2**31, 2**63, 2**64, -(2**63), 2**70,
    float("nan"), float("inf"), [], {}, [[]], [None], [1, 2, 3], ["a", "b"], {"a": 1}, {"": ""}, [{}],
)  # fmt: skip


def mutate_json(content: bytes, rng: Random) -> bytes:
    """One to three values replaced, removed, doubled or renamed; now and then the text is damaged as text."""
    if rng.random() < 0.12:
        return mutate_text(content, rng)
    return write_json(mutate_value(json.loads(content), rng), rng)


def mutate_value(value: JsonValue, rng: Random) -> JsonValue:
    """A changed JSON value; texts with marks in it become other JSON in `write_json`."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = list(_places(value))
        place = rng.choice(places)
        value = _changed(value, place, rng)
    return value


def write_json(value: JsonValue, rng: Random, indent: int | None = None) -> bytes:
    """The text of a value, with the marks replaced by what they stand for."""
    text = json.dumps(value, indent=indent, ensure_ascii=rng.random() < 0.2)
    text = re.sub(f'"{RAW}(\\d+)"', lambda found: RAW_VALUES[int(found[1])], text)
    return text.replace(f'"{TWICE}', '"').encode("utf-8", "surrogatepass")


def _places(value: JsonValue, at: Place = ()) -> list[Place]:
    """Where every value lies, the whole one included."""
    inside: list[tuple[int | str, JsonValue]] = []
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    return [at, *(place for key, part in inside for place in _places(part, (*at, key)))]


def _changed(value: JsonValue, place: Place, rng: Random) -> JsonValue:
    if not place:
        return _other(value, rng)
    key, *rest = place
    if isinstance(value, dict) and key in value:
        new = dict(value)
        if rest:
            new[str(key)] = _changed(new[str(key)], tuple(rest), rng)
            return new
        return _changed_entry(new, str(key), rng)
    if isinstance(value, list) and isinstance(key, int) and key < len(value):
        items = list(value)
        if rest:
            items[key] = _changed(items[key], tuple(rest), rng)
            return items
        return _changed_item(items, key, rng)
    return value  # an earlier change took the place away


def _changed_entry(table: dict[str, JsonValue], key: str, rng: Random) -> dict[str, JsonValue]:
    match rng.randrange(8):
        case 0:
            del table[key]
        case 1:
            table[TWICE + key] = _other(table[key], rng)
        case 2:
            table[rng.choice((key.upper(), f" {key}", f"{key}s", *ODD_TEXTS))] = table.pop(key)
        case 3:
            table[rng.choice(ODD_TEXTS)] = table[key]
        case _:
            table[key] = _other(table[key], rng)
    return table


def _changed_item(items: list[JsonValue], index: int, rng: Random) -> list[JsonValue]:
    match rng.randrange(6):
        case 0:
            del items[index]
        case 1:
            items.insert(index, items[index])
        case 2:
            items *= rng.choice((2, 1000 if len(items) < 50 else 2))
        case _:
            items[index] = _other(items[index], rng)
    return items


def _other(value: JsonValue, rng: Random) -> JsonValue:
    """Something else than a value: of its own type or of another."""
    one: list[JsonValue] = [value]
    if isinstance(value, int | float) and not isinstance(value, bool) and rng.random() < 0.5:
        numbers: list[JsonValue] = [-value, value + 1, value * 1000, value / 2, float(value)]
        return rng.choice([*numbers, str(value), bool(value), one])
    if isinstance(value, str) and rng.random() < 0.5:
        texts: list[JsonValue] = [value.upper(), f" {value} ", value[:-1], value * 50, len(value)]
        letters: list[JsonValue] = [*value[:40]]
        return rng.choice([*texts, one, letters])
    if rng.random() < 0.15:
        return f"{RAW}{rng.randrange(len(RAW_VALUES))}"
    return rng.choice(ODD_VALUES) if rng.random() < 0.6 else rng.choice(ODD_TEXTS)


def mutate_json_lines(content: bytes, rng: Random) -> bytes:
    """One line changed as JSON, or doubled, left out, moved, or cut."""
    if rng.random() < 0.1:
        return mutate_text(content, rng)
    lines = content.splitlines()
    at = rng.randrange(len(lines))
    match rng.randrange(9):
        case 0:
            lines.insert(rng.randrange(len(lines) + 1), lines[at])
        case 1:
            del lines[at]
        case 2:
            rng.shuffle(lines)
        case 3:
            lines[at] = lines[at][: rng.randrange(len(lines[at]))]
        case 4:
            lines.insert(at, rng.choice((b"", b" ", b"[]", b"null", b"1", b"{}", b"x", b"\x00")))
        case _:
            lines[at] = write_json(mutate_value(json.loads(lines[at]), rng), rng)
    ending = b"" if rng.random() < 0.1 else b"\n"
    return rng.choice((b"\n", b"\n", b"\r\n")).join(lines) + ending


def mutate_csv(content: bytes, rng: Random) -> bytes:
    """One to three cells, rows, columns or names changed; now and then another separator, mark or line ending."""
    if rng.random() < 0.12:
        return mutate_text(content, rng)
    rows = list(csv.reader(io.StringIO(content.decode())))
    for _ in range(rng.choice((1, 1, 2, 3))):
        rows = _changed_rows(rows, rng)
    return _written(rows, rng)


def _changed_rows(rows: list[list[str]], rng: Random) -> list[list[str]]:
    if not rows or not rows[0]:
        return rows
    at = rng.randrange(len(rows))
    column = rng.randrange(len(rows[at])) if rows[at] else 0
    match rng.randrange(14):
        case 0 if rows[at]:
            del rows[at][column]
        case 1:
            rows[at].insert(column, rng.choice(ODD_TEXTS))
        case 2:
            rows.insert(at, list(rows[at]))
        case 3:
            del rows[at]
        case 4:
            rows = [[*row, *row[column : column + 1]] for row in rows]
        case 5:
            rows[0] = [rng.choice((name.upper(), f" {name} ", name.title(), name)) for name in rows[0]]
        case 6:
            rows = [row[column + 1 :] + row[: column + 1] for row in rows]
        case 7:
            rows += [[""] * len(rows[0])] * rng.choice((1, 3))
        case 8 if sum(len(cell) for row in rows for cell in row) < 2000:
            rows = rows[:1] + rows[1:] * 2000
        case 9 if rows[at]:
            rows[at][column] = rng.choice(("9" * 5000, "x" * 200_000, "\n" * 50, "\x00", "\ud800", "−5", "５"))
        case _ if rows[at]:
            rows[at][column] = rng.choice(ODD_TEXTS)
    return rows


def _written(rows: Sequence[Sequence[str]], rng: Random) -> bytes:
    usual = rng.random() < 0.7
    separator = "," if usual else rng.choice((";", "\t", "|", ":", ", "))
    quoted = not usual and len(separator) == 1 and rng.random() < 0.5
    ending = "\n" if usual else rng.choice(("\r\n", "\r", "\n", "\n\n"))
    text = io.StringIO()
    writer = csv.writer(
        text, delimiter=separator[0], quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL, lineterminator=ending
    )
    writer.writerows(rows)
    found = text.getvalue().replace(separator[0], separator) if len(separator) > 1 else text.getvalue()
    mark = rng.choice(("", "", "", f"sep={separator}{ending}", "\ufeff", "#"))
    return (mark + found).encode(rng.choice(("utf-8",) * 8 + ("utf-16", "utf-8-sig", "utf-16-le")), "surrogatepass")


def mutate_toml(content: bytes, rng: Random) -> bytes:
    """One to three lines or values changed, on the text: there is no writer of TOML."""
    if rng.random() < 0.12:
        return mutate_text(content, rng)
    text = content.decode()
    for _ in range(rng.choice((1, 1, 2, 3))):
        text = _changed_toml(text, rng)
    return text.encode("utf-8", "surrogatepass")


def _changed_toml(text: str, rng: Random) -> str:
    lines = text.splitlines()
    at = rng.randrange(len(lines)) if lines else 0
    values = list(re.finditer(r'"[^"]*"|\[[^\[\]]*\]|\b(?:true|false|\d+)\b', text))
    names = list(re.finditer(r"\b[a-z_]+(?= *=)|^\[.*\]$", text, re.MULTILINE))
    match rng.randrange(6):
        case 0 if lines:
            del lines[at]
        case 1 if lines:
            lines.insert(at, lines[at])
        case 2 if names:
            return _replaced(
                text, rng.choice(names), rng.choice(("x", "[x]", "[]", "ordered", "[gender]", "[a.b]", ""))
            )
        case _ if values:
            other = rng.choice((*map(_toml_text, ODD_TEXTS), *TOML_VALUES))
            return _replaced(text, rng.choice(values), other)
    return "\n".join(lines) + "\n"


TOML_VALUES = (
    "1", "-1", "1e308",
    "nan", "inf", "true", '"true"', '"false"', "[]", '[""]', "[[]]", "{}", "{ a = 1 }", "1979-05-27",
    "[1, 2]", "[" * DEEP + "]" * DEEP, "{a=" * 2000 + "1" + "}" * 2000, "9" * 5000, '"a', "''", '"""a\nb"""', "0x1F",
)  # fmt: skip


def _toml_text(text: str) -> str:
    return json.dumps(text) if "\x00" not in text else f'"{text}"'


def _replaced(text: str, place: re.Match[str], other: str) -> str:
    return text[: place.start()] + other + text[place.end() :]


def mutate_words(content: bytes, rng: Random) -> bytes:
    """A list with an entry a line: one to three lines changed."""
    if rng.random() < 0.2:
        return mutate_text(content, rng)
    lines = content.decode().splitlines()
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(lines))
        match rng.randrange(6):
            case 0:
                lines.insert(at, lines[at])
            case 1:
                lines[at] = f"{lines[at]} = {rng.choice(ODD_TEXTS)}"
            case 2:
                lines[at] = f"{rng.choice(ODD_TEXTS)} = {lines[at]}"
            case 3:
                lines += [f"thing {index}" for index in range(rng.choice((1, 300)))]
            case _:
                lines[at] = rng.choice((*ODD_TEXTS, "=", "= a", "a =", "# only", lines[at].upper(), "a" * 100_000))
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass")


def mutate_text(content: bytes, rng: Random) -> bytes:
    """Damage that does not know what the text means."""
    at = rng.randrange(len(content) + 1)
    before, after = content[:at], content[at:]
    odd = (b"\x00", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\x1b[2J", b"\r", b"\xef\xbb\xbf", b"\x85", b"\xe2\x80\xa8")
    marks = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
    code_page = rng.choice(("utf-16", "utf-32", "utf-16-be", "cp500"))
    return rng.choice(
        (
            before,
            b"",
            before + rng.choice(odd) + after,
            rng.choice(marks) + content,
            content.decode("utf-8", "replace").encode(code_page, "replace"),
            before + bytes([rng.choice(b'",;{}[]\\=#')]) * rng.choice((1, 2, 1000)) + after,
            before + b"x" * 1_000_000 + after,
            bytes(rng.randrange(256) for _ in range(rng.choice((1, 16, 1000)))),
            before + after[rng.randrange(len(after) + 1) :],
            content * 2,
        )
    )
