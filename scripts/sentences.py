"""Reads out of code what it says of problems and checks, with places for values: ``The drone {0} is flying {1}``."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator

_SAID_BY = frozenset({"hint", "mend", "sentence", "detail"})
"""Keyword arguments that are sentences, and names that one is kept under."""
_KEPT_AS = _SAID_BY | {"what", "heard", "seen", "words", "_UNTOLD", "_ONE_RETURN"}
_ROWS = {"Row": (4, 5), "Rule": (1,), "_Trouble": (1,)}
"""Calls whose places hold sentences."""
_OF_CHECKS = frozenset({"Row", "Check"})
_LISTS = frozenset({"complaints", "_told", "_why_not", "_turned", "objections", "objection", "_lacks", "dropped_kinds"})
"""Functions whose every text is one."""
_PLACE = re.compile(r"\0")


def of_code(source: str, errors: frozenset[str]) -> Iterator[str]:
    """Yield the sentences of a module; ``errors`` are the names of error classes, whose first argument is one."""
    for node in ast.walk(ast.parse(source)):
        for value in _spoken(node, errors):
            for text in _texts(value):
                if re.search(r"[^\W\d_]{2,}", _PLACE.sub("", text)):
                    yield _numbered(text)


def names_of_checks(source: str) -> Iterator[str]:
    """Yield what the checks of a module are called: ``Row("wind", …)``, ``Check(name="wind", …)``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _OF_CHECKS:
            named = [*node.args[:1], *(k.value for k in node.keywords if k.arg == "name")]
            yield from (n.value for n in named if isinstance(n, ast.Constant) and isinstance(n.value, str))


def _spoken(node: ast.AST, errors: frozenset[str]) -> Iterator[ast.expr]:
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        places = (0,) if name in errors else _ROWS.get(name, ())
        yield from (node.args[n] for n in places if n < len(node.args))
        yield from (k.value for k in node.keywords if k.arg in _SAID_BY)
    elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id in _KEPT_AS for t in node.targets):
        yield node.value
    elif isinstance(node, ast.FunctionDef) and node.name in _LISTS:
        yield from (
            inner.value if isinstance(inner, ast.Return) else inner.args[0]  # type: ignore[misc]
            for inner in ast.walk(node)
            if isinstance(inner, ast.Return) or (isinstance(inner, ast.Call) and _appends(inner))
        )


def _appends(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr == "append"


def _texts(value: ast.expr | None) -> Iterator[str]:
    """Yield the texts an expression may come to, a NUL where a value stands."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield _with_places(value.value)
    elif isinstance(value, ast.JoinedStr):
        yield _with_places("".join(str(v.value) if isinstance(v, ast.Constant) else "\0" for v in value.values))
    elif isinstance(value, ast.IfExp):
        yield from _texts(value.body)
        yield from _texts(value.orelse)


def _with_places(text: str) -> str:
    """Return a text with its own ``{value:.1f}`` as places too."""
    try:
        return "".join(piece + ("" if name is None else "\0") for piece, name, _, _ in string.Formatter().parse(text))
    except ValueError:
        return text


def _numbered(text: str) -> str:
    parts = text.split("\0")
    return parts[0] + "".join(f"{{{n}}}{part}" for n, part in enumerate(parts[1:]))
