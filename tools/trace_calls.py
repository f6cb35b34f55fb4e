"""Which modules a call passes from verb to result: `python -m tools.trace_calls [--source DIR] [--model NAME]`.

Runs `audit` of a model (by itself, and kept in a folder) and `plan` at a tiny scale under `sys.setprofile`, the model
loaded and every module imported before, and notes each function of equinoise that is entered. `--source` is a checkout
whose `src` is used in place of this one's; one of version 0.1 is entered where its command line entered it.

**More than data.** A module counts when the call enters a function of it, or a method of a class of it that is no
value. Values are frozen dataclasses, frozen pydantic models, `NamedTuple`, `TypedDict` and `Enum`, exceptions and
protocols, and what derives from one of them (from a protocol: no). A module of which only methods of values are
entered, constructors and classmethods among them, is data. A function inside a function or method belongs to that
one; what runs while a module is imported is no part of the call.

**Passed.** A call passes a module when a function of that module calls one of another module that is more than data,
methods of values between them seen through. A module that answers and calls nobody, such as the statistics, is an end,
not a passage. This is the figure that is held against a bar. The others beside it: all modules entered; those that are
more than data; these without `equinoise.statistics`, whose functions are pure, counts in and numbers out. A value
may do more than hold: where methods of values do the work, the first total says so.

Traced is the process that calls, with its threads. On a CPU the engine makes the images in worker processes: what they
enter (the worker, the model, the detector) is no part of what the caller passes, and is not shown.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from tools.source import Code
from tools.values import is_value_method

ROOT = Path(__file__).parents[1]
TOP, PURE = "equinoise", "equinoise.statistics"
BARS = {"audit": 8, "audit kept in a folder": None, "plan": 12}
"""The calls that are traced, and the most modules that each may pass."""

CONCEPT = "a photo of a doctor"
STEPS, IMAGES, BATCH, WORKERS = 3, 8, 8, 1
BUDGET, VERIFY, PAIRS = 80, 16, 4

Call = Callable[[], object]
Place = tuple[str, str]
"""Module and qualified name of a function."""
Entered = list[tuple[Place, Place | None]]
"""Each function with one that called it: the nearest of ours on the stack that is no method of a value. In the order
of first entry."""


@dataclass(frozen=True)
class Passed:
    """What one call passes, in the order of first entry.

    Attributes:
        packages: the parts of the library: top-level subpackages and single modules.
        counted: the modules that are more than data.
        impure: these without the modules of statistics.
        handing_on: those of them that call a function of another module.
        data: the modules of which only methods of values are entered.
        functions: of each module that counts, what is entered of it that is no method of a value.
    """

    packages: tuple[str, ...]
    counted: tuple[str, ...]
    impure: tuple[str, ...]
    handing_on: tuple[str, ...]
    data: tuple[str, ...]
    functions: dict[str, list[str]]

    @classmethod
    def of(cls, code: Code, entered: Entered) -> Passed:
        """Modules sorted by what was entered of them."""
        places = {place for pair in entered for place in pair if place}
        working = {place for place in places if not is_value_method(code, code.modules[place[0]], place[1])}
        names = list(dict.fromkeys(name for (name, _), _ in entered))
        counted = [name for name in names if any(name == place[0] for place in working)]
        handing = {by[0] for to, by in entered if by in working and to in working and by and by[0] != to[0]}
        functions = {
            name: list(dict.fromkeys(to[1] for to, _ in entered if to in working and to[0] == name)) for name in counted
        }
        return cls(
            tuple(dict.fromkeys(code.modules[name].room or TOP for name in names)),
            tuple(counted),
            tuple(name for name in counted if name != PURE and not name.startswith(f"{PURE}.")),
            tuple(name for name in counted if name in handing),
            tuple(name for name in names if name not in counted),
            functions,
        )


def trace(call: Call, source: Path) -> Entered:
    """What a call enters of the package below a folder `src`, imports apart."""
    package, tree = f"{source / TOP}{os.sep}", Code.read([source / TOP])
    seen: dict[tuple[CodeType, CodeType | None], None] = {}

    @cache
    def is_value(code: CodeType) -> bool:
        name, qualified = _place(code, source)
        return is_value_method(tree, tree.modules[name], qualified)

    def is_ours(code: CodeType) -> bool:
        return code.co_filename.startswith(package) and code.co_name != "<module>"

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and is_ours(frame.f_code):
            caller = frame.f_back
            while caller and (not is_ours(caller.f_code) or is_value(caller.f_code)):
                caller = caller.f_back
            seen.setdefault((frame.f_code, caller.f_code if caller else None))

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return [(_place(code, source), _place(caller, source) if caller else None) for code, caller in seen]


def _place(code: CodeType, source: Path) -> Place:
    return _name(Path(code.co_filename).relative_to(source)), code.co_qualname


def _name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def calls_now(model_name: str, out: Path) -> dict[str, Call]:
    """The calls as a notebook makes them, with a model that is loaded."""
    eq: Any = importlib.import_module(TOP)
    model = eq.load(model_name, steps=STEPS, batch_size=BATCH)
    audit, plan, targets = eq.audit, eq.plan, {"gender": "uniform"}
    more = {"engine": eq.Engine(WORKERS), "progress": False}
    small = {"budget": BUDGET, "verify": VERIFY, "pairs": PAIRS}
    return {
        "audit": lambda: audit(model, CONCEPT, axes=["gender"], n=IMAGES, **more),
        "audit kept in a folder": lambda: audit(model, CONCEPT, axes=["gender"], n=IMAGES, out=out / "audit", **more),
        "plan": lambda: plan(model, CONCEPT, targets=targets, out=out / "plan", **small, **more),
    }


def calls_0_1(model_name: str, out: Path) -> dict[str, Call]:
    """The same calls of version 0.1, as its command line made them once the model was loaded."""
    load: Any = importlib.import_module(f"{TOP}.session")
    auditing: Any = importlib.import_module(f"{TOP}.commands.auditing")
    models: Any = importlib.import_module(f"{TOP}.commands.auditing_models")
    planning: Any = importlib.import_module(f"{TOP}.commands.planning")
    targets: Any = importlib.import_module(f"{TOP}.understanding")
    axes = [importlib.import_module(f"{TOP}.axes").load_axis("gender")]
    session = load.open_session(model_name, STEPS, batch_size=BATCH, workers=WORKERS, axes=axes)

    def audit(folder: Path | None) -> object:
        return models.audit_model(session, [CONCEPT], auditing.ask(["gender"]), IMAGES, 0, folder)

    def plan() -> object:
        wanted = targets.parse_targets(["gender=uniform"], CONCEPT)
        asked = planning.Ask(CONCEPT, wanted, budget=BUDGET, verify=VERIFY, pairs=PAIRS)
        return planning.plan(session, asked, out / "plan.safetensors")

    return {"audit": lambda: audit(None), "audit kept in a folder": lambda: audit(out / "audit"), "plan": plan}


def trace_inside(name: str, source: Path, model: str) -> Entered:
    """In a process whose `equinoise` is that of `source`: what a call enters."""
    package = importlib.import_module(TOP)
    if not Path(package.__file__ or "").is_relative_to(source):
        raise SystemExit(f"{TOP} is imported from {package.__file__}, not from {source}")
    for module in pkgutil.walk_packages(package.__path__, f"{TOP}."):
        importlib.import_module(module.name)
    is_0_1 = importlib.util.find_spec(f"{TOP}.commands") is not None
    with tempfile.TemporaryDirectory() as folder:
        calls = (calls_0_1 if is_0_1 else calls_now)(model, Path(folder))
        return trace(calls[name], source)


def traced(name: str, root: Path, model: str) -> Passed:
    """What a call passes in a checkout, traced in a process of its own: what another call left in a cache counts."""
    source = root.resolve() / "src"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(source), str(ROOT)]),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
        "TOKENIZERS_PARALLELISM": "false",
    }
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "entered.json"
        command = [sys.executable, "-m", "tools.trace_calls", "--model", model, "--source", str(root.resolve())]
        command += ["--call", name, "--inside", str(result)]
        done = subprocess.run(command, env=environment, cwd=folder, check=False)
        if done.returncode:
            raise SystemExit(f"{name} of {root} failed; the reason stands above")
        entered = [_read(*pair) for pair in json.loads(result.read_text())]
    return Passed.of(Code.read([source / TOP]), entered)


def _read(place: Sequence[str], caller: Sequence[str] | None) -> tuple[Place, Place | None]:
    return (place[0], place[1]), (caller[0], caller[1]) if caller else None


def table(found: dict[str, Passed]) -> str:
    """What every call passes, as text."""
    rows = []
    for name, passed in found.items():
        bar = "" if BARS[name] is None else f" (at most {BARS[name]})"
        rows += [
            f"{name}: passes {len(passed.handing_on)} modules that hand the work on{bar}; of "
            f"{len(passed.counted) + len(passed.data)} entered {len(passed.counted)} are more than data, without "
            f"statistics {len(passed.impure)}",
            f"  packages, {len(passed.packages)}: {' → '.join(passed.packages)}",
            f"  modules: {_short(passed.counted)}",
            f"  handing on: {_short(passed.handing_on)}",
            f"  only data, {len(passed.data)}: {_short(passed.data)}",
        ]
    return "\n".join(rows)


def functions(found: dict[str, Passed]) -> str:
    """Of every call and module that counts, the functions that make it count."""
    return "\n".join(
        f"{call}: {module.removeprefix(f'{TOP}.')}: {', '.join(names)}"
        for call, passed in found.items()
        for module, names in passed.functions.items()
    )


def _short(names: Sequence[str]) -> str:
    return ", ".join(name.removeprefix(f"{TOP}.") for name in names)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.trace_calls", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--source", type=Path, default=ROOT, help="a checkout; default: this one")
    parser.add_argument("--model", choices=("emoji", "mixture"), default="emoji")
    parser.add_argument("--call", choices=tuple(BARS), action="append", help="only this one; may be repeated")
    parser.add_argument("--functions", action="store_true", help="the functions entered, by module, as well")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.inside:
        given.inside.write_text(json.dumps(trace_inside(given.call[0], given.source / "src", given.model)))
        return 0
    if not (given.source / "src" / TOP).is_dir():
        parser.error(f"{given.source} has no src/{TOP}; give the folder of a checkout")
    found = {name: traced(name, given.source, given.model) for name in given.call or BARS}
    print(
        json.dumps({name: asdict(passed) for name, passed in found.items()}, indent=2) if given.json else table(found)
    )
    if given.functions:
        print(functions(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
