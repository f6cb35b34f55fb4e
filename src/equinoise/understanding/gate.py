"""The gate: do the whole intervals lie within the limits? Pass, fail, or not enough images to say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal
from xml.etree import ElementTree

from equinoise import statistics
from equinoise.results.audits import Audit
from equinoise.results.checks import Verdict
from equinoise.statistics import Interval

NAMES = {"spd": "parity difference", "tv": "distance to the target"}


def judge(audit: Audit, limits: Mapping[str, float]) -> Iterator[Verdict]:
    """Hold one audit against limits by measure (`spd`, `tv`).

    Pass: the whole 95% interval is at most the limit. Fail: the whole interval is above it. Otherwise, and where no
    image was clear, inconclusive: a wide interval that happens to hold the limit proves nothing either way.
    """
    basis, shares, intervals = _shares(audit)
    target = list(audit.target.values())
    for measure, limit in limits.items():
        value, interval = None, None
        if shares is not None:
            parity = measure == "spd"
            value = statistics.parity_difference(shares) if parity else statistics.total_variation(shares, target)
            interval = statistics.parity_bounds(intervals) if parity else statistics.variation_bounds(intervals, target)
        low, high = interval or (None, None)
        said = _verdict(interval, limit)
        verdict = Verdict(
            concept=audit.concept,
            axis=audit.axis,
            measure=measure,
            value=value,
            limit=limit,
            basis=basis,
            verdict=said,
            sentence="",
            low=low,
            high=high,
        )
        yield verdict.model_copy(update={"sentence": _sentence(audit, verdict)})


def _shares(audit: Audit) -> tuple[str, list[float] | None, list[Interval]]:
    classes = list(audit.classes.values())
    if audit.clear == 0:  # the detector saw nothing plainly: no correction makes that an answer
        return "measured", None, []
    corrected = [found.corrected for found in classes if found.corrected is not None]
    if len(corrected) == len(classes):
        return "corrected", corrected, [found.corrected_interval or Interval(0.0, 1.0) for found in classes]
    shares = [found.share for found in classes if found.share is not None]
    return "measured", shares, [found.interval or Interval(0.0, 1.0) for found in classes]


def _verdict(interval: Interval | None, limit: float) -> Literal["pass", "fail", "inconclusive"]:
    if interval is None:
        return "inconclusive"
    return "pass" if interval.high <= limit else "fail" if interval.low > limit else "inconclusive"


def _sentence(audit: Audit, found: Verdict) -> str:
    what = f"'{audit.concept}' on {audit.axis}: {NAMES[found.measure]}"
    if found.value is None:
        return f"{what} is unknown, no image of {audit.n} was clear"
    numbers = (
        f"{found.value:.3f} ({found.basis}; 95% interval {found.low:.3f} to {found.high:.3f}, {audit.clear} clear "
        "images)"
    )
    says = {
        "pass": f"is within the limit of {found.limit:g}",
        "fail": f"is above the limit of {found.limit:g}",
        "inconclusive": f"cannot be told from the limit of {found.limit:g} with this many images",
    }
    return f"{what} {numbers} {says[found.verdict]}"


def junit(verdicts: Sequence[Verdict], strict: bool) -> bytes:
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
