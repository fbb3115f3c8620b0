"""``kestrel-cloud token``."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from cloud.composition import build_services
from cloud.tables import User
from cloud.verbs import guard
from contracts.errors import NotFound, Unavailable
from contracts.vocabulary import Role

app = typer.Typer()


@app.command()
def token(
    *,
    user: Annotated[str, typer.Option(help="Whose rights the token carries.")],
    lifetime_s: Annotated[int, typer.Option(min=1, max=86_400)] = 3600,
    as_json: guard.Json = False,
) -> None:
    """Print an access token for a script on this machine."""
    text = guard.guarded(lambda: _minted(user, lifetime_s))
    sys.stdout.write((json.dumps({"access_token": text}) if as_json else text) + "\n")


def _minted(user: str, lifetime_s: int) -> str:
    services = build_services(guard.settings())
    if services.issuer is None:
        raise Unavailable("There is no built-in issuer.", hint="Set CLOUD_ISSUER_KEY_FILE.")
    with services.database.session() as session:
        row = session.get(User, user)
        if row is None or row.disabled:
            raise NotFound(f"No active user {user!r}.", hint="Run `kestrel-cloud seed`.")
        return services.issuer.mint(
            user,
            frozenset(Role(role) for role in row.roles),
            lifetime_s=lifetime_s,
            sites=None if row.sites is None else frozenset(row.sites),
        )
