"""Tables that people and other tools write: read to the same numbers, or refused with a line."""

from __future__ import annotations

import csv
import io
import json
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equinoise import Counts, EquinoiseError, audit_counts, load_axis
from equinoise.axes import Axis
from equinoise.errors import EquinoiseWarning
from equinoise.files import read_json, read_text, typed
from equinoise.results.audits import Audit
from equinoise.run import Record
from equinoise.runtime.model import require_concepts
from equinoise.tables import number, read_counted, read_rows
from equinoise.tables.foreign import read_foreign
from equinoise.understanding.audit import Measures
from equinoise.understanding.calibration import calibrations_for
from equinoise.understanding.counts import tally
from equinoise.understanding.reference import read_reference
from equinoise.understanding.targets import plan_targets
from equinoise.understanding.wordings import read_attributes
from equinoise.workflows.checking import check

Cli = Callable[..., Any]
GENDER = load_axis("gender")
HEADER = "concept,axis,class,count"
NURSE = f"{HEADER}\nnurse,gender,woman,40\nnurse,gender,man,10\n"


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def shares(path: Path, axis: str = "gender") -> dict[str, int]:
    """Counts by class of the only concept."""
    (audit,) = audit_counts(path, axes=axis).audits
    return {name: found.count for name, found in audit.classes.items() if found.count}


READ = {
    "a mark of UTF-8": b"\xef\xbb\xbf" + NURSE.encode(),
    "UTF-16 with tabs, as Excel's Unicode text": NURSE.replace(",", "\t").replace("\n", "\r\n").encode("utf-16"),
    "UTF-16, high byte first": b"\xfe\xff" + NURSE.encode("utf-16-be"),
    "a sep line": "sep=,\r\n" + NURSE,
    "a sep line of semicolons": '"sep=;"\r\n' + NURSE.replace(",", ";"),
    "semicolons": NURSE.replace(",", ";"),
    "tabs": NURSE.replace(",", "\t"),
    "old Mac ends of lines": NURSE.replace("\n", "\r"),
    "a header in capitals": NURSE.replace("concept,axis,class", "Concept, AXIS ,Class"),
    "empty rows": f"\n{NURSE}\n,,,\n , , ,\n,,\n",
    "spaces": NURSE.replace(",", " , "),
    "classes in capitals": NURSE.replace("woman", "WOMAN").replace("gender,man", "Gender,Man "),
    "words for classes": NURSE.replace("woman", "Female").replace(",man", ",male"),
    "decimals": NURSE.replace("40", "40.0").replace("10", "10."),
    "rows without a count": "concept,axis,class\n" + "nurse,gender,woman\n" * 40 + "nurse,gender,man\n" * 10,
    "numbers of rows, as pandas writes them": f",{HEADER}\n0,nurse,gender,woman,40\n1,nurse,gender,man,10\n",
    "columns without a name": f"{HEADER},,\nnurse,gender,woman,40,,\nnurse,gender,man,10,,\n",
    "another column with a semicolon": f"{HEADER},a;b\nnurse,gender,woman,40,1;2\nnurse,gender,man,10,\n",
}


@pytest.mark.parametrize("how", READ)
def test_a_table_is_read_however_it_is_written(tmp_path: Path, how: str) -> None:
    assert shares(written(tmp_path / "labels.csv", READ[how])) == {"woman": 40, "man": 10}


REFUSED = {
    "an unquoted comma": (f"{HEADER}\na,gender,man,3\na, b,gender,man,3\n", "line 3: too many columns: 5 values where"),
    "a short row": (f"{HEADER}\n\na,gender,man\n", "line 3: too few columns: 3 values where the header has 4"),
    "a line below a quoted end of line": (f'{HEADER}\n"a\nb",gender,man,3\na,b\n', "line 4: too few columns"),
    "semicolons and a comma more": (f"{HEADER}\na;b\n".replace(",", ";"), "line 2: too few columns"),
    "cp1252": (f"{HEADER}\nPfleger,gender,man,3\nPflegekräfte,gender,man,3\n".encode("cp1252"), "line 3: not text in"),
    "UTF-16 without a mark": (NURSE.encode("utf-16-le"), "line 1: holds NUL"),
    "a quote that does not end": (f'{HEADER}\n"a,gender,man,3\n', "line 2: not CSV"),
    "a quote within": (f'{HEADER}\n"a"b,gender,man,3\n', "line 2: not CSV"),
    "a huge value": (f"{HEADER}\n{'a' * 200_000},gender,man,3\n", "line 2: not CSV: field larger than"),
    "a column twice": (f"{HEADER},Count \na,gender,man,3,4\n", "has the column count twice"),
    "a value without a column": (f"{HEADER},\na,gender,man,3,4\n", "line 2: a value in a column without a name"),
    "percents": (f"{HEADER}\na,gender,man,80%\n", "line 2: '80%' is not a whole number of at least 0; write plain"),
    "thousands": (f'{HEADER}\na,gender,man,"1,240"\n', "line 2: '1,240' is not a whole number of at least 0; write"),
    "no number": (f"{HEADER}\na,gender,man,3\na,gender,man,\n", "line 3: '' is not a whole number"),
    "a class that is none": (
        f"{HEADER}\na,gender,man,3\na,gender,women and men,3\n",
        "line 3: 'women and men' (a) is no",
    ),
    "no concept": (f"{HEADER}\na,gender,man,3\n,gender,man,3\n", "line 3 has a row without a concept"),
    "no column": ("concept;class\n", "needs the columns concept, axis, class; it has concept, class"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_table_that_is_refused_says_the_line(tmp_path: Path, what: str) -> None:
    content, says = REFUSED[what]
    with pytest.raises(EquinoiseError) as refused:
        shares(written(tmp_path / "labels.csv", content))
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
ROW = st.tuples(CELL, st.sampled_from(["woman", "man", "unclear"]), st.integers(0, 99))
DIALECTS = product(",;\t", (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC), ("\n", "\r\n", "\r"))
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-32")


@given(st.lists(ROW, max_size=6), st.sampled_from(list(DIALECTS)), st.sampled_from(ENCODINGS), st.booleans())
def test_whatever_python_writes_is_read_to_the_same_counts_or_refused_with_a_line(
    rows: list[tuple[str, str, int]], dialect: tuple[str, Any, str], encoding: str, says: bool
) -> None:
    separator, quoting, end = dialect
    text = io.StringIO(newline="")
    made = csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=end)
    made.writerow(HEADER.split(","))
    made.writerows((concept, "gender", label, n) for concept, label, n in rows)
    head = f"sep={separator}{end}" if says else ""
    expected: Counter[tuple[str, ...]] = Counter((c.strip(), "gender", label, str(n)) for c, label, n in rows)
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder) / "t.csv", (head + text.getvalue()).encode(encoding))
        found, refused = None, ""
        try:
            found = read_counted(path, HEADER.split(",")).rows
        except EquinoiseError as error:
            refused = str(error)
        if found is not None:
            assert found == expected
            assert Counter(tuple(row.values.values()) for row in read_rows(path)) == expected
        else:  # Python before 3.13 does not quote an end of line that is not its own
            assert ", line " in refused
            assert any(letter in concept for concept, _, _ in rows for letter in "\r\n")


@pytest.mark.parametrize(
    ("text", "whole", "value"), [("40.0", True, 40), ("007", True, 7), (".5", False, 0.5), ("1e-3", False, 0.001)]
)
def test_numbers(text: str, whole: bool, value: float) -> None:
    assert number(text, whole, "x") == value


@pytest.mark.parametrize("text", ["", ".", "e5", "1,5", "0,5", "5%", "1 000", "nan", "inf", "1e400", "-1", "٣", "1_0"])
def test_what_is_no_number(text: str) -> None:
    for whole in (True, False):
        with pytest.raises(EquinoiseError, match="of at least 0"):
            number(text, whole, "x")


def test_rows_know_their_line_and_their_columns_by_any_spelling(tmp_path: Path) -> None:
    path = written(tmp_path / "metadata.csv", 'File_Name ,Prompt\na\\b.png,"a\nnurse"\n\nc.png,\n')
    first, second = read_rows(path, ["file_name"])
    assert (first.line, second.line) == (2, 5)
    assert dict(first.values) == {"file_name": "a\\b.png", "prompt": "a\nnurse"}
    assert second.values["prompt"] == ""
    with pytest.raises(EquinoiseError, match="needs the columns file"):
        read_rows(path, ["file"])


def test_text_is_read_with_the_mark_of_its_encoding(tmp_path: Path) -> None:
    hat = '[hat]\nclasses.a = { generate = ["x"], detect = ["x"] }\nclasses.b = { generate = ["ö"], detect = ["x"] }\n'
    for encoding in ENCODINGS:
        assert load_axis(str(written(tmp_path / "hat.toml", hat.encode(encoding)))).generate["b"] == ("ö",)
        assert read_json(written(tmp_path / "x.json", '{"a": "ö"}'.encode(encoding))) == {"a": "ö"}
        assert read_text(written(tmp_path / "x.txt", "ö\r\n".encode(encoding))) == "ö\r\n"


def test_a_name_that_is_nearly_the_wanted_one_counts(tmp_path: Path) -> None:
    near = written(tmp_path / "near.csv", NURSE + "nurse,Gender,woman,5\nnurse,GENDER ,man,45\n")
    assert shares(near) == {"woman": 45, "man": 55}
    assert audit_counts(near).axes == ["gender"]
    other = written(tmp_path / "other.csv", f"{HEADER}\nnurse,sex,woman,3\nnurse,tone,dark,3\n" + NURSE[len(HEADER) :])
    with pytest.warns(EquinoiseWarning, match=r"other\.csv: 2 rows of other axes left out: sex, tone"):
        assert shares(other) == {"woman": 40, "man": 10}
    with pytest.raises(EquinoiseError, match=r"no rows of axis 'age'; give another --axis: it has sex, tone, gender"):
        shares(other, "age")


def test_concepts_that_differ_in_case_are_one_where_one_is_wanted(tmp_path: Path) -> None:
    table = written(tmp_path / "t.csv", f"{HEADER}\nNurse,gender,woman,3\nnurse,gender,man,2\nno,gender,man,1\n")
    (found,) = audit_counts(table, concepts=["NURSE"]).audits
    assert (found.concept, found.n) == ("NURSE", 5)
    with pytest.warns(EquinoiseWarning, match="counted apart, but alike except for case or spaces: 'Nurse', 'nurse'"):
        assert audit_counts(table).concepts == ["Nurse", "nurse", "no"]


def test_the_unicode_form_of_a_concept_does_not_count(tmp_path: Path) -> None:
    one, two = (unicodedata.normalize(form, "Pflegekräfte") for form in ("NFC", "NFD"))
    rows = f"{HEADER}\n{one},gender,woman,3\n{two},gender,man,2\n"
    (found,) = audit_counts(written(tmp_path / "t.csv", rows), concepts=[two]).audits
    assert (found.concept, found.n) == (one, 5)
    records = [Record(str(i), name, i, labels={"gender": "man"}) for i, name in enumerate((one, two))]
    assert [(c.concept, c.n) for c in tally(records, [GENDER])] == [(one, 2)]
    with pytest.raises(EquinoiseError, match="given twice"):
        require_concepts([one, two])


def test_whole_numbers_and_words_name_classes(tmp_path: Path) -> None:
    own = Axis("g", ("0", "1"), False, {}, {})
    assert (own.match(0), own.match(1), own.match("2"), own.match(True)) == ("0", "1", None, None)
    assert (GENDER.match("boy"), GENDER.match("Unclear")) == (None, "unclear")  # a word for a class of age too
    race = load_axis("fairface-race")
    assert [race.match(name) for name in ("Latino_Hispanic", "Middle Eastern", "Asian")] == [
        "latino-hispanic", "middle-eastern", None,
    ]  # fmt: skip
    assert load_axis("fairface-age").match("more than 70") == "over-69"
    assert load_axis("tone").match("black") is None


def test_references_and_targets_are_found_by_nearly_their_name(tmp_path: Path) -> None:
    path = written(
        tmp_path / "r.csv", "Concept;Axis;Class;Share\nNurse;GENDER;Female;0.9\nnurse ;gender;man;0.1\njudge;tone;x;1\n"
    )
    found = read_reference(path, [GENDER])
    assert found["Nurse", "gender"].shares == {"woman": 0.9, "man": 0.1}
    (target,) = plan_targets({"gender": str(path)}, "nurse")
    assert target.shares == {"woman": 0.9, "man": 0.1}
    nurse, judge = (Counts(name, "gender", {"woman": 5, "man": 5}) for name in ("nurse", "judge"))
    assert Measures(references=found).audit([nurse]).audits[0].bias_amplification is not None
    with pytest.warns(EquinoiseWarning, match="says nothing of 'judge' on 'gender'; its concepts are 'Nurse'"):
        Measures(references=found).audit([nurse, judge])
    with pytest.raises(EquinoiseError, match="line 2: axis 'gender' has no class 'Female person'"):
        read_reference(written(path, path.read_text().replace("Female", "Female person")), [GENDER])


def test_a_confusion_matrix_with_other_words_fits(tmp_path: Path) -> None:
    rows = "True,Predicted,Count\nFemale,female,9\nfemale,Male,1\nMale,male,8\nMale,Unclear,2\n"
    found = calibrations_for([written(tmp_path / "c.csv", rows)], [GENDER])["gender"]
    assert found.ordered_as(GENDER.classes).counts == ((9, 1, 0), (0, 8, 2))


@pytest.mark.parametrize("other", ["labels.csv", "copy.csv"])
def test_a_table_given_twice_is_refused(tmp_path: Path, cli: Cli, other: str) -> None:
    for name in ("labels.csv", other):
        written(tmp_path / name, NURSE)
    done = cli("audit", tmp_path / "labels.csv", tmp_path / other, "--axis", "gender")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "give each table once" in done.err


def test_a_data_frame_given_twice_is_refused(tmp_path: Path) -> None:
    frame = pd.read_csv(written(tmp_path / "t.csv", NURSE))
    with pytest.raises(EquinoiseError, match="give each table once"):
        audit_counts([frame, frame])
    plain = frame.drop(columns="count").rename(columns=str.upper)
    assert audit_counts(plain)["gender"]["woman"].count == 1


FAIRFACE = """face_name_align,race,race4,gender,age,race_scores_fair,gender_scores_fair
detected_faces/doctor_001_face0.jpg,White,White,Male,30-39,[0.9 0.1],[0.98 0.02]
detected_faces\\doctor_002_face0.jpg,Latino_Hispanic,White,Female,20-29,[0.1 0.9],[0.02 0.98]
detected_faces/doctor_003_face0.jpg,East Asian,Asian,Male,more than 70,[0.1 0.9],[0.9 0.1]
"""


def test_the_table_of_fairface_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "doctors.csv", FAIRFACE)
    with pytest.warns(EquinoiseWarning, match="read as FairFace writes it, a row a face"):
        found = audit_counts(path)
    assert found.axes == ["gender", "fairface-race", "fairface-age"]
    assert found.concepts == ["doctors"]
    assert [found[axis][name].count for axis, name in (("gender", "man"), ("fairface-age", "over-69"))] == [2, 1]
    assert found["fairface-race"]["latino-hispanic"].count == 1


def test_the_json_of_deepface_is_read(tmp_path: Path, cli: Cli) -> None:
    face = {"age": 31, "dominant_gender": "Woman", "gender": {"Woman": 99.1, "Man": 0.9}, "dominant_race": "asian"}
    path = written(tmp_path / "out.json", json.dumps([face, [face | {"age": 88.5}]]))
    labels = read_foreign(path)
    assert labels is not None
    assert Counter(labels.labels) == {
        ("gender", "Woman"): 2, ("race", "asian"): 2, ("fairface-age", "30-39"): 1, ("fairface-age", "over-69"): 1,
    }  # fmt: skip
    done = cli("audit", path, "--axis", "gender", "--json")
    assert done.json["audits"][0]["classes"]["woman"]["count"] == 2
    assert "read as DeepFace writes it" in done.err
    for content in ("[]", "{}", "3", '[{"age": "old", "dominant_gender": 3}]', '[{"age": NaN}]'):
        with pytest.raises(EquinoiseError, match=r"is not what DeepFace writes|NaN is no number"):
            read_foreign(written(path, content))


@pytest.mark.parametrize("kind", ["txt", "toml", "json", "csv"])
def test_attributes_in_any_kind_of_file(tmp_path: Path, kind: str) -> None:
    content = {
        "txt": "\ufeffmansion = a photo of a mansion\r\nhut # small\n",
        "toml": '\ufeff[mansion]\nprompt = "a photo of a mansion"\n[hut]\n',
        "json": '[{"name": "mansion", "prompt": "a photo of a mansion"}, "hut"]',
        "csv": "Name;Prompt\nmansion;a photo of a mansion\nhut;\n",
    }[kind]
    found = read_attributes(written(tmp_path / f"a.{kind}", content), "a picture of a man")
    assert [(entry.name, entry.prompt) for entry in found] == [
        ("mansion", "a photo of a mansion"), ("hut", "a picture of a hut"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (
            "a.toml",
            '[mansion]\npromt = "x"\n',
            "line 2: `attributes.mansion.promt` is no known key; did you mean `prompt`",
        ),
        ("a.toml", '[mansion]\nshown = "house:mansion"\n', "line 2: `attributes.mansion.shown` needs a list"),
        ("a.toml", "mansion = 3\n", "`attributes.mansion` needs a table"),
        ("a.json", '[{"name": "a", "prompt": 3}]', "`attributes.a.prompt` must be a text"),
        ("a.json", '["a", 3]', "no list of names"),
        ("a.json", '["a", "A"]', "names 'a' twice"),
        ("a.csv", "mansion\nhut\n", "needs the columns name; it has mansion"),
        ("a.txt", "mansion\nMansion\n", "names 'mansion' twice"),
        ("a.txt", "# nothing\n", "names no attribute"),
    ],
)
def test_bad_attributes(tmp_path: Path, name: str, content: str, says: str) -> None:
    with pytest.raises(EquinoiseError) as refused:
        read_attributes(written(tmp_path / name, content), "a picture of a man")
    assert says in str(refused.value)


def test_many_attributes_and_many_concepts_take_linear_time(tmp_path: Path) -> None:
    """A count of comparisons instead of a clock: what was quadratic looked at every pair."""
    many = written(tmp_path / "a.txt", "\n".join(f"thing {i}" for i in range(3000)))
    assert len(read_attributes(many, "a picture of a man")) == 3000
    rows = "".join(f"c{i},gender,woman,1\n" for i in range(600))
    found = audit_counts(written(tmp_path / "t.csv", f"{HEADER}\n{rows}"), concepts=[f"C{i}" for i in range(300)])
    assert found.concepts == [f"C{i}" for i in range(300)]


def an_audit() -> dict[str, Any]:
    return audit_counts([Counts("x", "gender", {"woman": 20, "man": 80}, 3)]).audits[0].to_json()


WRONG: dict[str, Callable[[dict[str, Any]], object]] = {
    "NaN": lambda audit: audit["classes"]["woman"].update(low=float("nan")),
    "a text": lambda audit: audit["classes"]["woman"].update(share="0.2"),
    "no share": lambda audit: audit["classes"]["woman"].update(share=None),
    "a huge count": lambda audit: audit["classes"]["woman"].update(count=1e308),
    "a huge share": lambda audit: audit["classes"]["woman"].update(high=1e308),
    "bounds the wrong way round": lambda audit: audit["classes"]["woman"].update(low=0.9, high=0.95),
    "another share": lambda audit: audit["classes"]["woman"].update(share=0.13),
    "a negative count": lambda audit: audit["classes"]["woman"].update(count=-20),
    "truth": lambda audit: audit.update(unclear=True),
    "another sum": lambda audit: audit.update(n=99),
    "no class": lambda audit: audit.update(classes={}, target={}, n=3),
    "a corrected share beyond its bounds": lambda audit: audit["classes"]["woman"].update(
        corrected=0.5, corrected_low=0.6, corrected_high=0.7
    ),
    "another target": lambda audit: audit.update(target={"woman": 1.0}),
    "parity beyond 1": lambda audit: audit.update(spd=5.0),
}


@pytest.mark.parametrize("what", WRONG)
def test_an_audit_that_cannot_be_is_refused(tmp_path: Path, what: str) -> None:
    audit = an_audit()
    assert Audit.from_json(audit, "x").to_json() == audit
    WRONG[what](audit)
    path = written(tmp_path / "a.json", json.dumps({"audits": [audit]}))
    with pytest.raises(EquinoiseError, match=r"is damaged(: | or of another kind: NaN)") as refused:
        check(path, max_spd=0.9)
    assert "\n" not in str(refused.value)


def test_an_audit_that_comes_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", json.dumps({"audits": [an_audit(), an_audit()]}))
    with pytest.raises(EquinoiseError, match="'x' on 'gender' comes twice"):
        check(path, max_spd=0.9)


def test_probabilities_that_are_none() -> None:
    def read(row: dict[str, object]) -> Record:
        return typed(Record, {"id": "0", "prompt": "x", "seed": 0, "detections": {"gender": row, "tone": {}}}, "x")

    assert read({"woman": 0.3, "man": 0.7000001, "neither": 0}).detections["gender"]["woman"] == 0.3
    for row in ({"a": float("nan")}, {"a": 5}, {"a": -4}, {"a": "1"}, {"a": True}, {"a": None}, {"a": 0.6, "b": 0.6}):
        with pytest.raises(EquinoiseError, match="x is damaged: detections"):
            read(row)
