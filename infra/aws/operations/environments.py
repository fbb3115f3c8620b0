"""Environments: each a file of context in ``infra/aws/environments``, so that who deployed what stands in git."""

from __future__ import annotations

import json
import re
from pathlib import Path

from contracts.errors import InvalidInput, NotFound
from infra.aws.place import DEFAULTS, Place, place_of

FOLDER = Path(__file__).resolve().parents[1] / "environments"
_NAME = re.compile(r"^[a-z][a-z0-9-]{0,30}$")


def context_of(name: str, tag: str = "", folder: Path = FOLDER) -> dict[str, str]:
    """Return the context of an environment; ``tag`` replaces its version.

    Raises:
        NotFound: There is no such file.
        InvalidInput: The name or the file is malformed.

    """
    file = folder / f"{name}.json"
    if not _NAME.match(name):
        raise InvalidInput(f"{name!r} is no name of an environment.", hint="Small letters, digits, -.", field="env")
    if not file.exists():
        known = ", ".join(sorted(one.stem for one in folder.glob("*.json")))
        raise NotFound(f"No environment {name!r}.", hint=f"Copy example.json to {file}. There are: {known}.")
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInput(f"{file} is no JSON: {error}.", field="env") from error
    if not isinstance(said, dict) or not all(isinstance(value, str) for value in said.values()):
        raise InvalidInput(f"{file} is no table of texts.", hint="See example.json.", field="env")
    return {**said, **({"image_tag": tag} if tag else {})}


def place_in(name: str, tag: str = "", folder: Path = FOLDER) -> Place:
    """Return the place of an environment that can be deployed to.

    Raises:
        InvalidInput: Also where the account is still the example's.

    """
    place = place_of(context_of(name, tag, folder))
    used = {"account": True, "audit_account": place.audit_apart, "analyst_account": place.analysts_apart}
    for key in (key for key, needed in used.items() if needed and getattr(place, key) == DEFAULTS[key]):
        hint = "Fill the file in; the platform's own number does without that account."
        raise InvalidInput(f"{name}: {key} {DEFAULTS[key]} is nobody's account.", hint=hint, field=key)
    return place
