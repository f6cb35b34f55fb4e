"""Charts from rows of numbers, and what results and files make of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import plotly.graph_objects as go
import pytest
from PIL import Image

import equinoise as eq
from equinoise.charts.accuracies import accuracy_chart
from equinoise.charts.bars import Bar
from equinoise.charts.changes import changes_chart
from equinoise.charts.grouped import grouped_bars
from equinoise.charts.pictures import picture_grid
from equinoise.charts.ranked import ranked_bars
from equinoise.charts.rounds import SPOKES, donut, spokes, wheel
from equinoise.charts.shares import shares_chart
from equinoise.charts.style import BLUE, FIRST, GREEN, LAST, ORANGE, THEME
from equinoise.charts.sweeps import SweepPoint, sweep_chart
from equinoise.errors import EquinoiseError
from equinoise.results.audits import AuditResult
from equinoise.workflows.reporting import figures

HOSTILE = "<b>woman</b>"


def share(value: float | None, text: str = "") -> Bar:
    known = value is not None
    return Bar(value, value - 0.1 if known else None, value + 0.1 if known else None, 0.5, text)


def by_name(figure: go.Figure) -> dict[str, go.Scatter]:
    return {trace.name: trace for trace in figure.data}


def texts(figure: go.Figure) -> str:
    return json.dumps(figure.to_dict(), ensure_ascii=False)


def test_shares_of_groups_stand_one_above_the_other_on_their_class() -> None:
    groups = {
        "untouched": {"woman": share(0.1), "man": share(0.9)},
        "recipe": {"woman": share(0.6), "man": share(None)},
        "plan": {"woman": share(0.5, "half"), "man": share(0.5)},
    }
    figure = shares_chart([("", groups)])
    traces = by_name(figure)
    assert list(traces) == ["target", "untouched", "recipe", "plan"]
    assert [traces[name].marker.color for name in groups] == [ORANGE, GREEN, BLUE]
    assert [traces[name].marker.symbol for name in groups] == [FIRST[1], "square", LAST[1]]
    assert traces["target"].y == (1, 0)
    places = [traces[name].y[0] for name in groups]
    assert places == sorted(places, reverse=True)
    assert places[1] == 1  # the middle one is on the line of its class
    assert len(traces["recipe"].x) == 1  # nothing is drawn where nothing is known
    assert traces["plan"].text == ("woman: half", "man: 50% (40–60%)")
    assert traces["plan"].error_x.array == pytest.approx((0.1, 0.1))
    low, high = figure.layout.yaxis.range
    assert all(low < y < high for trace in figure.data for y in trace.y)


def test_panels_have_titles_and_rows_of_their_own() -> None:
    figure = shares_chart([(axis, {"measured": {HOSTILE: share(0.2), "man": share(0.8)}}) for axis in ("a", "b")])
    assert [note.text for note in figure.layout.annotations] == ["<b>a</b>", "<b>b</b>"]
    assert len(set(figure.layout.yaxis.tickvals)) == 4
    assert "&lt;b&gt;woman" in texts(figure)
    assert HOSTILE not in texts(figure)
    assert figure.layout.height > shares_chart([("a", {"measured": {"woman": share(0.2)}})]).layout.height


def test_changes_are_in_points_around_nought() -> None:
    figure = changes_chart([("woman", Bar(0.37, 0.28, 0.45)), ("man", Bar(-0.37, -0.45, -0.28))])
    (trace,) = figure.data
    assert trace.x == (37, -37)
    assert trace.text[0] == "woman: +37 points (+28 to +45)"
    low, high = figure.layout.xaxis.range
    assert (low, high) == (-49, 49)


def point(step: int | str | None, weight: float, value: float, best: bool = False) -> SweepPoint:
    return SweepPoint(step, weight, share(value), Bar(0.9), best)


@pytest.mark.parametrize(("steps", "weights", "kind"), [
    (("T", 10), (3.0, 1.0), "scatter"), (tuple(range(6)), (3.0,), "scatter"),
    (tuple(range(6)), tuple(float(w) for w in range(1, 7)), "heatmap"),
])  # fmt: skip
def test_a_sweep_is_lines_for_few_steps_or_weights_and_else_tiles(
    steps: tuple[int | str, ...], weights: tuple[float, ...], kind: str
) -> None:
    points = [
        point(step, weight, weight / 10, best=(step, weight) == (steps[1], 3.0)) for step in steps for weight in weights
    ]
    figure = sweep_chart("woman", point(None, 0.0, 0.05), points)
    assert figure.data[-1].type == kind
    assert figure.layout.yaxis2.title.text.endswith("concept kept")
    assert "★ 30%" in texts(figure) if kind == "heatmap" else "best cell" in by_name(figure)
    if kind == "scatter":
        star = by_name(figure)["best cell"]
        name = "step 10" if steps == ("T", 10) else "weight 3"
        line = next(trace for trace in figure.data if trace.name == name)
        assert (star.x[0], star.y[0]) in zip(line.x, line.y, strict=True)
        assert list(line.x) == sorted(line.x)


def test_without_fidelity_there_is_one_plot() -> None:
    figure = sweep_chart(
        "woman", SweepPoint(None, 0.0, Bar(0.1)), [SweepPoint(1, 2.0, Bar(0.4)), SweepPoint(2, 2.0, Bar(None))]
    )
    assert len(figure.data) == 2  # no target, no lower plot
    assert "yaxis2" not in figure.to_dict()["layout"]


def test_rings_wheels_and_bars() -> None:
    ring = donut("gender", {"woman": share(0.2), "man": share(0.8), "nobody": share(0.0)}).data[0]
    assert ring.labels == ("woman", "man")
    assert len(set(ring.marker.pattern.shape)) == 2  # never colour alone
    names = [f"name {i}" for i in range(20)]
    text, vision = [i / 20 for i in range(20)], [1 - i / 20 for i in range(20)]
    kept = spokes(names, [text, vision])
    assert len(kept) == SPOKES
    assert {0, 19} <= set(kept)
    wheels = wheel(names[:3], {"text": [1.0, 2.0, 3.0], "even": [1.0, 1.0, 1.0]})
    assert [trace.name for trace in wheels.data] == ["text"]
    assert wheels.data[0].r == (0, 0.5, 1, 0)
    ranked = ranked_bars([("tree", share(0.9)), ("hut", Bar(0.1))], "share", BLUE, shares=True)
    assert (ranked.data[0].y, ranked.data[1].y) == ((1, 0), (1,))  # only one of them has a target
    groups = grouped_bars([("tree", {"woman": share(0.2)}), ("hut", {"man": share(0.4)})])
    assert [trace.y for trace in groups.data] == [(0.2, None), (None, 0.4)]


def test_accuracy_stands_against_chance() -> None:
    figure = accuracy_chart({"woman against man (svm)": [("T", share(0.5)), (10, share(0.7))]})
    assert by_name(figure)["chance"].y == (0.5, 0.5)
    assert figure.layout.xaxis.ticktext == ("T", "10")


def test_pictures_lie_in_a_grid_above_their_captions() -> None:
    figure = picture_grid([Image.new("RGB", (400, 400), (i, 0, 0)) for i in range(8)], [HOSTILE, *"1234567"])
    assert len(figure.layout.images) == len(figure.layout.annotations) == 8
    assert all(image.source.startswith("data:image/webp") for image in figure.layout.images)
    assert figure.layout.images[6].y < figure.layout.images[5].y  # the second row
    assert HOSTILE not in texts(figure)


@pytest.fixture(scope="module")
def audited() -> AuditResult:
    model = eq.load("mixture", steps=4)
    engine = eq.Engine(model=model.backend)
    return eq.audit(model, "a photo of a doctor", axes=["gender"], n=4, engine=engine, progress=False)


def test_results_plot_themselves_in_the_light_theme(audited: AuditResult) -> None:
    figure = audited.plot()
    assert isinstance(figure, go.Figure)
    assert figure.layout.paper_bgcolor in THEME
    assert [note.text for note in figure.layout.annotations] == ["<b>a photo of a doctor: gender</b>"]


def test_figures_are_files_and_equal_runs_give_equal_bytes(audited: AuditResult, tmp_path: Path) -> None:
    made = [figures(audited, tmp_path / name) for name in ("a", "b")]
    assert [path.name for path in made[0]] == ["shares-gender.svg", "shares-gender.png"]
    assert [path.read_bytes() for path in made[0]] == [path.read_bytes() for path in made[1]]
    assert "man" in made[0][0].read_text()


def test_figures_refuse_in_one_line(audited: AuditResult, tmp_path: Path) -> None:
    with pytest.raises(EquinoiseError, match="use svg, png or both"):
        figures(audited, tmp_path, formats=["gif"])
    with pytest.raises(EquinoiseError, match="nothing to draw"):
        figures(audited.model_copy(update={"audits": ()}).with_run(audited.run), tmp_path)
    assert not list(tmp_path.iterdir())


def test_nothing_is_loaded_before_a_chart_is_drawn() -> None:
    code = (
        "import sys, equinoise, equinoise.results.reading; "
        "print(*sorted({'plotly', 'torch', 'matplotlib', 'pandas'} & sys.modules.keys()))"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == ""
