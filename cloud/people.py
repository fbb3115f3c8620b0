"""The first users of the built-in issuer: from a JSON file, or one of each role with generated passwords."""

from __future__ import annotations

import secrets
from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError
from sqlalchemy.orm import Session

from cloud import users
from contracts.errors import InvalidInput
from contracts.geo import Frozen
from contracts.vocabulary import Role


class Person(Frozen):
    """A user to create. Without a password one is generated."""

    username: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")
    display_name: str = Field(default="", max_length=120)
    password: str = Field(default="", max_length=400)
    roles: tuple[Role, ...] = Field(min_length=1)
    sites: tuple[str, ...] | None = Field(default=None, description="the only sites this person may see; None: all")


_PEOPLE = TypeAdapter(tuple[Person, ...])


def read(path: Path) -> tuple[Person, ...]:
    """Return the people of a JSON file: ``[{"username", "password", "roles", "display_name"}]``.

    Raises:
        InvalidInput: The file cannot be read as that; the field is named.

    """
    try:
        return _PEOPLE.validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{path}: {field}: {first['msg']}.", field=field or None) from error


def one_of_each() -> tuple[Person, ...]:
    """Return a person for every role, named like it."""
    return tuple(Person(username=role.value, roles=(role,)) for role in Role)


def seed(session: Session, people: tuple[Person, ...]) -> dict[str, str]:
    """Create or update people; return their passwords."""
    passwords = {person.username: person.password or secrets.token_urlsafe(12) for person in people}
    for person in people:
        password = passwords[person.username]
        users.put_user(session, person.username, password, person.roles, person.display_name, person.sites)
    return passwords
