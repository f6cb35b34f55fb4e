"""Audits: the contract's object, unclear apart, parts add up to the whole."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equinoise import EquinoiseError, Record, load_axis
from equinoise.detectors import asked_role, read_label
from equinoise.results.audits import AuditResult
from equinoise.understanding.audit import Measures
from equinoise.understanding.counts import Counts, tally
from equinoise.understanding.pairing import paired_changes
from equinoise.understanding.targets import parse_target

GENDER = load_axis("gender")
KEYS = {
    "concept",
    "axis",
    "n",
    "unclear",
    "classes",
    "target",
    "spd",
    "spd_low",
    "spd_high",
    "tv",
    "tv_low",
    "tv_high",
    "mean_pairwise_gap",
    "heim_imbalance",
    "kl_bits",
    "entropy_bits",
    "floor",
    "gap_squared_unbiased",
    "concept_fidelity",
}


def records(women: int, men: int, unclear: int, concept: str = "a photo of a doctor") -> list[Record]:
    labels = ["woman"] * women + ["man"] * men + ["unclear"] * unclear
    return [
        Record(f"{concept}-{i}", concept, i, "none", {"role": {"doctor": 0.9, "judge": 0.1}}, {"gender": label})
        for i, label in enumerate(labels)
    ]


def audit(rows: list[Record], role: str | None = None) -> AuditResult:
    return Measures().audit(tally(rows, [GENDER], {record.prompt: role for record in rows}))


def test_the_contracts_audit_object() -> None:
    report = audit(records(20, 105, 3), role="doctor").to_json()
    (found,) = report["audits"]
    assert set(found) == KEYS
    assert (found["n"], found["unclear"]) == (128, 3)
    assert found["classes"]["woman"]["share"] == pytest.approx(0.16)
    assert found["spd"] == pytest.approx(0.68)
    assert found["concept_fidelity"] == 1.0
    assert found["target"] == {"woman": 0.5, "man": 0.5}
    (pooled,) = report["pooled"]
    assert pooled == {
        "axis": "gender",
        "prompts": 1,
        "n": 128,
        "classes": {
            "woman": {"share": 0.16, "low": None, "high": None},
            "man": {"share": 0.84, "low": None, "high": None},
        },
    }
    json.dumps(report, allow_nan=False)


def test_nothing_clear_gives_nulls_not_numbers() -> None:
    (found,) = audit(records(0, 0, 4)).to_json()["audits"]
    assert found["classes"]["woman"]["share"] is None
    assert found["tv"] is None
    assert found["floor"] is None
    assert found["concept_fidelity"] is None


def test_declared_classes_count_though_never_seen() -> None:
    (found,) = audit(records(15, 0, 0)).to_json()["audits"]
    assert found["spd"] == 1
    assert found["classes"]["man"]["count"] == 0


def test_pooling_counts_prompts() -> None:
    rows = records(10, 90, 0, "a") + records(50, 50, 0, "b") + records(90, 10, 0, "c")
    (pooled,) = audit(rows).to_json()["pooled"]
    assert pooled["prompts"] == 3
    assert pooled["classes"]["woman"]["share"] == pytest.approx(0.5)
    assert pooled["classes"]["woman"]["high"] == 1.0  # three prompts this far apart say little


@given(st.lists(st.sampled_from(["woman", "man", "unclear"]), min_size=1, max_size=60), st.integers(1, 5), st.randoms())
def test_parts_add_up_and_order_does_not_matter(labels: list[str], k: int, random: object) -> None:
    rows = [Record(str(i), "c", i, labels={"gender": label}) for i, label in enumerate(labels)]
    whole = tally(rows, [GENDER])[0]
    parts = [tally(rows[i::k], [GENDER])[0] for i in range(k) if rows[i::k]]
    assert sum(parts[1:], parts[0]) == whole
    random.shuffle(rows)  # type: ignore[attr-defined]
    assert tally(rows, [GENDER])[0] == whole
    assert whole.unclear == labels.count("unclear")
    if whole.shares:
        assert sum(whole.shares) == pytest.approx(1)


def test_counts_of_different_concepts_do_not_add() -> None:
    with pytest.raises(ValueError, match="same concept"):
        Counts("a", "gender", {"woman": 1}) + Counts("b", "gender", {"woman": 1})
    assert (Counts("a", "gender", {"woman": 1}, 0, 1) + Counts("a", "gender", {"woman": 1})).faithful is None


def test_change_is_paired() -> None:
    before, after = records(20, 80, 0), records(60, 40, 0)
    found = paired_changes(before, after, "a photo of a doctor", "gender", GENDER.classes)
    assert (found.concept, found.axis) == ("a photo of a doctor", "gender")
    woman = found.classes["woman"]
    assert woman.difference == pytest.approx(0.4)
    assert woman.low < 0.4 < woman.high
    assert (woman.before, woman.after, woman.n) == (0.2, 0.6, 100)
    with pytest.raises(EquinoiseError, match="same seeds"):
        paired_changes(before, after[:-1], "a photo of a doctor", "gender", GENDER.classes)


def test_a_seed_that_is_unclear_either_time_has_no_pair() -> None:
    found = paired_changes(records(20, 70, 10), records(60, 40, 0), "c", "gender", GENDER.classes).classes["man"]
    assert (found.n, found.before, found.after) == (90, 70 / 90, 30 / 90)
    nothing = paired_changes(records(0, 0, 3), records(1, 1, 1), "c", "gender", GENDER.classes)
    assert nothing.classes == {}


def test_relabelling_is_symmetric() -> None:
    measures = Measures({"gender": parse_target("uniform", GENDER)})
    a, b = (
        measures.audit([Counts("c", "gender", {"woman": women, "man": 100 - women})]).to_json()["audits"][0]
        for women in (30, 70)
    )
    for key in ("spd", "tv", "kl_bits", "entropy_bits", "floor", "gap_squared_unbiased"):
        assert a[key] == pytest.approx(b[key])


def test_reading_labels_and_roles() -> None:
    assert read_label({"woman": 0.55, "man": 0.45}, 0.6) == "unclear"
    assert read_label({"woman": 0.65, "man": 0.35}, 0.6) == "woman"
    names = {"officer": ("officer",), "police-officer": ("police officer",), "person": ("person", "man", "woman")}
    assert asked_role("A photo of a Police Officer", names) == "police-officer"
    assert asked_role("a photo of a woman", names) == "person"
    assert asked_role("a photo of a manatee", names) is None
