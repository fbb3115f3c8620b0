"""The synthesised templates of one place, read as plain JSON: what every gate looks at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

Properties = dict[str, Any]


class Resource(NamedTuple):
    """One resource of one stack."""

    stack: str
    id: str
    type: str
    properties: Properties
    whole: dict[str, Any]

    @property
    def where(self) -> str:
        """Return what a finding calls it."""
        return f"{self.stack}/{self.id}"


class Templates:
    """Every stack's template by name."""

    def __init__(self, stacks: dict[str, dict[str, Any]]) -> None:
        self.stacks = stacks

    @classmethod
    def read(cls, folder: Path) -> Templates:
        """Read a folder that ``synth`` wrote."""
        found = sorted(folder.glob("*.template.json"))
        return cls({file.name.removesuffix(".template.json"): json.loads(file.read_text()) for file in found})

    def all(self, *types: str) -> Iterator[Resource]:
        """Yield every resource of some types; of all without one."""
        for stack, template in self.stacks.items():
            for name, whole in template.get("Resources", {}).items():
                if not types or whole["Type"] in types:
                    yield Resource(stack, name, whole["Type"], whole.setdefault("Properties", {}), whole)

    def one(self, kind: str, **properties: object) -> Resource | None:
        """Return the resource with these properties, or None."""
        for resource in self.all(kind):
            if all(resource.properties.get(name) == value for name, value in properties.items()):
                return resource
        return None

    def resolved(self, value: object, stack: str) -> str:
        """Return a value as text in which a resource is called the same from every stack."""
        if isinstance(value, dict) and set(value) == {"Fn::ImportValue"}:
            exported = self._exports().get(str(value["Fn::ImportValue"]))
            return self.resolved(exported[1], exported[0]) if exported else json.dumps(value)
        if isinstance(value, dict) and set(value) == {"Fn::GetAtt"}:
            return f"{stack}/{'.'.join(value['Fn::GetAtt'])}"
        if isinstance(value, dict) and set(value) == {"Ref"}:
            return f"{stack}/{value['Ref']}"
        return value if isinstance(value, str) else json.dumps(value, sort_keys=True)

    def _exports(self) -> dict[str, tuple[str, object]]:
        return {
            str(output["Export"]["Name"]): (stack, output["Value"])
            for stack, template in self.stacks.items()
            for output in template.get("Outputs", {}).values()
            if "Export" in output
        }


def listed(value: object) -> list[Any]:
    """Return a value that may stand alone as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]
