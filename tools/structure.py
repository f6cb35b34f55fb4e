"""How the code is built, in figures with bars: `python -m tools.structure [--root DIR] [--list] [--check] [--json]`.

Read off the syntax trees of `src`, `emoji_world` and `benchmarks`, never off text; nothing is imported or run. With
`--check` the exit status is 1 where a bar is missed, and what misses it is listed.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from statistics import median

from tools.imports import Floors, across_packages, against_floors, behind, cycles
from tools.signatures import is_anything, is_unlike_a_verb, parameters, untyped_functions
from tools.source import Code, Function, Module, public_names

TOP = "equinoise"
FOLDERS = ("src/equinoise", "emoji_world", "benchmarks")

FLOORS: Floors = (
    ("cli",),
    (TOP,),  # the package as a whole, `import equinoise as eq`: the public names
    ("workflows",),
    ("methods",),
    ("runtime",),
    ("page",),
    ("planning",),
    ("folders",),
    ("understanding",),
    ("results",),
    ("charts",),
    ("hub",),
    ("steering",),
    ("directions",),
    ("engine",),
    ("detectors",),
    ("models",),
    ("encoders",),
    ("statistics",),
    ("prompts",),
    ("tables",),
    ("seeds", "axes", "run", "progress"),
    ("schemas",),
    ("files", "quiet", "language", "display", "no_picture"),
    ("errors",),
)
"""The house, from the top down; a room may import from the floors below it and from itself."""

FLOORS_0_1: Floors = (
    ("cli",),
    ("cli_understanding",),
    (TOP,),
    ("commands",),
    ("options", "tables", "console"),
    ("session",),
    ("reader",),
    ("report",),
    ("mitigation",),
    ("understanding",),
    ("engine",),
    ("detectors",),
    ("models",),
    ("encoders",),
    ("statistics",),
    ("seeds", "axes"),
    ("run",),
    ("files", "quiet"),
    ("errors",),
)
"""The house of version 0.1, which had a room `commands`, for comparison."""

ALLOWED = {"emoji_world": ("equinoise",), "benchmarks": ("equinoise", "emoji_world")}
"""Which top package may import which; nobody imports tests or tools."""
WATCHED = ("equinoise", "emoji_world", "benchmarks", "tests", "tools")

CORE = {
    "directions/direction.py": "mitigation/direction.py",
    "directions/estimators.py": "mitigation/estimators.py",
    "directions/cross_validation.py": "mitigation/validation.py",
    "steering/intervention.py": "mitigation/intervention.py",
}
"""The core of the method, with where it was in version 0.1."""

MOST_PARAMETERS = 8
MOST_POSITIONAL, MOST_OPTIONS = 3, 14
MOST_UNTYPED = 25
MOST_MODULES = 20
MEDIAN_LINES, MOST_LINES = 200, 500
CORE_FILES, CORE_LINES = 4, 650


@dataclass(frozen=True)
class Figure:
    """One number about the code.

    Attributes:
        bar: the most it may be; None where it is only told.
        where: what was counted, a line each.
    """

    name: str
    value: float
    bar: float | None = None
    where: tuple[str, ...] = ()

    @classmethod
    def count(cls, name: str, found: Iterable[str], bar: float | None = None) -> Figure:
        """How many there are, and which."""
        where = tuple(found)
        return cls(name, len(where), bar, where)

    @property
    def missed(self) -> bool:
        """Whether the value lies beyond the bar."""
        return self.bar is not None and self.value > self.bar


@dataclass(frozen=True)
class Tree:
    """The code of one checkout."""

    code: Code

    @classmethod
    def read(cls, root: Path) -> Tree:
        """The packages of a checkout that are there."""
        return cls(Code.read(root / folder for folder in FOLDERS if (root / folder).is_dir()))

    @property
    def modules(self) -> list[Module]:
        """Every module of every package."""
        return list(self.code.modules.values())

    @cached_property
    def src(self) -> list[Module]:
        """The modules of the library."""
        return self.code.below(TOP)

    @property
    def beside(self) -> list[Module]:
        """The modules of the other packages."""
        return [module for module in self.modules if module.top != TOP]

    @cached_property
    def verbs(self) -> dict[str, tuple[Module, Function]]:
        """The functions that the library makes public, by name."""
        public = public_names(self.code, TOP)
        return {name: (home, node) for name, (home, node) in public.items() if isinstance(node, Function)}

    @property
    def floors(self) -> Floors:
        """Those of this checkout's version."""
        return FLOORS_0_1 if any(module.room == "commands" for module in self.src) else FLOORS


def long_signatures(tree: Tree) -> Iterator[str]:
    """Functions of more than eight parameters, outside the command line and the public verbs."""
    public = {id(node) for _, node in tree.verbs.values()}
    for module in tree.modules:
        if module.top == TOP and (module.room == "cli" or module.room.startswith("cli_")):
            continue
        for name, function, is_method in module.functions:
            number = len(parameters(function, is_method))
            if number > MOST_PARAMETERS and id(function) not in public:
                yield f"{module.name}.{name}: {number}"


def unlike_verbs(tree: Tree) -> Iterator[str]:
    """Public functions with more than three positional parameters or fourteen options, or `**`."""
    for name, (home, node) in tree.verbs.items():
        if is_unlike_a_verb(node, MOST_POSITIONAL, MOST_OPTIONS):
            given = node.args
            yield f"{home.name}.{name}: {len(given.posonlyargs) + len(given.args)} + {len(given.kwonlyargs)}"


def untyped(tree: Tree, modules: Iterable[Module]) -> Iterator[str]:
    """Functions that return an untyped mapping."""
    for module in modules:
        yield from (f"{module.name}.{name}" for name, _ in untyped_functions(tree.code, module))


def anything(tree: Tree, modules: Iterable[Module]) -> Iterator[str]:
    """Functions that return `Any` or `object`: where an untyped mapping could hide."""
    for module in modules:
        for name, function, _ in module.functions:
            if is_anything(tree.code, module, function.returns):
                yield f"{module.name}.{name}"


def same_names(modules: Iterable[Module]) -> Iterator[str]:
    """Classes of one name in two modules."""
    homes = defaultdict(list)
    for module in modules:
        for name in module.classes:
            homes[name.rpartition(".")[2]].append(module.name)
    for name, found in sorted(homes.items()):
        if len(found) > 1:
            yield f"{name}: {', '.join(found)}"


def packages(modules: Iterable[Module]) -> Counter[str]:
    """Modules directly in each package, its `__init__` included."""
    return Counter(module.package for module in modules)


def large_packages(modules: Iterable[Module]) -> Iterator[str]:
    """Packages of more than twenty modules."""
    return (f"{name}: {n}" for name, n in packages(modules).most_common() if n > MOST_MODULES)


def body_lines(function: Function) -> int:
    """Lines of a function's body without its docstring."""
    documented = ast.get_docstring(function, clean=False) is not None
    body = function.body[1:] if documented else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def uses(modules: Sequence[Module]) -> Iterator[tuple[str, int]]:
    """Every private function with how often it is named: in its module, and where another imports it."""
    private = {id(function) for m in modules for _, function, _ in m.functions if _is_private(function.name)}
    for module in modules:
        here = Counter(_named(module))
        for name, function, _ in module.functions:
            if id(function) in private:
                full = f"{module.name}.{function.name}"
                others = (m for m in modules if m is not module and m.names.get(function.name) == full)
                yield f"{module.name}.{name}", here[function.name] + sum(list(_named(m)).count(name) for m in others)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def _named(module: Module) -> Iterator[str]:
    for node in module.nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def core(tree: Tree) -> list[Module]:
    """The files of the core of the method that are there."""
    homes = {"/".join(module.path.parts[-2:]): module for module in tree.src}
    return [found for new, old in CORE.items() if (found := homes.get(new) or homes.get(old))]


def figures(tree: Tree) -> list[Figure]:
    """Every figure, in the order of the table."""
    return [*_signatures(tree), *_names(tree), *_imports(tree), *_sizes(tree), *_bodies(tree)]


def _signatures(tree: Tree) -> list[Figure]:
    beyond = f"public functions beyond {MOST_POSITIONAL} positional + {MOST_OPTIONS} options"
    return [
        Figure.count(
            f"functions of more than {MOST_PARAMETERS} parameters, but commands and verbs", long_signatures(tree), 0
        ),
        Figure.count(beyond, unlike_verbs(tree), 0),
        Figure.count("functions of src that return an untyped mapping", untyped(tree, tree.src), MOST_UNTYPED),
        Figure.count("  of emoji_world and benchmarks", untyped(tree, tree.beside)),
        Figure.count("functions of src that return Any or object", anything(tree, tree.src)),
    ]


def _names(tree: Tree) -> list[Figure]:
    sizes = packages(tree.src)
    return [
        Figure.count("classes of one name in two modules of src", same_names(tree.src), 0),
        Figure.count(f"packages of src of more than {MOST_MODULES} modules", large_packages(tree.src), 0),
        Figure(
            "  modules of the largest", max(sizes.values()), None, tuple(f"{p}: {n}" for p, n in sizes.most_common(5))
        ),
        Figure.count("  of emoji_world and benchmarks", large_packages(tree.beside)),
    ]


def _imports(tree: Tree) -> list[Figure]:
    groups = cycles(tree.code, TOP)
    return [
        Figure.count("imports against the floors of src", against_floors(tree.code, TOP, tree.floors), 0),
        Figure.count("imports against the order of packages", across_packages(tree.code, ALLOWED, WATCHED), 0),
        Figure.count("cycles of imports within src", (" ↔ ".join(group) for group in groups), 0),
    ]


def _sizes(tree: Tree) -> list[Figure]:
    sizes = sorted(((module.lines, module.name) for module in tree.src), reverse=True)
    largest = tuple(f"{name}: {lines}" for lines, name in sizes[:5])
    files = core(tree)
    listed = tuple(f"{module.name}: {module.lines}" for module in files)
    more = behind(tree.code, [module.name for module in files])
    return [
        Figure("modules of src", len(sizes)),
        Figure("  median lines", median(lines for lines, _ in sizes), MEDIAN_LINES - 1),
        Figure("  most lines", sizes[0][0], MOST_LINES, largest),
        Figure("core of the method: files", len(files), CORE_FILES, listed),
        Figure("  their lines", sum(module.lines for module in files), CORE_LINES, listed),
        Figure.count(
            "  other modules of src that they import, directly or not", (f"{m.name}: {m.lines}" for m in more)
        ),
    ]


def _bodies(tree: Tree) -> list[Figure]:
    sizes = sorted(body_lines(function) for module in tree.src for _, function, _ in module.functions)
    used = list(uses(tree.src))
    return [
        Figure("functions of src", len(sizes)),
        Figure("  median lines of a body", median(sizes)),
        Figure("  90th percentile", sizes[len(sizes) * 9 // 10]),
        Figure("private functions of src", len(used)),
        Figure.count("  called once", (name for name, n in used if n == 1)),
    ]


def table(found: Sequence[Figure], listed: bool = False, missed: bool = False) -> str:
    """The figures as text; `listed`: with what was counted; `missed`: only of those that miss their bar."""
    rows = [f"{'':<68}{'value':>7}{'bar':>7}"]
    for figure in found:
        bar = "" if figure.bar is None else f"≤ {figure.bar:g}"
        rows.append(f"{figure.name:<68}{figure.value:>7g}{bar:>7}{'  missed' if figure.missed else ''}")
        if (listed and figure.where) or (missed and figure.missed):
            rows += [f"      {line}" for line in figure.where]
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.structure", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1], help="a checkout; default: this one")
    parser.add_argument("--list", action="store_true", help="what was counted, a line each")
    parser.add_argument("--check", action="store_true", help="exit 1 where a bar is missed")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    given = parser.parse_args(arguments)
    if not (given.root / FOLDERS[0]).is_dir():
        parser.error(f"{given.root} has no {FOLDERS[0]}; give the folder of a checkout")
    found = figures(Tree.read(given.root))
    if given.json:
        print(json.dumps({"figures": [{**asdict(figure), "missed": figure.missed} for figure in found]}, indent=2))
    else:
        print(table(found, given.list, given.check))
    return int(given.check and any(figure.missed for figure in found))


if __name__ == "__main__":
    sys.exit(main())
