"""Which way the imports of a syntax tree run: against floors of rooms, between top packages, and in cycles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tools.source import Code, Module

Floors = Sequence[Sequence[str]]
"""From the top down; a room may import from the floors below it and from itself."""


def against_floors(code: Code, top: str, floors: Floors) -> Iterator[str]:
    """Each import of a room above its own or beside it, in one line each: who, where, what.

    `top` itself among the rooms is its `__init__`, imported as a whole. Imports of a room that is on no floor, and by
    one, count too.
    """
    level = {room: index for index, rooms in enumerate(floors) for room in rooms}
    for module in code.below(top):
        room = module.room or top
        if room not in level:
            yield f"{module.name} is in no room of the table"
            continue
        for line, target in code.edges[module.name]:
            if target.split(".")[0] != top:
                continue
            home = code.modules.get(target)
            other = (home.room if home else ".".join(target.split(".")[1:2])) or top
            if other != room and not level.get(other, -1) > level[room]:
                yield f"{module.name}:{line} ({room}) imports {target}"


def across_packages(code: Code, allowed: Mapping[str, Sequence[str]], watched: Sequence[str]) -> Iterator[str]:
    """Each import of a watched top package by one that may not import it."""
    for module in code.modules.values():
        for line, target in code.edges[module.name]:
            top = target.split(".")[0]
            if top != module.top and top in watched and top not in allowed.get(module.top, ()):
                yield f"{module.name}:{line} imports {target}"


def cycles(code: Code, top: str) -> list[list[str]]:
    """Groups of modules of a top package that import one another in a cycle (strongly connected components)."""
    graph = {module.name: _targets(code, module) for module in code.below(top)}
    reached = {name: _reached(graph, name) for name in graph}
    groups = {frozenset(b for b in reached[a] if a in reached[b]) for a in graph if a in reached[a]}
    return sorted(sorted(group) for group in groups if len(group) > 1)


def behind(code: Code, names: Sequence[str]) -> list[Module]:
    """The modules of ours that these import, directly or not, without them."""
    graph = {module.name: _targets(code, module) for module in code.modules.values()}
    found = set().union(*(_reached(graph, name) for name in names)) - set(names)
    return [code.modules[name] for name in sorted(found)]


def _targets(code: Code, module: Module) -> list[str]:
    return [target for _, target in code.edges[module.name] if target in code.modules and target != module.name]


def _reached(graph: Mapping[str, Sequence[str]], start: str) -> set[str]:
    """What can be reached from a module by one import or more."""
    found: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += graph.get(name, ())
    return found
