"""Results for people: what a command prints where no JSON is asked for."""

from __future__ import annotations

from typing import Any

from rich.markup import escape
from rich.table import Table


def audit_table(result: dict[str, Any]) -> Table:
    """One row a class; corrected shares where the detector's errors are known."""
    audits = result["audits"]
    corrected = any(found["corrected"] is not None for entry in audits for found in entry["classes"].values())
    table = Table("concept", "axis", "class", "count", "share (95%)", *["corrected (95%)"] * corrected, "target")
    for entry in audits:
        names = [_concept(entry), entry["axis"]]
        for name, found in entry["classes"].items():
            table.add_row(
                *names,
                name,
                f"{found['count']} of {entry['n'] - entry['unclear']}",
                _share(found["share"], found["low"], found["high"]),
                *[_share(found["corrected"], found["corrected_low"], found["corrected_high"])] * corrected,
                _percent(entry["target"][name]),
            )
            names = ["", ""]
        if entry["unclear"]:
            table.add_row("", "", "unclear", f"{entry['unclear']} of {entry['n']}")
        table.add_section()
    enough = {True: "narrow enough", False: "not narrow enough yet"}
    looks = result.get("sequential", [])
    notes = [f"{escape(x['concept'])}: {x['n']} images, {enough[x['reached']]}" for x in looks]
    if faceless := result.get("faces", {}).get("images_without"):
        notes.append(f"no face found in {faceless} images, which are unclear")
    table.caption = "; ".join(notes)
    return table


def _concept(entry: dict[str, Any]) -> str:
    return escape(str(entry["concept"]) + (f" [{entry['intervention']}]" if "intervention" in entry else ""))


def _share(share: float | None, low: float | None, high: float | None) -> str:
    return f"{_percent(share)} ({_percent(low)}–{_percent(high)})"


def check_table(result: dict[str, Any]) -> Table:
    """One row a verdict."""
    table = Table("verdict", "what was found")
    for found in result["verdicts"]:
        table.add_row(found["verdict"], escape(found["sentence"]))
    return table


def calibration_table(result: dict[str, Any]) -> Table:
    """The confusion matrix: a row a true class."""
    columns = list(next(iter(result["confusion"].values())))
    table = Table("true class", *columns)
    for true, row in result["confusion"].items():
        table.add_row(true, *(str(row[name]) for name in columns))
    table.caption = f"{result['n']} images, unclear below a probability of {result['unclear_below']:g}"
    return table


def fit_table(result: dict[str, Any]) -> Table:
    """One row a direction."""
    table = Table("axis", "class", "step", "estimator", "held-out accuracy", "95% interval", "p")
    for d in result["directions"]:
        known = d["accuracy"] is not None  # not of a direction made orthogonal to others
        interval = f"{d['low']:.2f} – {d['high']:.2f}" if known else "–"
        table.add_row(
            d["axis"],
            d["class"],
            str(d["step"]),
            d["estimator"],
            f"{d['accuracy']:.2f}" if known else "–",
            interval,
            f"{d['p']:.2f}" if known else "–",
        )
    return table


def sweep_table(result: dict[str, Any]) -> Table:
    """One row a step and weight, after the untouched images."""
    table = Table("step", "weight", "share", "95% interval", "fidelity", "nats", "")
    for cell in [result["untouched"], *result["cells"]]:
        table.add_row(
            "untouched" if cell["step"] is None else str(cell["step"]),
            f"{cell['weight']:g}",
            _percent(cell["share"]),
            f"{_percent(cell['low'])} – {_percent(cell['high'])}",
            _percent(cell["concept_fidelity"]),
            f"{cell['intrusion_nats']:.1f}",
            "best" if cell == result["best"] else "",
        )
    return table


def relations_table(result: dict[str, Any]) -> Table:
    """One row an attribute, the closest in the text encoder first."""
    rows = result["relations"]
    key = "vision" if rows[0]["text"] is None else "text_centred"
    table = Table("attribute", "text", "text, centred (95%)", "vision (95%)", title=escape(result["concept"]))
    for row in sorted(rows, key=lambda row: -row[key]):
        table.add_row(escape(row["attribute"]), *(_cosine(row, key) for key in ("text", "text_centred", "vision")))
    table.caption = "cosines; centred: without what all phrases of a reference vocabulary share"
    return table


def _cosine(row: dict[str, Any], key: str) -> str:
    if row[key] is None:
        return "–"
    low, high = row[f"{key}_low"], row[f"{key}_high"]
    return f"{row[key]:.3f}" + (f" ({low:.3f}–{high:.3f})" if low is not None else "")


def objects_table(result: dict[str, Any]) -> Table:
    """One row an object; what was merged behind it."""
    table = Table("concept", "object", "images", "share (95%)", "merged")
    for row in result["objects"]:
        merged = ", ".join(f"{phrase} {times}" for phrase, times in list(row["merged"].items())[:6])
        more = len(row["merged"]) - 6
        table.add_row(
            _concept(row),
            escape(row["phrase"]),
            f"{row['count']} of {row['n']}",
            _share(row["share"], row["low"], row["high"]),
            escape(merged) + (f" and {more} more" if more > 0 else ""),
        )
    return table


def findings_table(result: dict[str, Any]) -> Table:
    """One row a finding, in words."""
    table = _findings(result)
    rank = result["rank_correlation"]
    low, high = result["rank_low"], result["rank_high"]
    order = "" if rank is None else f"; rank correlation {rank:.2f} ({low:.2f} to {high:.2f})"
    pairs = f"{len(result['findings'])} of {result['tested']} pairs disagree"
    table.caption = f"{pairs} over {result['images']} images{order}"
    return table


def understanding_table(result: dict[str, Any]) -> Table:
    """The findings of a study, and where all of it stands."""
    table = _findings(result)
    pairs = f"{len(result['findings'])} of {result['tested']} pairs disagree"
    table.caption = escape(f"{pairs}; all panels: {result['report']}")
    return table


def _findings(result: dict[str, Any]) -> Table:
    table = Table("adjusted p", "finding")
    for row in result["findings"]:
        table.add_row(f"{row['p_adjusted']:.2g}", escape(row["sentence"]))
    return table


def interactions_table(result: dict[str, Any]) -> Table:
    """One row a class under an intervention."""
    table = Table("intervention", "axis", "class", "before", "after", "change (paired 95%)", "moved")
    for row in result["interactions"]:
        for axis, entry in row["axes"].items():
            for name, c in entry["classes"].items():
                points = f"{100 * c['difference']:+.0f} ({100 * c['low']:+.0f} to {100 * c['high']:+.0f}) points"
                moved = "yes" if name in entry["moved"] else ""
                texts = (row["intervention"], axis, name, _percent(c["before"]), _percent(c["after"]), points, moved)
                table.add_row(*map(escape, texts))
        table.add_section()
    table.caption = "moved: the interval that holds for all classes of the row together excludes 0"
    return table


def quality_table(result: dict[str, Any]) -> Table:
    """One row a measure; of the untouched images beside it."""
    table = Table("measure", "value (95%)", "untouched", title=escape(result["run"]))
    first, kept, found = result["untouched"] or {}, result["fidelity_kept"] or {}, result["fidelity"]
    if found:
        table.add_row("concept right", _share(found["share"], found["low"], found["high"]))
    if kept.get("ratio"):
        table.add_row("concept right, over untouched", _measured(kept["ratio"], ".3f"))
    table.add_row("diversity, over named prompts", *(_measured(r.get("diversity"), ".3f") for r in (result, first)))
    table.add_row("kernel distance × 1000", *(_measured(r.get("kid"), ".2f", 1000) for r in (result, first)))
    for axis, entry in (result["off_target"] or {}).items():
        for name, c in entry["classes"].items():
            points = f"{100 * c['difference']:+.0f} ({100 * c['low']:+.0f} to {100 * c['high']:+.0f}) points"
            table.add_row(escape(f"{axis}: {name}"), points, "moved" if name in entry["moved"] else "")
    table.caption = f"within classes of {', '.join(result['within'])}; against {escape(result['against'])}"
    return table


def _measured(found: dict[str, float] | None, how: str, scale: float = 1.0) -> str:
    if found is None:
        return ""
    value, low, high = (format(scale * found[end], how) for end in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def demo_table(result: dict[str, Any]) -> Table:
    """Before against after, paired."""
    table = Table("axis", "class", "before", "after", "change (paired 95% interval)")
    for before, after in zip(result["before"]["audits"], result["after"]["audits"], strict=True):
        for name, found in before["classes"].items():
            c = result["differences"][before["axis"]][name]
            table.add_row(
                before["axis"],
                name,
                _percent(found["share"]),
                _percent(after["classes"][name]["share"]),
                f"{100 * c['difference']:+.0f} ({100 * c['low']:+.0f} to {100 * c['high']:+.0f}) points",
            )
    table.caption = f"{result['applied']['name']}: {result['report']}"
    return table


def plan_table(result: dict[str, Any]) -> Table:
    """Target, expected and verified shares, and what the images get."""
    table = Table("axis", "class", "target", "expected (95%)", "verified (95%)", "verdict")
    for entry, found in zip(result["verified"]["audits"], result["verdicts"], strict=True):
        said, axis = found["verdict"].replace("_", " "), entry["axis"]
        for name, share in entry["classes"].items():
            kind = "corrected" if found["corrected"] else "share"
            ends = ("corrected_low", "corrected_high") if found["corrected"] else ("low", "high")
            expected = result["expected"][entry["axis"]][name]
            table.add_row(
                axis,
                name,
                _percent(entry["target"][name]),
                _share(expected["share"], expected["low"], expected["high"]),
                _share(share[kind], *(share[end] for end in ends)),
                said,
            )
            axis = said = ""
        table.add_section()
    mixture = "\n".join(f"{_percent(part['share'])} of images: {part['name']}" for part in result["interventions"])
    cost = result["cost"]
    table.caption = escape(
        f"{mixture}\n{cost['intrusion_nats']:.2f} nats and {_percent(cost['extra_calls_per_image'])} more denoiser "
        f"calls an image; planning took {cost['images']} images, "
        f"{cost['denoiser_calls']} denoiser calls; {result['plan']}"
    )
    return table


def dry(result: dict[str, Any]) -> str:
    """What a dry run would do."""
    return (
        f"{result['images']} images, {result['denoiser_calls']} denoiser calls, "
        f"about {result['estimated_seconds']:.0f} s with {result['workers']} worker(s)"
    )


def plain(result: dict[str, Any]) -> str:
    """Names and values; of lists their length."""
    return "\n".join(f"{key}: {value if not isinstance(value, list) else len(value)}" for key, value in result.items())


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}%"
