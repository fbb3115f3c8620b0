"""What every verb does alike: read the settings, open the database, fail in one line, print."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, TypeVar

import typer
from pydantic import ValidationError
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from cloud.db import Database
from cloud.settings import Settings
from contracts.errors import InvalidInput, PlatformError

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RETRY_EXIT, FAILED_EXIT = 75, 1
T = TypeVar("T")


def settings() -> Settings:
    """Return the settings of the environment.

    Raises:
        InvalidInput: One is missing or malformed; it is named.

    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = f"CLOUD_{'_'.join(str(part) for part in first['loc']).upper()}"
        hint = "Settings are environment variables; `kestrel up` sets them all."
        raise InvalidInput(f"{name}: {first['msg']}.", hint=hint, field=name) from error


def database() -> Database:
    """Return the configured database."""
    said = settings()
    if said.database_iam:
        from cloud.composition import open_database  # noqa: PLC0415 - loads every backend, which a verb seldom needs

        return open_database(said)
    return Database(said.database_url.get_secret_value())


@contextmanager
def unit() -> Iterator[Session]:
    """Yield one session on the configured database, and close both."""
    opened = database()
    with opened.session() as session:
        yield session
    opened.close()


def guarded(act: Callable[[], T]) -> T:
    """Run a verb; failures become one line and an exit code that tells retryable (75) from not (1)."""
    try:
        return act()
    except OperationalError as error:
        sys.stderr.write(f"kestrel-cloud: The database does not answer: {error.orig}")
        raise typer.Exit(RETRY_EXIT) from error
    except PlatformError as error:
        sys.stderr.write(f"kestrel-cloud: {error}\n")
        raise typer.Exit(RETRY_EXIT if error.retryable else FAILED_EXIT) from error


def say(answer: dict[str, object], *, as_json: bool) -> None:
    """Print an answer as JSON, or a line for each of its fields."""
    text = json.dumps(answer) if as_json else "\n".join(f"{name}: {value}" for name, value in answer.items())
    sys.stdout.write(text + "\n")
