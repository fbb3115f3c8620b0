"""The size budget: small modules, small functions, everything annotated."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
PARTS = (
    "contracts",
    "interchange",
    "evidence",
    "instruments",
    "edge",
    "cloud",
    "vision",
    "workflows",
    "infra",
    "simulators",
)
GENERATED = ("migrations/versions", "backends/mavlink_dialect.py")
MODULE_MEDIAN_LINES = 140
MODULE_P90_LINES = 320
MODULE_CAP_LINES = 500
FUNCTION_MEDIAN_LINES = 10
FUNCTION_P90_LINES = 30
FUNCTION_CAP_LINES = 60
_COUNTED_FROM_LINES = 5
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Module(NamedTuple):
    name: str
    lines: int
    tree: ast.Module


@cache
def modules() -> tuple[Module, ...]:
    paths = [path for part in PARTS for path in sorted((REPOSITORY / part).rglob("*.py"))]
    texts = {path: path.read_text() for path in paths if not any(part in path.as_posix() for part in GENERATED)}
    return tuple(
        Module(path.relative_to(REPOSITORY).as_posix(), text.count("\n"), ast.parse(text))
        for path, text in texts.items()
        if text.count("\n") > _COUNTED_FROM_LINES
    )


def functions() -> Iterator[tuple[str, Function, int]]:
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, Function):
                yield f"{module.name}:{node.lineno} {node.name}", node, (node.end_lineno or 0) - node.lineno + 1


def p90(values: list[int]) -> float:
    return statistics.quantiles(values, n=10)[-1]


def test_modules_are_small() -> None:
    sizes = [module.lines for module in modules()]
    assert [f"{m.name}: {m.lines}" for m in modules() if m.lines > MODULE_CAP_LINES] == []
    assert statistics.median(sizes) <= MODULE_MEDIAN_LINES
    assert p90(sizes) <= MODULE_P90_LINES


def test_functions_are_small() -> None:
    found = list(functions())
    assert [f"{name}: {lines}" for name, _, lines in found if lines > FUNCTION_CAP_LINES] == []
    sizes = [lines for _, _, lines in found]
    assert statistics.median(sizes) <= FUNCTION_MEDIAN_LINES
    assert p90(sizes) <= FUNCTION_P90_LINES


def test_every_module_says_what_it_owns() -> None:
    assert [module.name for module in modules() if ast.get_docstring(module.tree) is None] == []


def test_no_error_is_swallowed() -> None:
    broad = {None, "Exception", "BaseException"}
    swallowed = [
        f"{module.name}:{node.lineno}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or getattr(node.type, "id", "") in broad)
        and all(isinstance(line, ast.Pass | ast.Continue) for line in node.body)
    ]
    assert swallowed == []
