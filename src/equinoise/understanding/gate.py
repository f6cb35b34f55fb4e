"""The gate: do the whole intervals lie within the limits? Pass, fail, or not enough images to say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from xml.etree import ElementTree

from equinoise import statistics
from equinoise.statistics import Interval

Verdict = Literal["pass", "fail", "inconclusive"]
NAMES = {"spd": "parity difference", "tv": "distance to the target"}


@dataclass(frozen=True)
class Judged:
    """One measure of one audit against its limit.

    `basis` says which shares it is of: `corrected` for the detector's error where that is known, else `measured`.
    """

    concept: str
    axis: str
    measure: str
    value: float | None
    interval: Interval | None
    limit: float
    basis: str
    verdict: Verdict
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """As `check --json` lists it."""
        low, high = self.interval or (None, None)
        fields = ("concept", "axis", "measure", "value", "limit", "basis", "verdict", "sentence")
        return {**{name: getattr(self, name) for name in fields}, "low": low, "high": high}


def judge(audit: Mapping[str, Any], limits: Mapping[str, float]) -> Iterator[Judged]:
    """Hold one audit object against limits by measure (`spd`, `tv`).

    Pass: the whole 95% interval is at most the limit. Fail: the whole interval is above it. Otherwise, and where no
    image was clear, inconclusive: a wide interval that happens to hold the limit proves nothing either way.
    """
    basis, shares, intervals = _shares(audit)
    target = list(audit["target"].values())
    for measure, limit in limits.items():
        value, interval = None, None
        if shares is not None:
            parity = measure == "spd"
            value = statistics.parity_difference(shares) if parity else statistics.total_variation(shares, target)
            bounds = statistics.parity_bounds, statistics.variation_bounds
            interval = bounds[0](intervals) if parity else bounds[1](intervals, target)
        verdict = _verdict(interval, limit)
        sentence = _sentence(audit, measure, value, interval, limit, basis, verdict)
        yield Judged(audit["concept"], audit["axis"], measure, value, interval, limit, basis, verdict, sentence)


def _shares(audit: Mapping[str, Any]) -> tuple[str, list[float] | None, list[Interval]]:
    classes = list(audit["classes"].values())
    if audit["n"] == audit["unclear"]:  # the detector saw nothing plainly: no correction makes that an answer
        return "measured", None, []
    if all(entry.get("corrected") is not None for entry in classes):
        intervals = [Interval(entry["corrected_low"], entry["corrected_high"]) for entry in classes]
        return "corrected", [entry["corrected"] for entry in classes], intervals
    intervals = [Interval(entry["low"], entry["high"]) for entry in classes]
    return "measured", [entry["share"] for entry in classes], intervals


def _verdict(interval: Interval | None, limit: float) -> Verdict:
    if interval is None:
        return "inconclusive"
    return "pass" if interval.high <= limit else "fail" if interval.low > limit else "inconclusive"


def _sentence(
    audit: Mapping[str, Any],
    measure: str,
    value: float | None,
    interval: Interval | None,
    limit: float,
    basis: str,
    verdict: Verdict,
) -> str:
    what = f"'{audit['concept']}' on {audit['axis']}: {NAMES[measure]}"
    clear = audit["n"] - audit["unclear"]
    if value is None or interval is None:
        return f"{what} is unknown, no image of {audit['n']} was clear"
    numbers = f"{value:.3f} ({basis}; 95% interval {interval.low:.3f} to {interval.high:.3f}, {clear} clear images)"
    says = {
        "pass": f"is within the limit of {limit:g}",
        "fail": f"is above the limit of {limit:g}",
        "inconclusive": f"cannot be told from the limit of {limit:g} with this many images",
    }
    return f"{what} {numbers} {says[verdict]}"


def junit(verdicts: Sequence[Judged], strict: bool) -> bytes:
    """JUnit XML for a build server: a test case a verdict; an inconclusive one is skipped, or fails where strict."""
    failed = [v for v in verdicts if v.verdict == "fail" or (strict and v.verdict == "inconclusive")]
    skipped = [v for v in verdicts if v.verdict == "inconclusive" and not strict]
    numbers = {"tests": len(verdicts), "failures": len(failed), "skipped": len(skipped), "errors": 0}
    attributes = {name: str(value) for name, value in numbers.items()}
    suites = ElementTree.Element("testsuites", attributes)
    suite = ElementTree.SubElement(suites, "testsuite", {"name": "equinoise check", **attributes})
    for v in verdicts:
        name, says = _printable(f"{v.concept}: {v.measure} <= {v.limit:g}"), _printable(v.sentence)
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": _printable(f"equinoise.{v.axis}"), "name": name, "time": "0"}
        )
        if v in failed:
            ElementTree.SubElement(case, "failure", {"type": v.verdict, "message": says}).text = says
        elif v in skipped:
            ElementTree.SubElement(case, "skipped", {"message": says})
        ElementTree.SubElement(case, "system-out").text = says
    ElementTree.indent(suites)
    return bytes(ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)) + b"\n"


def _printable(text: str) -> str:
    """The text without control characters: one of them would make the whole XML file unreadable."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
