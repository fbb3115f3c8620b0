"""``docs/assistant-tools.md``, written from the declarations."""

from __future__ import annotations

from typing import Any

from cloud.assistant.tools.declarations import TIMEOUT_MS, TOOLS, Tool
from cloud.assistant.tools.parameters import MAX_ROWS


def tools_page() -> str:
    """Return the page: every tool with its parameters and the columns of its rows."""
    lines = [
        "# The assistant's tools",
        "",
        "This page is generated from `cloud/assistant/tools/declarations.py`: `kestrel-cloud assistant tools`.",
        "The planner, a language model, MCP clients and this page use the same declarations.",
        "",
        f"Every tool only reads, with the asker's roles and sites, in at most {TIMEOUT_MS / 1000:g} s a statement,",
        f"and returns at most {MAX_ROWS} rows.",
        "A row has a `ref` (`E1.2`), `values`, and `cites`: what in the database it stands on. `.n` is the row that",
        "counts, `.r` the one that counts what a person rejected. `#E1` stands for the rows of an earlier step.",
    ]
    for tool in TOOLS.values():
        lines += _section(tool)
    return "\n".join(lines) + "\n"


def _section(tool: Tool) -> list[str]:
    schema = tool.parameters.model_json_schema()
    required = set(schema.get("required", ()))
    rows = [
        f"| `{name}`{' (required)' if name in required else ''} | {_kind(part, schema)} | {_meaning(part)} |"
        for name, part in schema.get("properties", {}).items()
    ]
    table = ["| parameter | type | meaning |", "|---|---|---|", *rows] if rows else ["No parameters."]
    columns = ", ".join(f"`{column}`" for column in tool.columns)
    return ["", f"## `{tool.name}`", "", tool.description, "", *table, "", f"Columns: {columns}."]


def _kind(part: dict[str, Any], schema: dict[str, Any]) -> str:
    if "$ref" in part:
        return _kind(schema["$defs"][part["$ref"].rsplit("/", 1)[-1]], schema)
    if "anyOf" in part:
        return " or ".join(_kind(one, schema) for one in part["anyOf"] if one.get("type") != "null")
    if "enum" in part:
        return ", ".join(f"`{value}`" for value in part["enum"])
    if part.get("type") == "array":
        return f"list of {_kind(part.get('items', {}), schema)}"
    return "period" if part.get("title") == "Period" else str(part.get("type", "any"))


def _meaning(part: dict[str, Any]) -> str:
    bounds = [f"{word} {part[key]}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in part]
    default = part.get("default")
    given = [f"default `{default}`"] if default not in (None, [], "") else []
    return "; ".join(filter(None, (part.get("description", "").replace("|", "\\|"), " ".join(bounds), *given)))
