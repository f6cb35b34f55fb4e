"""Results → articles: audits over the same seeds share one, and so do a run and what was added to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from equinoise.charts.numbers import number
from equinoise.errors import EquinoiseError
from equinoise.page.articles import Article, ImageGroup
from equinoise.results.audits import AuditResult
from equinoise.results.base import Result
from equinoise.results.comparisons.methods import MethodsResult
from equinoise.results.comparisons.runs import ChangesResult
from equinoise.results.demo import DemoResult
from equinoise.results.directions import DirectionsResult
from equinoise.results.disagreements import DisagreementsResult
from equinoise.results.images import ImagesResult
from equinoise.results.objects import ObjectsResult
from equinoise.results.plans import PlanResult
from equinoise.results.reading import Source, read_additions, read_result
from equinoise.results.relations import RelationsResult
from equinoise.results.sweeps import SweepResult
from equinoise.results.understand import UnderstandResult
from equinoise.run import UNTOUCHED, Record, RunContent, RunFile
from equinoise.understanding.pairing import paired_changes

UNTOUCHED_IMAGES, PLANNED, RECIPE, MEASURED = "untouched", "plan", "paper's recipe", "measured"
"""Names of groups."""
ADDITIONS = (RelationsResult, ObjectsResult, DisagreementsResult)
"""What is found in the images of a run that is there already."""


def compose(sources: Sequence[Source]) -> list[Article]:
    """The articles of a page, in the order in which their runs are given.

    An audit joins an earlier one of untouched images where concepts, axes and seeds are the same; relations, objects
    and disagreements join the run that they were found in.

    Raises:
        EquinoiseError: a folder that is no finished run, a damaged one, or a result that a page has no place for.
    """
    bundles: list[list[Result]] = []
    for result in (read_result(source) for source in sources):
        home = next((bundle for bundle in bundles if _belongs(result, bundle)), None)
        if home is None:
            bundles.append([result])
        else:
            home.append(result)
    return [_article(bundle) for bundle in bundles]


def _belongs(result: Result, bundle: Sequence[Result]) -> bool:
    first = bundle[0]
    if not (result.has_run and first.has_run):
        return False
    if isinstance(result, ADDITIONS):
        return _same_run(result.run, first.run)
    return isinstance(result, AuditResult) and isinstance(first, AuditResult) and comparable(first, result)


def _same_run(one: RunContent, other: RunContent) -> bool:
    if one.folder is not None and other.folder is not None:
        return one.folder.resolve() == other.folder.resolve()
    return one is other


def comparable(before: AuditResult, after: AuditResult) -> bool:
    """Whether two audits are of the same concepts, axes and seeds, the first untouched, the second not."""
    seeds = [[(record.prompt, record.seed) for record in result.run.records] for result in (before, after)]
    axes = [[(audit.concept, audit.axis) for audit in result.audits] for result in (before, after)]
    touched = [any(r.intervention != UNTOUCHED for r in result.run.records) for result in (before, after)]
    alike = sorted(seeds[0]) == sorted(seeds[1]) and axes[0] == axes[1]
    return alike and bool(seeds[0]) and touched == [False, True]


def _article(bundle: Sequence[Result]) -> Article:
    first, *others = [part for result in bundle for part in _parts(result)]
    if isinstance(first, ADDITIONS) and first.has_run:
        first, others = read_result(first.run), [first, *others]
    found = _started(first)
    audits = [result for result in others if isinstance(result, AuditResult)]
    if audits and isinstance(first, AuditResult):
        groups = [ImageGroup(UNTOUCHED_IMAGES, first.audits, first.pooled, _run(first))]
        applied: dict[str, str] = {}
        for audit in audits:
            groups.append(ImageGroup(_free(_called(audit), groups), audit.audits, audit.pooled, _run(audit)))
            applied |= {groups[-1].name: audit.plan.name} if audit.plan else {}
        found = replace(found, groups=tuple(groups), others=tuple(map(_run, audits)), applied=applied)
    for addition in others:
        found = _added(found, addition)
    return replace(found, changes=_changes(found.groups))


def _parts(result: Result) -> list[Result]:
    if not isinstance(result, UnderstandResult):
        return [result]
    return [result.audit, result.relations, *([result.objects] if result.objects else []), result.disagreements]


def _called(result: AuditResult) -> str:
    if result.plan is not None:
        return PLANNED
    names = {audit.intervention for audit in result.audits}
    return next((name for name in names if name), "shifted") if len(names) == 1 else "shifted"


def _free(name: str, groups: Sequence[ImageGroup]) -> str:
    taken = {group.name for group in groups}
    return next(n for n in (name, *(f"{name} {number}" for number in range(2, len(taken) + 3))) if n not in taken)


def _started(result: Result) -> Article:
    """The article of one result alone, with what lies beside its run."""
    run = _run(result)
    more = read_additions(run)
    found = Article(run, relations=more.relations, objects=more.objects, disagreements=more.disagreements)
    match result:
        case AuditResult():
            applied = {PLANNED: result.plan.name} if result.plan else {}
            found = replace(found, groups=_groups(result, run), applied=applied)
        case PlanResult():
            verified = ImageGroup(PLANNED, result.verified.audits, result.verified.pooled, run)
            applied = {PLANNED: _mixture(result)}
            found = replace(found, groups=(verified,), plan=result, warnings=result.warnings, applied=applied)
        case DemoResult():
            found = _demo(result, found)
        case SweepResult():
            found = replace(found, sweeps=(result,))
        case ImagesResult():
            applied = {MEASURED: _images(result, run)} if result.kl_nats else {}
            found = replace(found, groups=(ImageGroup(MEASURED, (), (), run),), applied=applied)
        case MethodsResult():
            found = replace(found, methods=result)
        case DirectionsResult():
            found = replace(found, directions=result.directions, skipped=result.skipped)
        case RelationsResult() | ObjectsResult() | DisagreementsResult():
            found = _added(found, result)
        case _:
            raise EquinoiseError(f"a report has no place for {type(result).__name__}; give it the runs it is made from")
    return found


def _added(article: Article, result: Result) -> Article:
    if isinstance(result, RelationsResult):
        return replace(article, relations=result)
    if isinstance(result, ObjectsResult):
        return replace(article, objects=result)
    if isinstance(result, DisagreementsResult):
        return replace(article, disagreements=result)
    return article


def _run(result: Result) -> RunContent:
    """The run of a result; an empty one of what was made from counts or read from JSON alone."""
    if isinstance(result, PlanResult):
        return _run(result.verified) if not result.has_run else result.run
    return result.run if result.has_run else RunContent(RunFile(about={}, environment={}))


def _groups(result: AuditResult, run: RunContent) -> tuple[ImageGroup, ...]:
    """The groups of one run: as one, or apart by what was done to their noise."""
    kinds = list(dict.fromkeys(audit.intervention for audit in result.audits))
    if len(kinds) < 2:
        return (ImageGroup(MEASURED, result.audits, result.pooled, run),)
    ordered = sorted(kinds, key=lambda kind: kind is not None)
    return tuple(_part(result, run, kind) for kind in ordered)


def _part(result: AuditResult, run: RunContent, kind: str | None) -> ImageGroup:
    audits = tuple(audit for audit in result.audits if audit.intervention == kind)
    concepts = {audit.concept for audit in audits}
    done = kind or UNTOUCHED
    # the images of a plan carry the names of its parts; their concepts tell them from those that it left alone
    records = tuple(r for r in run.records if r.prompt in concepts and (result.plan or r.intervention == done))
    pooled = tuple(pooled for pooled in result.pooled if pooled.intervention == kind)
    name = UNTOUCHED_IMAGES if kind is None else PLANNED if result.plan and kind == result.plan.name else kind
    return ImageGroup(name, audits, pooled, replace(run, records=records))


def _demo(result: DemoResult, found: Article) -> Article:
    rows: Mapping[str, tuple[AuditResult, list[Record]]] = {
        UNTOUCHED_IMAGES: (result.before, result.untouched_images),
        RECIPE: (result.recipe.audit, result.recipe_images),
        PLANNED: (result.after, result.plan_images),
    }
    groups = tuple(
        ImageGroup(name, audit.audits, audit.pooled, replace(found.run, records=tuple(records)))
        for name, (audit, records) in rows.items()
    )
    applied = {RECIPE: _done(result.recipe.name, result.recipe.kl_nats), PLANNED: _mixture(result.plan)}
    found = replace(found, groups=groups, plan=result.plan, applied=applied, warnings=result.warnings)
    return replace(found, sweeps=result.sweeps, directions=result.directions)


def _mixture(plan: PlanResult) -> str:
    parts = plan.interventions
    name = parts[0].name if len(parts) == 1 else f"a mixture of {len(parts)}, listed under the plan"
    return _done(name, plan.cost.kl_nats)


def _images(result: ImagesResult, run: RunContent) -> str:
    name = result.plan.name if result.plan else " + ".join(dict.fromkeys(r.intervention for r in run.records))
    return _done(name, result.kl_nats)


def _done(name: str, kl_nats: float) -> str:
    return f"{name}, {number(kl_nats, 1)} nats from N(0, I)"


def _changes(groups: Sequence[ImageGroup]) -> Mapping[str, ChangesResult] | None:
    """Each further group against the first, where they are over the same seeds."""
    if len(groups) < 2:
        return None
    found = {}
    for group in groups[1:]:
        pairs = [
            paired_changes(was, now, audit.concept, audit.axis, list(audit.classes))
            for audit in groups[0].audits
            if group.audit(audit.concept, audit.axis)
            for was, now in [(groups[0].by_concept.get(audit.concept, []), group.by_concept.get(audit.concept, []))]
            if was and sorted(r.seed for r in was) == sorted(r.seed for r in now)
        ]
        if any(change.classes for change in pairs):
            found[group.name] = ChangesResult(changes=tuple(change for change in pairs if change.classes))
    return found or None
