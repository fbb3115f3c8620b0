"""How a kind of defect is repaired: skills, hours, parts, wind. Data, like the severity policy."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from contracts.errors import InvalidInput
from contracts.geo import Frozen

_SHIPPED = Path(__file__).with_name("methods.yaml")


class Method(Frozen):
    """What one repair takes."""

    skills: frozenset[str] = Field(min_length=1)
    hours: float = Field(gt=0, le=24)
    parts: tuple[str, ...] = ()
    max_wind_mps: float = Field(gt=0, le=40)


class Methods(Frozen):
    """A method per kind of defect, and the one for every other kind."""

    default: Method
    kinds: dict[str, Method] = Field(default={})

    def of(self, kind: str) -> Method:
        """Return how a kind of defect is repaired."""
        return self.kinds.get(kind, self.default)


@cache
def load(file: Path | None = None) -> Methods:
    """Return the methods of a file, or those that ship; read once.

    Raises:
        InvalidInput: It is not a file of methods.

    """
    path = file or _SHIPPED
    try:
        return Methods.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        what = f"{path} is no file of repair methods: {error}."
        raise InvalidInput(what, hint="See cloud/repairs/methods.yaml.", field="repair_methods_file") from error
