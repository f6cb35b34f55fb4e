"""The cases: which input, by which arguments, and what is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cases.expected import Counted, Ended, Expected, Images, NothingKept, Pictures, Refused, Seeds, Shares

GENDER = ("--axis", "gender")
EMOJI = ("--detector", "emoji")


@dataclass(frozen=True)
class Case:
    """A command, and what may come out of it.

    Attributes:
        name: of the case, for the table.
        arguments: after `audit`; `NEW` stands for a folder that does not exist yet.
        right: one of these is to hold.
    """

    name: str
    arguments: tuple[str, ...]
    right: tuple[Expected, ...]

    def is_right(self, ended: Ended) -> bool:
        """Whether one of them does."""
        return any(expected.holds(ended) for expected in self.right)


def case(name: str, *right: Expected, more: Sequence[str] = (), axis: str = "gender") -> Case:
    """A case whose source is its name."""
    return Case(name, (name, "--axis", axis, *more), right)


def refused(*patterns: str) -> Refused:
    """Exit 2 with a line in which each of the patterns is found."""
    return Refused(patterns)


def women_men(concept: str, women: int, men: int, *warned: str) -> Counted:
    """A concept's counts on the axis gender."""
    counts = {name: n for name, n in (("woman", women), ("man", men)) if n}
    return Counted({(concept, "gender"): counts}, warned)


NURSES = women_men("nurse", 40, 10)
ONE_EACH = women_men("a nurse", 1, 1)
KEPT = ("-o", "NEW")


def cases(root: Path) -> list[Case]:
    """Every case; `root` is the folder they lie in."""
    return [*_tables(), *_metadata(), *_images(root)]


def _tables() -> list[Case]:
    excel = [case(f"csv_excel/{name}.csv", NURSES) for name in ("utf16", "sepline")]
    tails = [case(f"csv_excel_tail/{name}.csv", NURSES) for name in ("cr", "commas", "caps")]
    # a file without a mark may be in any code page: read, or refused with what to do
    cp1252 = (women_men("Krankenpfläger", 40, 10), refused("UTF-8", "save|export|convert"))
    race = Counted({("x", "fairface-race"): {"latino-hispanic": 4, "east-asian": 10, "white": 10}})
    age = Counted({("x", "fairface-age"): {"over-69": 4, "20-29": 10}})
    return [
        case("csv_unquoted_comma/labels.csv", refused(r"line 4\b")),
        case("csv_axis_case/labels.csv", women_men("nurse", 45, 55), refused("Gender")),
        case("csv_excel/cp1252.csv", *cp1252),
        *excel,
        *tails,
        case("csv_numbers/floats.csv", NURSES),
        case("csv_numbers/percent.csv", refused("80%", "percent|per cent|share|without %")),
        case("csv_numbers/thousands.csv", refused("1,240", "thousand|separator|without commas|1240")),
        case("csv_semicolon/labels.csv", NURSES, refused("semicolon|comma|separat")),
        case("no_count/labels.csv", women_men("nurse", 2, 1), refused("count.*(such as|give|add)")),
        case("fairface_wide/test_outputs.csv", _any_concept(1, 2), refused("fairface|such as")),
        Case("fairface_labels/race.csv", ("fairface_labels/race.csv", "--axis", "fairface-race"), (race,)),
        Case("fairface_labels/age.csv", ("fairface_labels/age.csv", "--axis", "fairface-age"), (age,)),
        case("deepface_json/out.json", _any_concept(1, 0), refused("deepface|such as")),
        Case("labels_twice", ("labels_twice/labels.csv",) * 2 + GENDER, (refused("twice|same|copy|copies|identical"),)),
        Case(
            "axis_bom/hat.toml",
            ("labels_twice/labels.csv", "--axis", "axis_bom/hat.toml"),
            (refused("no rows of axis 'hat'"),),  # the axis was read: these labels say nothing of hats
        ),
        Case(
            "model_names",
            ("model_names/civitai/dreamshaper_8.safetensors", "--concept", "a cat", *GENDER),
            (refused("single-file"), refused("cannot (load|read)")),
        ),
    ]


@dataclass(frozen=True)
class OneConcept:
    """Counts on the axis gender of a single concept, whatever the concept is called."""

    shares: Shares

    def holds(self, ended: Ended) -> bool:
        """Whether these are the only counts."""
        return ended.code == 0 and list(ended.audits.values()) == [self.shares]


def _any_concept(women: int, men: int) -> OneConcept:
    return OneConcept({name: n for name, n in (("woman", women), ("man", men)) if n})


def _metadata() -> list[Case]:
    smiling = Counted(
        {
            ("a photo of a nurse, smiling", "gender"): {"woman": 2},
            ("a photo of a nurse", "gender"): {"man": 2},
        }
    )
    splits = Counted({("a nurse", "gender"): {"woman": 2}, ("a pilot", "gender"): {"man": 2}})
    numbers = Counted({("a nurse", "g"): {"0": 1, "1": 1}})
    words = [
        case(f"meta_label_words/{folder}", Counted({("a nurse", "gender"): {"man": 1, "unclear": 1}}), refused(said))
        for folder, said in (("Unknown", "Unknown"), ("N_A", "N/A"), ("nan", "nan"))
    ]
    left_out = r"\b2 (images|files)|no row"
    hexadecimal = (Seeds(ONE_EACH, (12, 31)), refused("0x1F"))
    return [
        case("meta_comma/d", refused(r"line 2\b"), smiling),
        case("meta_header_space/d", women_men("a nurse", 3, 1)),
        case("meta_nested/d", splits, refused("metadata", "train|test")),
        case("meta_both/d", refused(r"metadata\.csv", r"metadata\.jsonl")),
        case("meta_int_labels/d", numbers, axis="meta_int_labels/g.toml"),
        case("meta_int_labels/c", numbers, axis="meta_int_labels/g.toml"),
        case("meta_bom/d", ONE_EACH),
        case("meta_label_words/woman_", ONE_EACH),
        case("meta_label_words/Woman", ONE_EACH),
        *words,
        case("meta_extra/d", women_men("a nurse", 1, 1, left_out)),
        case("meta_backslash/d", ONE_EACH),
        case("meta_seed_float/d", *hexadecimal, more=KEPT),
        case("csv_excel_tail/d", ONE_EACH),
    ]


def _images(root: Path) -> list[Case]:
    twice = Images({"d": 2})
    ending = (Images({"d": 3}), Images({"d": 1}, (r"1\.jfif|\.jfif", r"2\.avif|\.avif")))
    flat = Images({"woman": 4, "man": 4}, ("class",))
    broken = NothingKept(refused(r"img9\.png"))
    return [
        case("img_16bit/d", Pictures(root / "img_16bit" / "twin" / "a8.png"), axis="tone", more=(*EMOJI, *KEPT)),
        case("img_missing_ext/d", *ending, more=EMOJI),
        case("img_hidden/d", twice, more=EMOJI),
        case("img_appledouble/d", twice, more=EMOJI),
        case("img_dup/d", twice, more=EMOJI),
        case("img_lastbroken/d", broken, more=(*EMOJI, *KEPT)),
        case("img_huge/d", refused("too large", r"limit|at most|more than|up to"), more=EMOJI),
        case("img_flat/d", flat, more=EMOJI),
    ]
