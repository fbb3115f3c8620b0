"""YAML that people send: of a bounded size, without references, and never anything but data."""

from __future__ import annotations

import yaml

from contracts.errors import InvalidInput

MAX_CHARACTERS = 200_000


def read(text: str, source: str) -> object:
    """Return what a YAML text says.

    References (``*name``) are refused: a text of ten lines can mean a billion with them.

    Raises:
        InvalidInput: It is too long, no YAML, nested without end, or holds a value that is none (a date of year 0).

    """
    if len(text) > MAX_CHARACTERS:
        raise InvalidInput(f"{source} has {len(text)} characters; {MAX_CHARACTERS} are taken.", hint="Shorten it.")
    try:
        # The reader in C: Python's own takes seconds for a few thousand brackets.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.CSafeLoader)):
            raise InvalidInput(f"{source} refers to its own parts.", hint="Write them out instead of *name.")
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        said = str(error) or type(error).__name__
        raise InvalidInput(f"{source} is not YAML: {said}.", hint="Compare it with those that ship.") from error
