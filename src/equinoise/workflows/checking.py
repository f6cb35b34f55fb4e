"""`check`: the gate of a build server, over what an audit found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from equinoise.errors import EquinoiseError
from equinoise.files import read_json, write_whole
from equinoise.understanding.gate import judge, junit


def check_run(
    path: Path, max_spd: float | None, max_tv: float | None, strict: bool, junit_file: Path | None
) -> tuple[dict[str, Any], bool]:
    """`{"verdicts": […], "passed": …}`, and whether the check holds.

    Of a run that shifted the noise, the shifted images are judged. Any fail fails; with `strict` an inconclusive
    verdict does too.

    Raises:
        EquinoiseError: no limit, one that is no number in 0–1, or nothing that was audited.
    """
    limits = {name: value for name, value in (("spd", max_spd), ("tv", max_tv)) if value is not None}
    if not limits:
        raise EquinoiseError("give a limit: --max-spd X (largest share − smallest) or --max-tv X (distance to target)")
    for name, value in limits.items():
        if not 0 <= value <= 1:
            raise EquinoiseError(f"--max-{name} {value}: a limit lies between 0 and 1")
    audits = _audits(path)
    verdicts = [verdict for audit in audits for verdict in judge(audit, limits)]
    bad = {"fail", "inconclusive"} if strict else {"fail"}
    passed = not any(verdict.verdict in bad for verdict in verdicts)
    if junit_file:
        write_whole(junit_file, junit(verdicts, strict))
    return {"verdicts": [verdict.to_json() for verdict in verdicts], "passed": passed, "strict": strict}, passed


def _audits(path: Path) -> list[Mapping[str, Any]]:
    file = path / "run.json" if path.is_dir() else path
    if not file.is_file():
        raise EquinoiseError(f"{path} is neither a finished run nor the JSON of an audit; make one with audit -o RUN")
    content = read_json(file)
    try:
        results = content.get("results", content)
        found = (results.get("after") or results).get("audits")
        if not found:
            raise EquinoiseError(f"{path} holds no audit; make one with 'equinoise audit … -o RUN'")
        return [_required(entry) for entry in found]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise EquinoiseError(f"{path} holds a damaged audit ({error}); make it again") from error


def _required(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The audit, if everything is there that is judged; else an error that says what is not."""
    int(entry["n"]), int(entry["unclear"]), str(entry["concept"]), str(entry["axis"])
    for name, found in entry["classes"].items():
        float(entry["target"][name])
        for key in ("share", "low", "high", "corrected", "corrected_low", "corrected_high"):
            if found[key] is not None:
                float(found[key])
    return entry
