"""How the code is built, by its syntax trees: the figures of `tools.structure`, and the tree against its bars."""

from __future__ import annotations

import ast
import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tools import structure
from tools.imports import across_packages, against_floors, behind, cycles
from tools.outputs import compare, pictures, tensors
from tools.signatures import is_untyped
from tools.source import Code, public_names
from tools.structure import Tree
from tools.trace_calls import Passed, trace
from tools.values import is_value, is_value_method

ROOT = Path(__file__).parents[1]
Write = Callable[..., Tree]
NINE = "a, b, c, d, e, f, g, h, i"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A checkout of some files, by path below it."""

    def written(**files: str) -> Tree:
        for name, text in {"src/equinoise/__init__": "", **files}.items():
            path = tmp_path / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Tree.read(tmp_path)

    return written


def in_src(**files: str) -> dict[str, str]:
    """Files of the library by dotted name; `__init__` of the library as `init`."""
    return {f"src/equinoise/{name.replace('init', '__init__').replace('.', '/')}": text for name, text in files.items()}


# this tree


@pytest.fixture(scope="module")
def here() -> Tree:
    return Tree.read(ROOT)


def test_every_bar_is_met(here: Tree) -> None:
    found = structure.figures(here)
    assert not [figure.name for figure in found if figure.missed], "\n" + structure.table(found, missed=True)


def test_imports_run_one_way(here: Tree) -> None:
    """A room may import from the rooms below it and from its own, wherever the import stands."""
    assert list(against_floors(here.code, "equinoise", structure.FLOORS)) == []
    assert list(across_packages(here.code, structure.ALLOWED, structure.WATCHED)) == []
    assert cycles(here.code, "equinoise") == []


def test_modules_are_short(here: Tree) -> None:
    lengths = sorted(module.lines for module in here.src)
    assert lengths[len(lengths) // 2] < 200
    assert lengths[-1] <= 500
    assert all(number <= 20 for number in structure.packages(here.src).values())


def test_the_core_of_the_method_reads_by_itself(here: Tree) -> None:
    files = structure.core(here)
    assert len(files) == 4
    assert sum(module.lines for module in files) <= 650


# signatures


def test_parameters_are_counted_without_self_and_with_options(write: Write) -> None:
    text = f"""
class A:
    def of_eight(self, a, b, c, d, e, *, f, g, h): ...
    def of_nine(self, a, b, c, d, e, *, f, g, h, i): ...
    @classmethod
    def made(cls, a, b, c, d, e, f, g, h): ...
    @staticmethod
    def static(a, b, c, d, e, f, g, h, i): ...
def function({NINE}):
    def inner({NINE}, *more): ...
def more(a, b, c, d, e, f, g, *more, **rest): ...
"""
    found = list(structure.long_signatures(write(**in_src(**{"engine.local": text}))))
    assert found == [
        "equinoise.engine.local.A.of_nine: 9",
        "equinoise.engine.local.A.static: 9",
        "equinoise.engine.local.function: 9",
        "equinoise.engine.local.function.<locals>.inner: 10",
        "equinoise.engine.local.more: 9",
    ]


TABLES = {
    "by home": '_HOMES = {"engine": ("go",)}',
    "by name": '_HOMES = {"go": "equinoise.engine"}',
    "imports": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from equinoise.engine import go",
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_commands_and_public_functions_may_take_more(write: Write, table: str) -> None:
    long = f"def go({NINE}): ...\ndef other({NINE}): ..."
    tree = write(
        **in_src(**{"init": f'{table}\n__all__ = ["go"]', "cli.app": long, "engine.init": "from .local import go"}),
        **in_src(**{"engine.local": long}),
    )
    assert list(public_names(tree.code)) == ["go"]
    assert list(structure.long_signatures(tree)) == ["equinoise.engine.local.other: 9"]
    assert list(structure.unlike_verbs(tree)) == ["equinoise.engine.local.go: 9 + 0"]


def test_a_public_function_takes_three_and_options(write: Write) -> None:
    text = "def a(x, y, z, *, n=1): ...\ndef b(x, **more): ...\ndef c(*, n=1): ..."
    tree = write(**in_src(init='from .engine import a, b, c\n__all__ = ["a", "b", "c"]', engine=text))
    assert list(structure.unlike_verbs(tree)) == ["equinoise.engine.b: 1 + 0"]


RETURNS = {
    "dict[str, Any]": True,
    "dict": True,
    "Mapping[str, object]": True,
    "abc.MutableMapping[str, Any | None]": True,
    "'dict[str, Any]'": True,
    "list[dict[str, Any]]": True,
    "tuple[int, Mapping[str, Any]]": True,
    "Iterator[Row] | None": True,
    "Optional[Row]": True,
    "Rows": True,
    "dict[str, dict[str, Any]]": True,
    "dict[str, Loose]": True,
    "dict[str, list[Row]]": True,
    "Json": True,
    "Named": True,
    "Derived": True,
    "equinoise.run.Row": True,
    "dict[str, float]": False,
    "dict[str, Callable[[dict[str, Any]], None]]": False,
    "Callable[..., dict[str, Any]]": False,
    "dict[str, Typed]": False,
    "Typed": False,
    "Numbers": False,
    "list[Any]": False,
    "Any": False,
    "Tree": False,
    "None": False,
}


@pytest.mark.parametrize(("returned", "untyped"), RETURNS.items())
def test_an_untyped_mapping_is_one_under_any_name(write: Write, returned: str, untyped: bool) -> None:
    run = """
from typing import Any, NewType, TypedDict
from collections.abc import Mapping
Row = Mapping[str, Any]
Rows = list[Row]
Loose = Any
Numbers = dict[str, float]
Json = dict[str, "Json"] | list["Json"] | str
Tree = list["Tree"]
Named = NewType("Named", dict[str, Any])
class Derived(dict[str, Any]): ...
class Typed(TypedDict): ...
"""
    text = f"""
import equinoise.run
from collections import abc
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Optional
from equinoise.run import Derived, Json, Loose, Named, Numbers, Row, Rows, Tree, Typed
def f() -> {returned}: ...
"""
    tree = write(**in_src(run=run, engine=text))
    module = tree.code.modules["equinoise.engine"]
    ((_, function, _),) = module.functions
    assert is_untyped(tree.code, module, function.returns) == untyped


def test_to_json_may_return_an_untyped_mapping(write: Write) -> None:
    text = "class A:\n    def to_json(self) -> dict: ...\n    @property\n    def about(self) -> dict: ..."
    tree = write(**in_src(run=text))
    assert list(structure.untyped(tree, tree.src)) == ["equinoise.run.A.about"]


# names and sizes


def test_classes_of_one_name_are_found_in_src(write: Write) -> None:
    tree = write(
        **in_src(run="class A: ...\nclass B: ...", engine="class A:\n    class C: ..."),
        **{"emoji_world/x": "class B: ..."},
    )
    assert list(structure.same_names(tree.src)) == ["A: equinoise.engine, equinoise.run"]


def test_packages_count_what_lies_in_their_folder(write: Write) -> None:
    files = {f"engine.m{i}": "" for i in range(20)}
    tree = write(**in_src(**files, **{"engine.init": "", "engine.sub.init": "", "engine.sub.m": ""}))
    assert list(structure.large_packages(tree.src)) == ["equinoise.engine: 21"]
    assert structure.packages(tree.src)["equinoise.engine.sub"] == 2


def test_bodies_are_measured_without_docstrings() -> None:
    text = '''
def f():
    """Says.

    More.
    """
    a = [
        1,
    ]

    return a
def g():
    """Says."""
'''
    f, g = ast.parse(text).body
    assert structure.body_lines(f) == 5
    assert structure.body_lines(g) == 0


def test_private_functions_are_counted_with_their_uses(write: Write) -> None:
    text = """
def _once(): ...
def _twice(): ...
def _elsewhere(): ...
class A:
    def _method(self): return _once(), _twice()
    def __len__(self): return self._method() and _twice()
"""
    more = "from equinoise.run import _elsewhere\n_elsewhere()\n_once = 1\n_once"
    tree = write(**in_src(run=text, engine=more))
    counted = {name.removeprefix("equinoise.run."): n for name, n in structure.uses(tree.src)}
    assert counted == {"_once": 1, "_twice": 2, "_elsewhere": 1, "A._method": 1}


# imports


def test_imports_are_found_wherever_they_stand(write: Write) -> None:
    text = """
from typing import TYPE_CHECKING
from equinoise import errors, statistics
from .. import files
if TYPE_CHECKING:
    from equinoise.runtime.model import Model
def f():
    import equinoise.page.assembly
    from ..planning import solver
    import_module("equinoise.cli.app")
"""
    made = {"runtime.model": "class Model: ...", "page.assembly": "", "planning.solver": "", "cli.app": ""}
    low = {"errors": "", "statistics.init": "", "files": ""}
    tree = write(**in_src(**{"engine.local": text, "engine.init": ""}, **made, **low))
    assert list(against_floors(tree.code, "equinoise", structure.FLOORS)) == [
        "equinoise.engine.local:6 (engine) imports equinoise.runtime.model",
        "equinoise.engine.local:8 (engine) imports equinoise.page.assembly",
        "equinoise.engine.local:9 (engine) imports equinoise.planning.solver",
        "equinoise.engine.local:10 (engine) imports equinoise.cli.app",
    ]


def test_names_handed_on_by_the_library_count_as_their_home(write: Write) -> None:
    made = {"init": '_HOMES = {"axes": ("Axis",)}\nfrom equinoise.axes import Axis', "axes": "class Axis: ..."}
    tree = write(**in_src(**made, engine="from equinoise import Axis", run="import equinoise as eq"))
    assert list(against_floors(tree.code, "equinoise", structure.FLOORS)) == ["equinoise.run:1 (run) imports equinoise"]


def test_rooms_of_one_floor_do_not_import_each_other(write: Write) -> None:
    tree = write(**in_src(axes="import equinoise.run", run="", nowhere="", files="import equinoise.nowhere"))
    assert list(against_floors(tree.code, "equinoise", structure.FLOORS)) == [
        "equinoise.axes:1 (axes) imports equinoise.run",
        "equinoise.files:1 (files) imports equinoise.nowhere",
        "equinoise.nowhere is in no room of the table",
    ]


def test_packages_import_in_their_order(write: Write) -> None:
    tree = write(
        **in_src(run="def f():\n    import benchmarks.a", axes="import numpy"),
        **{
            "emoji_world/a": "from equinoise.run import f\nfrom benchmarks import b",
            "benchmarks/b": "from emoji_world import a",
        },
        **{"benchmarks/a": "import tests.factories\nfrom tools import source"},
    )
    assert list(across_packages(tree.code, structure.ALLOWED, structure.WATCHED)) == [
        "equinoise.run:2 imports benchmarks.a",
        "emoji_world.a:2 imports benchmarks.b",
        "benchmarks.a:1 imports tests.factories",
        "benchmarks.a:2 imports tools.source",
    ]


def test_cycles_are_found_and_chains_are_none(write: Write) -> None:
    files = {
        "run": "import equinoise.axes",
        "axes": "def f():\n    import equinoise.files",
        "seeds": "import equinoise.run",
    }
    tree = write(**in_src(**files, files="from equinoise import run"))
    assert cycles(tree.code, "equinoise") == [["equinoise.axes", "equinoise.files", "equinoise.run"]]
    assert [module.name for module in behind(tree.code, ["equinoise.seeds"])] == [
        "equinoise.axes", "equinoise.files", "equinoise.run",
    ]  # fmt: skip


# the command line


def test_check_fails_and_says_what_misses_a_bar(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(**in_src(axes=f"import equinoise.run\ndef f({NINE}): ...", run="def _f(): ..."))
    assert structure.main(["--root", str(tmp_path)]) == 0
    assert structure.main(["--root", str(tmp_path), "--check"]) == 1
    assert "equinoise.axes:1 (axes) imports equinoise.run" in capsys.readouterr().out
    assert structure.main(["--root", str(tmp_path), "--json"]) == 0
    found = {figure["name"]: figure for figure in json.loads(capsys.readouterr().out)["figures"]}
    assert found["imports against the floors of src"]["value"] == 1
    assert found["imports against the floors of src"]["missed"]


# traces


VALUES = """
import dataclasses
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol
from pydantic import BaseModel, ConfigDict

@dataclass(frozen=True)
class Frozen:
    def method(self): ...
@dataclasses.dataclass(frozen=True, eq=False)
class Too: ...
class Base(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
class Model(Base): ...
class Direct(BaseModel, frozen=True): ...
class Row(NamedTuple): ...
class Kind(str, Enum): ...
class Wrong(ValueError): ...
class Interface(Protocol): ...

@dataclass
class Open: ...
class Loose(BaseModel): ...
class Plain:
    def method(self): ...
class Worker(Interface): ...
"""


def test_values_are_told_from_what_works(write: Write) -> None:
    more = "from equinoise.run import Base, Plain\nclass Far(Base): ...\nclass Deep(Plain): ..."
    tree = write(**in_src(run=VALUES, engine=more))
    values = {name: is_value(tree.code, module, node) for module in tree.src for name, node in module.classes.items()}
    assert [name for name, found in values.items() if not found] == ["Deep", "Open", "Loose", "Plain", "Worker"]
    run = tree.code.modules["equinoise.run"]
    assert is_value_method(tree.code, run, "Frozen.method.<locals>.<lambda>")
    assert not is_value_method(tree.code, run, "Plain.method")
    assert not is_value_method(tree.code, run, "f.<locals>.Frozen.method")


def test_a_call_passes_what_it_enters(tmp_path: Path) -> None:
    values = """
from dataclasses import dataclass
@dataclass(frozen=True)
class V:
    x: int
    def double(self): return 2 * self.x
"""
    files = {
        "data": values,
        "statistics/shares": "def share(x): return x",
        "run": "def go(x, share): return share(x)",
        "workflows": "def verb(V, go, share): return go(V(2).double(), share)",
    }
    space: dict[str, Callable] = {}
    for name, text in files.items():
        path = tmp_path / "equinoise" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        exec(compile(text, str(path), "exec"), space)
    entered = trace(lambda: space["verb"](space["V"], space["go"], space["share"]), tmp_path)
    passed = Passed.of(Code.read([tmp_path / "equinoise"]), entered)
    assert passed.packages == ("workflows", "data", "run", "statistics")
    assert passed.counted == ("equinoise.workflows", "equinoise.run", "equinoise.statistics.shares")
    assert passed.impure == ("equinoise.workflows", "equinoise.run")
    assert passed.handing_on == ("equinoise.workflows", "equinoise.run")
    assert passed.data == ("equinoise.data",)


# the same numbers


def test_json_is_compared_value_by_value() -> None:
    before = {
        "a": [{"share": 0.1}, {"share": 0.2}],
        "n": 3,
        "said": "two words",
        "kind": "one",
        "gone": None,
        "flag": True,
    }
    after = {"a": [{"share": 0.1, "new": 1}, {"share": 0.25}], "n": 3, "said": "other words", "kind": "two", "flag": 1}
    found = compare(before, after)
    assert found.changed == ("a[1].share: 0.2 → 0.25", "kind: 'one' → 'two'", "flag: True → 1")
    assert found.missing == ("gone",)
    assert found.extra == ("a[].new",)
    assert found.texts == ("said",)
    assert not found.same
    assert compare(before, before).same


def test_a_difference_in_the_last_bit_is_one() -> None:
    found = compare({"x": 0.3}, {"x": 0.1 + 0.2})
    assert 0 < found.largest < 1e-15
    assert not found.same
    assert not compare({"x": [1]}, {"x": [1, 2]}).same


def test_pictures_and_tensors_are_counted_by_content(tmp_path: Path) -> None:
    header = json.dumps(
        {"t": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "__metadata__": {"a": "b"}}
    ).encode()
    (tmp_path / "plan.work/images").mkdir(parents=True)
    (tmp_path / "plan.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"abcd")
    (tmp_path / "plan.work/images/0.png").write_bytes(b"x")
    ((kind, _),) = tensors(tmp_path / "plan")
    assert kind == "F32 [1]"
    ((name, digest),) = pictures(tmp_path / "plan")
    assert name == "0.png"
    assert len(digest) == 64
    assert not pictures(tmp_path / "pla")
