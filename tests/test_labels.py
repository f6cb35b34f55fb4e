"""Labels, references and confusion matrices from files; the gate that judges what an audit found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equinoise import Counts, EquinoiseError, audit_counts, load_axis, read_result
from equinoise.errors import EquinoiseWarning
from equinoise.results.audits import Audit
from equinoise.statistics import Confusion
from equinoise.understanding.audit import Measures
from equinoise.understanding.calibration import Calibration, choose_threshold, read_calibration, save_calibration
from equinoise.understanding.counts import merged
from equinoise.understanding.gate import judge, junit
from equinoise.understanding.labels import LabelTable
from equinoise.understanding.reference import read_reference

Cli = Callable[..., Any]
GENDER, TONE = load_axis("gender"), load_axis("tone")
DOCTOR = "a photo of a doctor"
LABELS = f"""concept,axis,class,count
{DOCTOR},gender,woman,20
{DOCTOR},gender,man,105
{DOCTOR},gender,unclear,3
a photo of a nurse,gender,woman,90
a photo of a nurse,gender,man,10
{DOCTOR},hair,long,7
{DOCTOR},hair,short,3
"""
LEFT_OUT = "ignore:.* rows of other axes left out"
CONFUSION = (
    "true,predicted,count\nwoman,woman,90\nwoman,man,8\nwoman,unclear,2\nman,woman,2\nman,man,97\nman,unclear,1\n"
)


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    return written(tmp_path / "labels.csv", LABELS)


def test_labels_give_the_audit_object_of_the_contract(cli: Cli, labels: Path) -> None:
    done = cli("audit", labels, "--axis", "gender", "--json")
    assert done.code == 0
    doctor, nurse = done.json["audits"]
    assert (doctor["concept"], doctor["n"], doctor["unclear"]) == (DOCTOR, 128, 3)
    assert doctor["classes"]["woman"]["share"] == pytest.approx(0.16)
    assert doctor["classes"]["woman"]["low"] == pytest.approx(0.106, abs=5e-4)
    assert doctor["classes"]["woman"]["corrected"] is None
    assert doctor["concept_fidelity"] is None
    assert nurse["spd"] == pytest.approx(0.8)
    assert done.json["pooled"][0]["prompts"] == 2


def test_a_row_an_image_is_the_same_as_a_count(cli: Cli, labels: Path, tmp_path: Path) -> None:
    rows = [row.rsplit(",", 1) for row in LABELS.splitlines()[1:]]
    longhand = "\n".join(["concept,axis,class,count", *(f"{text},1" for text, n in rows for _ in range(int(n)))])
    other = written(tmp_path / "long.csv", longhand)
    assert (
        cli("audit", labels, "--axis", "gender", "--json").json
        == cli("audit", other, "--axis", "gender", "--json").json
    )


def test_shards_add_up_to_the_whole(cli: Cli, tmp_path: Path) -> None:
    head, *rows = LABELS.splitlines()
    whole = written(tmp_path / "whole.csv", "\n".join([head, *rows, *rows]))
    parts = [
        written(tmp_path / f"{i}.csv", "\n".join([head, *some])) for i, some in enumerate((rows, rows[:3], rows[3:]))
    ]
    assert (
        cli("audit", *parts, "--axis", "gender", "--json").json
        == cli("audit", whole, "--axis", "gender", "--json").json
    )


def test_an_axis_of_ones_own_is_declared(cli: Cli, labels: Path) -> None:
    done = cli("audit", labels, "--axis", "hair", "--classes", "long,short,none", "--json")
    classes = done.json["audits"][0]["classes"]
    assert {name: entry["count"] for name, entry in classes.items()} == {"long": 7, "short": 3, "none": 0}
    assert done.json["audits"][0]["spd"] == pytest.approx(0.7)  # declared, not observed


def test_a_declared_axis_stands_beside_a_built_in_one_and_can_be_kept(cli: Cli, labels: Path, tmp_path: Path) -> None:
    both = ("audit", labels, "--axis", "hair", "--axis", "gender", "-o", tmp_path / "run", "--classes")
    done = cli(*both, "long,short", "--json")
    assert done.code == 0, done.err
    assert {found["axis"] for found in done.json["audits"]} == {"hair", "gender"}
    assert cli("check", tmp_path / "run", "--max-spd", "1").code == 0
    assert cli("report", tmp_path / "run", "-o", tmp_path / "page.html").code == 0
    other = cli(*both, "long,short,none")
    assert (other.code, len(other.err.splitlines())) == (2, 1)


def test_huge_counts_and_strange_names_do_no_harm(cli: Cli, tmp_path: Path) -> None:
    name = "a [/b] [red]doctor\u0001"
    rows = f"concept,axis,class,count\n{name},gender,woman,4000000000000000\n{name},gender,man,4000000000000000\n"
    file = written(tmp_path / "huge.csv", rows)
    table = cli("audit", file, "--axis", "gender", "-o", tmp_path / "run")
    assert (table.code, table.err) == (0, "")
    assert "[red]doc" in table.out
    assert cli("check", tmp_path / "run", "--max-spd", "0.1", "--junit", tmp_path / "j.xml").code == 0
    assert ElementTree.parse(tmp_path / "j.xml").getroot().get("failures") == "0"


@pytest.mark.parametrize(
    "content",
    [
        '{"audits": 5}',
        '{"audits": [], "after": [1]}',
        '{"audits": [{"concept": "x", "axis": "gender"}]}',
        '{"audits": [{"concept": "x", "axis": "y", "n": 1, "unclear": 0, "target": {"a": 1}, "classes": {"a": {}}}]}',
        "[]",
    ],
)
def test_damaged_audits_are_one_line(cli: Cli, tmp_path: Path, content: str) -> None:
    done = cli("check", written(tmp_path / "a.json", content), "--max-spd", "0.5")
    assert (done.code, len(done.err.splitlines())) == (2, 1), done.err


@pytest.mark.parametrize(
    "change", [{"unclear_below": "high"}, {"unclear_below": 3}, {"about": 3}, {"confusion": {"a": {"a": 1.9}, "b": {}}}]
)
def test_damaged_calibrations_are_one_line(cli: Cli, labels: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    whole = Calibration("gender", Confusion(("woman", "man"), ((9, 1, 0), (1, 9, 0))), 0.7).to_json()
    file = written(tmp_path / "c.json", json.dumps(whole | change))
    done = cli("audit", labels, "--axis", "gender", "--confusion", file)
    assert (done.code, len(done.err.splitlines())) == (2, 1), done.err
    assert "happen" not in done.err


def test_a_mistake_of_ours_does_not_look_like_a_check_that_failed(
    cli: Cli, labels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("equinoise.workflows.auditing_counts.merged", lambda _: 1 / 0)
    done = cli("audit", labels, "--axis", "gender")
    assert (done.code, len(done.err.splitlines())) == (70, 1)
    assert "ZeroDivisionError" in done.err


def test_a_given_confusion_matrix_corrects(cli: Cli, labels: Path, tmp_path: Path) -> None:
    confusion = written(tmp_path / "confusion.csv", CONFUSION)
    found = cli("audit", labels, "--axis", "gender", "--confusion", confusion, "--json").json["audits"][1]
    woman = found["classes"]["woman"]
    assert woman["share"] == pytest.approx(0.9)
    assert woman["corrected"] > 0.95  # the detector takes 8% of women for men
    assert woman["corrected_low"] < woman["corrected"] <= woman["corrected_high"] <= 1


@pytest.mark.parametrize(
    ("content", "arguments", "says"),
    [
        ("concept,axis,count\nx,gender,3\n", [], "needs the columns concept, axis, class; it has concept, axis, count"),
        ("concept,axis,class,count\nx,gender,boy,3\n", [], "'boy' (x) is no class of 'gender'"),
        ("concept,axis,class,count\nx,gender,woman,-3\n", [], "'-3' is not a whole number"),
        ("concept,axis,class,count\nx,gender,woman,1.5\n", [], "'1.5' is not a whole number"),
        ("concept,axis,class,count\nx,gender\n", [], "line 2: too few columns"),
        ("concept,axis,class,count\nx,tone,dark,3\n", [], "has no rows of axis 'gender'"),
        ("", [], "it has none"),
        (LABELS, ["--concept", "a photo of a judge"], "no rows of concept 'a photo of a judge'"),
        (LABELS, ["--cross", "gender,gender"], "--cross needs images"),
        (LABELS, ["--classes", "a,b"], "built in"),
        (LABELS, ["-n", "5"], "-n is for audits of a model"),
        (LABELS, ["--detector", "emoji"], "--detector is for audits of a model"),
        (LABELS, ["--steps", "9"], "--steps is for audits of a model"),
        (LABELS, ["--seed", "9"], "--seed is for audits of a model"),
        ("concept,axis,class,count,count\nx,gender,woman,3,4\n", [], "has the column count twice"),
        ("concept,axis,class,count\n,gender,woman,3\n", [], "without a concept"),
        ("concept,axis,class,count\nx,gender,woman,1_0\n", [], "'1_0' is not a whole number"),
    ],
)
def test_bad_labels_are_one_line(cli: Cli, tmp_path: Path, content: str, arguments: list[str], says: str) -> None:
    done = cli("audit", written(tmp_path / "bad.csv", content), "--axis", "gender", *arguments)
    assert done.code == 2
    assert says in done.err
    assert len(done.err.splitlines()) == 1
    assert done.out == ""


def test_missing_and_strange_sources_are_one_line(cli: Cli, tmp_path: Path) -> None:
    for source, says in [("no.csv", "cannot read no.csv"), (written(tmp_path / "x.txt", ""), "neither a CSV")]:
        done = cli("audit", source, "--axis", "gender")
        assert (done.code, len(done.err.splitlines())) == (2, 1)
        assert says in done.err
    mixed = cli("audit", tmp_path, "emoji", "--axis", "gender", "--concept", DOCTOR)
    assert "not several kinds" in mixed.err


def test_amplification_against_published_shares_and_counts(cli: Cli, labels: Path, tmp_path: Path) -> None:
    shares = written(
        tmp_path / "shares.csv",
        f"concept,axis,class,share\n{DOCTOR},gender,woman,0.3\n{DOCTOR},gender,man,0.7\n",
    )
    found = cli("audit", labels, "--axis", "gender", "--reference", shares, "--json").json
    doctor, nurse = found["audits"]
    assert doctor["bias_amplification"] == pytest.approx(0.84 - 0.7)
    woman = doctor["amplification"]["woman"]
    assert (woman["reference"], woman["difference"]) == (0.3, pytest.approx(-0.14))
    assert woman["low"] < -0.14 < woman["high"] < 0
    assert "amplification" not in nurse
    assert found["pooled"][0]["bias_amplification_prompts"] == 1
    counted = written(
        tmp_path / "counts.csv",
        f"concept,axis,class,count\n{DOCTOR},gender,woman,30\n{DOCTOR},gender,man,70\n",
    )
    wider = cli("audit", labels, "--axis", "gender", "--reference", counted, "--json").json["audits"][0]
    assert wider["amplification"]["woman"]["high"] > woman["high"]  # a reference that was counted is uncertain too


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("x,gender,woman,0.3\n", "lacks class 'man'"),
        ("x,gender,woman,0.3\nx,gender,man,0.3\n", "must sum to 1"),
        ("x,gender,woman,0.3\nx,gender,woman,0.7\n", "comes twice"),
        ("x,gender,girl,0.3\n", "no class 'girl'"),
    ],
)
def test_bad_references(tmp_path: Path, rows: str, says: str) -> None:
    with pytest.raises(EquinoiseError, match=says):
        read_reference(written(tmp_path / "r.csv", "concept,axis,class,share\n" + rows), [GENDER])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("true,predicted,count\nwoman,woman,9\nman,boy,1\n", "'boy' is predicted but has no images"),
        ("true,predicted,count\nwoman,woman,9\n", "two or more true classes"),
        ("true,predicted,count\nwoman,woman,0\nman,man,3\n", "at least one image of every true class"),
        ("true,predicted,count\nlight,light,9\ndark,dark,9\n", "which none of the axes has"),
    ],
)
def test_bad_confusion_matrices_are_one_line(cli: Cli, labels: Path, tmp_path: Path, text: str, says: str) -> None:
    done = cli("audit", labels, "--axis", "gender", "--confusion", written(tmp_path / "c.csv", text))
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert says in done.err


@pytest.mark.parametrize("name", ["c.csv", "c.json"])
def test_calibrations_are_kept_and_read_back(tmp_path: Path, name: str) -> None:
    made = Calibration("gender", Confusion(("woman", "man"), ((90, 8, 2), (2, 97, 1))), 0.7, {"detector": "emoji"})
    save_calibration(tmp_path / name, made)
    again = read_calibration(tmp_path / name)
    assert again.confusion == made.confusion
    assert again.unclear_below == 0.7
    assert again == made or name == "c.csv"  # a CSV does not say whose
    turned = again.ordered_as(("man", "woman"))
    assert turned.counts == ((97, 2, 1), (8, 90, 2))


def test_the_threshold_disagrees_least_with_people() -> None:
    """Brute force over every threshold; people could not tell the last image."""
    rng = np.random.default_rng(4)
    probabilities = rng.dirichlet((1, 1, 1), 60)
    true = np.where(rng.random(60) < 0.2, rng.integers(0, 3, 60), probabilities.argmax(1))
    true[-5:] = -1
    best = probabilities.max(1)

    def cost(threshold: float) -> float:
        clear = best >= threshold
        wrong = clear & (true >= 0) & (probabilities.argmax(1) != true)
        return float(3 * wrong.sum() + (clear & (true < 0)).sum() + (~clear & (true >= 0)).sum())

    chosen = choose_threshold(true, probabilities, wrong_cost=3)
    assert cost(chosen) == min(cost(t) for t in [0.0, *best, *np.nextafter(best, 2)])
    sure = np.eye(3)[rng.integers(0, 3, 30)]
    assert choose_threshold(sure.argmax(1), sure, 2) == pytest.approx(1 / 3)  # nothing to gain: never unclear
    near = np.array([[0.99999, 0.00001]] * 10 + [[0.99996, 0.00004]] * 5)
    right = np.array([0] * 10 + [1] * 5)
    assert 0.99996 < choose_threshold(right, near, 2) < 0.99999  # however sure it always is


def an_audit(counts: dict[str, int], target: dict[str, float] | None = None) -> Audit:
    return audit_counts([Counts("x", "hair", counts)], targets={"hair": target} if target else None).audits[0]


def test_the_gate_passes_fails_or_does_not_know() -> None:
    limit = {"spd": 0.3}
    assert [v.verdict for v in judge(an_audit({"long": 500, "short": 500}), limit)] == ["pass"]
    assert [v.verdict for v in judge(an_audit({"long": 900, "short": 100}), limit)] == ["fail"]
    assert [v.verdict for v in judge(an_audit({"long": 6, "short": 6}), limit)] == ["inconclusive"]
    assert [v.verdict for v in judge(an_audit({"long": 0, "short": 0}), limit)] == ["inconclusive"]
    (even,) = judge(an_audit({"long": 500, "short": 500}, {"long": 0.9, "short": 0.1}), {"tv": 0.1})
    assert even.verdict == "fail"
    assert "distance to the target 0.400" in even.sentence


def test_the_gate_judges_corrected_shares_where_there_are_any() -> None:
    counts = Counts("x", "gender", {"woman": 60, "man": 140})
    blind = {"gender": Confusion(("woman", "man"), ((60, 40, 0), (0, 100, 0)))}  # sees 60% of women
    measured, corrected = (Measures(confusions=known).audit([counts]).audits[0] for known in ({}, blind))
    assert [v.verdict for v in judge(measured, {"spd": 0.2})] == ["fail"]
    assert [(v.verdict, v.basis) for v in judge(corrected, {"spd": 0.2})] == [("inconclusive", "corrected")]


def test_nothing_clear_is_no_verdict_even_with_a_confusion_matrix() -> None:
    often = {"gender": Confusion(("woman", "man"), ((50, 0, 50), (0, 100, 0)))}
    found = Measures(confusions=often).audit([Counts("x", "gender", {"woman": 0, "man": 0}, 100)]).audits[0]
    assert [v.verdict for v in judge(found, {"spd": 0.3})] == ["inconclusive"]


def test_check_exits_with_its_verdict_and_writes_junit(cli: Cli, labels: Path, tmp_path: Path) -> None:
    audit, report = tmp_path / "audit.json", tmp_path / "junit.xml"
    audit.write_text(cli("audit", labels, "--axis", "gender", "--json").out)
    failed = cli("check", audit, "--max-spd", "0.5", "--junit", report, "--json")
    assert failed.code == 1
    assert {v["verdict"] for v in failed.json["verdicts"]} == {"fail"}
    assert failed.err == ""
    suite = ElementTree.parse(report).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "2")
    assert cli("check", audit, "--max-spd", "0.95").code == 0
    unsure = cli("check", audit, "--max-spd", "0.7", "--json")
    assert (unsure.code, {v["verdict"] for v in unsure.json["verdicts"]}) == (0, {"inconclusive"})
    assert cli("check", audit, "--max-spd", "0.7", "--strict").code == 1
    limit = ["--max-tv", "0.1"]
    for arguments in ([audit], [audit, "--max-spd", "2"], [tmp_path, *limit], [labels, *limit]):
        done = cli("check", *arguments)
        assert (done.code, len(done.err.splitlines())) == (2, 1)


def test_junit_counts_inconclusive_as_skipped_unless_strict() -> None:
    verdicts = list(judge(an_audit({"long": 6, "short": 6}), {"spd": 0.3, "tv": 0.2}))
    for strict, numbers in ((False, ("0", "2")), (True, ("2", "0"))):
        root = ElementTree.fromstring(junit(verdicts, strict))
        assert (root.get("failures"), root.get("skipped")) == numbers
        assert len(root.findall(".//testcase")) == 2


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["woman", "man", "unclear"]), st.integers(0, 50)), min_size=1
    ),
    st.permutations(range(3)),
)
def test_counts_are_merged_in_any_order(rows: list[tuple[str, str, int]], order: list[int]) -> None:
    def counts(part: list[tuple[str, str, int]]) -> list[Counts]:
        return [
            Counts(c, "gender", {n: k if n == label else 0 for n in GENDER.classes}, k if label == "unclear" else 0)
            for c, label, k in part
        ]

    shards = [rows[i::3] for i in order]
    whole = {c.key: c for c in merged(counts(rows))}
    parts = {c.key: c for c in merged(c for shard in shards for c in merged(counts(shard)))}
    assert whole == parts
    for found in whole.values():
        assert found.clear == sum(found.classes.values())
        assert found.shares is None or sum(found.shares) == pytest.approx(1)


@given(st.lists(st.integers(0, 300), min_size=5, max_size=5), st.integers(0, 50), st.permutations(range(5)))
def test_relabelling_turns_classes_and_changes_no_measure(counts: list[int], unclear: int, order: list[int]) -> None:
    names = list(TONE.classes)
    turned = [names[i] for i in order]
    one, two = (
        Measures().audit([Counts("x", "tone", dict(zip(classes, counts, strict=True)), unclear)]).to_json()["audits"][0]
        for classes in (names, turned)
    )
    for key in ("spd", "spd_low", "spd_high", "tv", "tv_low", "tv_high", "entropy_bits", "mean_pairwise_gap"):
        assert one[key] == pytest.approx(two[key], abs=1e-6)
    assert [e["low"] for e in one["classes"].values()] == [e["low"] for e in two["classes"].values()]
    assert one["n"] - one["unclear"] == sum(e["count"] for e in one["classes"].values())
    json.dumps(one, allow_nan=False)


@pytest.mark.filterwarnings(LEFT_OUT)
def test_a_data_frame_is_as_good_as_a_file(labels: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(labels)
    known = frame[frame["axis"] == "gender"]
    with pytest.warns(EquinoiseWarning, match=r"labels\.csv: 2 rows of other axes left out: hair"):
        whole = audit_counts(labels, axes="gender")
    assert audit_counts(known) == whole
    assert audit_counts(frame, axes="gender") == whole
    assert audit_counts(known.astype({"class": "category", "count": float})) == whole
    assert audit_counts(known.loc[known.index.repeat(known["count"])].assign(count=1)) == whole
    assert audit_counts([known.iloc[:2], known.iloc[2:]]) == whole
    assert audit_counts([labels, known], axes="gender")["a photo of a nurse"]["gender"]["woman"].count == 180
    both = audit_counts(frame, classes=["long", "short", "none"])
    assert both.axes == ["gender", "hair"]
    assert both[DOCTOR]["hair"].classes.keys() == {"long", "short", "none"}
    assert audit_counts(frame, axes="gender", concepts=[DOCTOR])["gender"]["woman"].count == 20
    kept = audit_counts(frame, axes="gender", out=tmp_path / "run")
    assert read_result(tmp_path / "run") == kept == whole
    assert kept.run.records == ()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda frame: frame.drop(columns="class"), "needs the columns concept, axis, class, count; it has concept, "),
        (lambda frame: frame.iloc[:, :0], "it has none"),
        (lambda frame: frame.assign(count=frame["count"] / 2), "the DataFrame: '52.5' is not a whole number"),
        (lambda frame: frame.assign(count=-1), "'-1' is not a whole number"),
        (lambda frame: frame.assign(count=None), "'' is not a whole number"),
        (lambda frame: frame.assign(concept=None), "the DataFrame has a row without a concept"),
        (lambda frame: frame.replace({"man": "boy"}), "'boy' (a photo of a doctor) is no class of 'gender'"),
        (lambda frame: frame.assign(axis="hair"), "no axis 'hair'"),
        (lambda frame: frame.iloc[:0], "at least one axis"),
    ],
)
def test_bad_frames_are_one_line(change: Callable[[pd.DataFrame], pd.DataFrame], says: str) -> None:
    rows = [(DOCTOR, "gender", "woman", 20), (DOCTOR, "gender", "man", 105)]
    with pytest.raises(EquinoiseError) as refused:
        audit_counts(change(pd.DataFrame(rows, columns=["concept", "axis", "class", "count"])))
    assert says in str(refused.value)


def test_counts_by_hand() -> None:
    """Classes in any order, those that do not come left out; an axis that is not built in declared by its classes."""
    found = audit_counts([Counts("x", "tone", {"dark": 3, "light": 1}, 2), Counts("x", "hair", {"long": 1, "none": 0})])
    assert {name: entry.count for name, entry in found["tone"].classes.items()} == {
        "light": 1, "medium-light": 0, "medium": 0, "medium-dark": 0, "dark": 3,
    }  # fmt: skip
    assert (found["tone"].n, found["tone"].unclear) == (6, 2)
    assert found["hair"].target == {"long": 0.5, "none": 0.5}
    wanted = {"light": 0.1, "medium-light": 0.0, "medium": 0.0, "medium-dark": 0.0, "dark": 0.9}
    aimed = audit_counts([Counts("x", "tone", {"dark": 3, "light": 1})], targets={"tone": wanted})
    assert aimed["tone"].tv == pytest.approx(0.15)
    only = audit_counts([Counts("x", "tone", {"dark": 3}), Counts("x", "gender", {"man": 1})], axes="gender")
    assert only.axes == ["gender"]
    with pytest.raises(EquinoiseError, match="no class 'girl'"):
        audit_counts([Counts("x", "gender", {"girl": 3})])


def test_files_of_different_axes_add_up(labels: Path, tmp_path: Path) -> None:
    tones = written(tmp_path / "tones.csv", f"concept,axis,class,count\n{DOCTOR},tone,dark,9\n")
    found = audit_counts([labels, tones], classes=["long", "short"])
    assert found.axes == ["gender", "hair", "tone"]
    assert found[DOCTOR]["tone"]["dark"].count == 9
    with pytest.raises(EquinoiseError, match=r"tones\.csv has no rows of axis 'gender'"):
        audit_counts([labels, tones], axes=["gender"])


@pytest.mark.filterwarnings(LEFT_OUT)
def test_a_run_of_labels_says_what_corrected_it(labels: Path, tmp_path: Path) -> None:
    matrix = written(tmp_path / "confusion.csv", CONFUSION)
    audit_counts(labels, axes="gender", confusion=[matrix], out=tmp_path / "run")
    (file,) = json.loads((tmp_path / "run" / "run.json").read_text())["about"]["confusion"]
    assert file["file"] == "confusion.csv"
    other = written(tmp_path / "other.csv", CONFUSION.replace("woman,woman,90", "woman,woman,91"))
    with pytest.raises(EquinoiseError, match="another confusion"):
        audit_counts(labels, axes="gender", confusion=[other], out=tmp_path / "run")


def test_the_gate_reads_what_commands_print(cli: Cli, labels: Path, tmp_path: Path) -> None:
    """Of a run that mitigates what came after; and the example of the contract, which has fewer measures than ours."""
    printed = cli("audit", labels, "--axis", "gender", "--json").json
    limit = ("--max-spd", "0.95", "--json")
    plain = cli("check", written(tmp_path / "a.json", json.dumps(printed)), *limit)
    assert (plain.code, len(plain.json["verdicts"])) == (0, 2)
    for name in ("after", "verified"):
        content = {"before": {"audits": []}, name: printed}
        assert cli("check", written(tmp_path / "b.json", json.dumps(content)), *limit).json == plain.json
    cli("audit", labels, "--axis", "gender", "-o", tmp_path / "run")
    copied = written(tmp_path / "copy.json", (tmp_path / "run" / "run.json").read_text())
    assert cli("check", copied, *limit).json == plain.json
    assert cli("check", tmp_path / "run" / "run.json", *limit).json == plain.json
    known = ("concept", "axis", "n", "unclear", "classes", "target", "spd")
    less = {"audits": [{key: entry[key] for key in known} for entry in printed["audits"]]}
    assert cli("check", written(tmp_path / "c.json", json.dumps(less)), *limit).json == plain.json
    nothing = cli("check", written(tmp_path / "d.json", '{"audits": []}'), *limit)
    assert (nothing.code, nothing.err.count("\n")) == (2, 1)
    assert "holds no audit" in nothing.err


def test_reading_labels_scales(tmp_path: Path) -> None:
    """A million labels are the benchmark's; a test does not time. Here only that rows are counted, not kept."""
    rows = "".join(f"c{i % 20},gender,{'woman' if i % 3 else 'man'},1\n" for i in range(30_000))
    table = LabelTable.read(written(tmp_path / "many.csv", "concept,axis,class,count\n" + rows))
    assert len(table.cells) == 40
    counts = table.count([GENDER])
    assert sum(c.n for c in counts) == 30_000
    assert len(counts) == 20
