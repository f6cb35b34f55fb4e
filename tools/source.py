"""Python packages as syntax trees: their modules, what a name in them stands for, and what they import."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.expr
"""What a module-level name is bound to; an expression where it was assigned."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One file.

    Attributes:
        name: dotted, such as `equinoise.engine.local`; a package has the name of its folder.
        parts: the folder of the file and its stem, from the top package on.
    """

    name: str
    path: Path
    text: str
    is_package: bool

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text, str(self.path))

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree."""
        return list(ast.walk(self.tree))

    @property
    def lines(self) -> int:
        """Lines of the file, imports, comments and blank lines included."""
        return len(self.text.splitlines())

    @property
    def top(self) -> str:
        """The top package: `equinoise`."""
        return self.name.split(".")[0]

    @property
    def room(self) -> str:
        """The part below the top package: `engine` of `equinoise.engine.local`; empty for the top package itself."""
        return "".join(self.name.split(".")[1:2])

    @property
    def package(self) -> str:
        """The package whose folder holds the file."""
        return self.name if self.is_package else self.name.rpartition(".")[0]

    @cached_property
    def names(self) -> dict[str, Definition | str]:
        """What each module-level name stands for: a definition here, or the dotted name it was imported from."""
        found: dict[str, Definition | str] = {}
        for statement in _at_module_level(self.tree.body):
            found.update(_bound(self, statement))
        return found

    @cached_property
    def functions(self) -> list[tuple[str, Function, bool]]:
        """Every function anywhere in the file: its qualified name, its node, and whether it is a method."""
        return list(_functions(self.tree, "", False))

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """Every class outside functions, by qualified name."""
        return dict(_classes(self.tree, ""))

    def base(self, statement: ast.ImportFrom) -> str:
        """The dotted name that `from … import` imports from, relative imports resolved."""
        if not statement.level:
            return statement.module or ""
        parts = self.package.split(".")
        parts = parts[: len(parts) - statement.level + 1]
        return ".".join([*parts, *([statement.module] if statement.module else [])])

    def imported(self) -> Iterator[tuple[int, str, str]]:
        """Line, module and name ('' of `import a.b`) of every import, in functions and under TYPE_CHECKING too."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name, "") for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((node.lineno, self.base(node), alias.name) for alias in node.names)
            elif isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] == "import_module":
                yield from ((node.lineno, str(a.value), "") for a in node.args[:1] if isinstance(a, ast.Constant))


@dataclass(frozen=True)
class Code:
    """All modules of some packages, by their dotted names."""

    modules: dict[str, Module]

    @classmethod
    def read(cls, folders: Iterable[Path]) -> Code:
        """Every `.py` file below the folders; each is a top package by its own name, whether it has an `__init__`."""
        found = (_module(path, folder.parent) for folder in folders for path in sorted(folder.rglob("*.py")))
        return cls({module.name: module for module in found})

    def below(self, top: str) -> list[Module]:
        """The modules of a top package."""
        return [module for module in self.modules.values() if module.top == top]

    def full_name(self, module: Module, node: ast.expr) -> str:
        """The dotted name that a name or attribute stands for, through imports: `np.ndarray` → `numpy.ndarray`."""
        head, _, rest = dotted(node).partition(".")
        bound = module.names.get(head)
        start = bound if isinstance(bound, str) else f"{module.name}.{head}" if bound is not None else head
        return f"{start}.{rest}" if rest else start

    def find(self, name: str, seen: frozenset[str] = frozenset()) -> tuple[Module, Definition] | None:
        """The definition of a dotted name of ours, through every re-export; None where it is not ours."""
        home = self.home(name)
        if home is None or name in seen or home.name == name:
            return None
        head, _, rest = name.removeprefix(f"{home.name}.").partition(".")
        bound = home.names.get(head)
        if isinstance(bound, str):
            return self.find(f"{bound}.{rest}" if rest else bound, seen | {name})
        return None if bound is None or rest else (home, bound)

    def home(self, name: str) -> Module | None:
        """The module that a dotted name is, or lies in."""
        while name and name not in self.modules:
            name = name.rpartition(".")[0]
        return self.modules.get(name)

    @cached_property
    def edges(self) -> dict[str, list[tuple[int, str]]]:
        """By module: line and dotted name of what it imports, a module of ours or whatever else it names.

        A name that a top package hands on (`from equinoise import load_axis`) counts as an import of its home.
        """
        return {
            module.name: list(dict.fromkeys((line, self._target(*full)) for line, *full in module.imported()))
            for module in self.modules.values()
        }

    def _target(self, base: str, name: str) -> str:
        full = f"{base}.{name}" if name else base
        home = self.home(full)
        if home and home.name == home.top != full and (found := self.find(full)):
            home = found[0]
        return home.name if home else full


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a name or attribute; '' of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (start := dotted(node.value)):
        return f"{start}.{node.attr}"
    return ""


def public_names(code: Code, top: str = "equinoise") -> dict[str, tuple[Module, Definition]]:
    """What `__all__` of a top package names, each with its home: through its imports or its table of lazy names."""
    module = code.modules[top]
    listed = module.names.get("__all__")
    names = _texts(listed) if isinstance(listed, ast.AST) else []
    table = dict(_lazy(module))
    found = {name: code.find(f"{top}.{name}") or code.find(table.get(name, "")) for name in names}
    return {name: home for name, home in found.items() if home}


def _lazy(module: Module) -> Iterator[tuple[str, str]]:
    """Names of tables such as `{"axes": ("Axis", …)}` or `{"Axis": "equinoise.axes"}` with their dotted homes."""
    for table in (value for value in module.names.values() if isinstance(value, ast.Dict)):
        for key, value in zip(table.keys, table.values, strict=True):
            texts, keys = _texts(value), _texts(key) if key else []
            of_one_name = isinstance(value, ast.Constant)
            for name, home in zip(keys, texts, strict=False) if of_one_name else ((t, k) for t in texts for k in keys):
                start = home if home.startswith(f"{module.name}.") else f"{module.name}.{home}"
                yield name, f"{start}.{name}"


def _texts(node: ast.AST) -> list[str]:
    return [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def _module(path: Path, above: Path) -> Module:
    parts = path.relative_to(above).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    return Module(".".join(parts[:-1] if is_package else parts), path, path.read_text(), is_package)


def _at_module_level(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that bind names of the module: those in `if` and `try` too."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If | ast.Try):
            handlers = [part for handler in getattr(statement, "handlers", ()) for part in handler.body]
            yield from _at_module_level([*statement.body, *handlers, *statement.orelse])


def _bound(module: Module, statement: ast.stmt) -> Iterator[tuple[str, Definition | str]]:
    match statement:
        case ast.Import():
            for alias in statement.names:
                yield (alias.asname, alias.name) if alias.asname else (alias.name.split(".")[0],) * 2
        case ast.ImportFrom():
            base = module.base(statement)
            yield from ((alias.asname or alias.name, f"{base}.{alias.name}") for alias in statement.names)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield statement.name, statement
        case ast.Assign():
            yield from ((target.id, statement.value) for target in statement.targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(), value=ast.expr()):
            yield statement.target.id, statement.value  # type: ignore[union-attr, misc]


def _functions(node: ast.AST, prefix: str, in_class: bool) -> Iterator[tuple[str, Function, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}{child.name}", child, in_class
            yield from _functions(child, f"{prefix}{child.name}.<locals>.", False)
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.", True)
        elif not isinstance(child, ast.expr):
            yield from _functions(child, prefix, in_class)


def _classes(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.ClassDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield f"{prefix}{child.name}", child
            yield from _classes(child, f"{prefix}{child.name}.")
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.expr):
            yield from _classes(child, prefix)
