"""kestrel-cloud: the API and the daemons behind it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
import uvicorn
from pydantic import ValidationError
from sqlalchemy.exc import OperationalError

from cloud import assistant_verbs, loop, people, schema
from cloud import consume as consuming
from cloud.app import build_link, build_services, create_app, language_model
from cloud.app import openapi as document
from cloud.assistant.conversation import Answer, answer
from cloud.assistant.tools.declarations import Asker
from cloud.assistant.tools.page import tools_page
from cloud.backends.hooks import HttpPost
from cloud.datasets import verbs as dataset_verbs
from cloud.db import Database
from cloud.dispatch import Dispatch
from cloud.ingest import Ingest
from cloud.logbook import log, start_logging
from cloud.mcp import stdio as mcp_stdio
from cloud.model_turns import Models
from cloud.policy import verbs as policy_verbs
from cloud.prediction import verbs as outlook_verbs
from cloud.reconcile import Reconciler
from cloud.schedules.timetable import Timetable
from cloud.security import Principal
from cloud.settings import Settings
from cloud.tables import User
from cloud.users import rights_of
from cloud.webhooks.courier import Courier
from contracts.errors import InvalidInput, NotFound, PlatformError, Unavailable
from contracts.vocabulary import Role

app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
assistant_app = typer.Typer(help="The assistant: evaluate it.", no_args_is_help=True)
app.add_typer(assistant_app, name="assistant")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_RETRY_EXIT, _FAILED_EXIT = 75, 1
_POLL_S = 0.1
_TIMETABLE_S = 5.0
_COURIER_S = 0.5
T = TypeVar("T")


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = f"CLOUD_{'_'.join(str(part) for part in first['loc']).upper()}"
        hint = "Settings are environment variables; `kestrel up` sets them all."
        raise InvalidInput(f"{name}: {first['msg']}.", hint=hint, field=name) from error


def _guarded(act: Callable[[], T]) -> T:
    """Run a verb; failures become one line and an exit code that tells retryable (75) from not (1)."""
    try:
        return act()
    except OperationalError as error:
        sys.stderr.write(f"kestrel-cloud: The database does not answer: {error.orig}")
        raise typer.Exit(_RETRY_EXIT) from error
    except PlatformError as error:
        sys.stderr.write(f"kestrel-cloud: {error}\n")
        raise typer.Exit(_RETRY_EXIT if error.retryable else _FAILED_EXIT) from error


def _print(answer: dict[str, object], *, as_json: bool) -> None:
    text = json.dumps(answer) if as_json else "\n".join(f"{name}: {value}" for name, value in answer.items())
    sys.stdout.write(text + "\n")


@app.command()
def serve() -> None:
    """Serve the API and the pages."""
    start_logging()
    settings = _guarded(_settings)
    web = _guarded(lambda: create_app(settings))
    log("api_starts", host=settings.host, port=settings.port)
    uvicorn.run(
        web,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )


@app.command()
def ingest() -> None:
    """Carry messages between the broker and the database."""
    start_logging()
    settings = _guarded(_settings)
    services = _guarded(lambda: build_services(settings))
    signer = services.signer
    if signer is None:
        sys.stderr.write("kestrel-cloud: CLOUD_COMMAND_SIGNING_KEY_FILE is not set.\n")
        raise typer.Exit(_FAILED_EXIT)
    link = _guarded(lambda: build_link(settings))
    stop = loop.until_signalled()
    link.start()
    inbound = Ingest(services.database, link)
    outbound = Dispatch(services.database, link, services.routes, signer)
    loop.run_all([(inbound.step, 0.01), (outbound.step, _POLL_S)], stop)
    link.stop()
    log("ingest_stopped")


@app.command()
def consume() -> None:
    """Turn stored segments into vision jobs and detections into findings; tell webhooks of changes."""
    start_logging()
    services = _guarded(lambda: build_services(_settings()))
    courier = Courier(services.database, HttpPost(private=services.settings.webhook_private_targets))
    steps = [(consumer.step, _POLL_S) for consumer in consuming.consumers(services)]
    steps.append((courier.step, _COURIER_S))
    loop.run_all(steps, loop.until_signalled())


@app.command()
def reconcile(
    *, once: Annotated[bool, typer.Option("--once", help="One pass, then end.")] = False, as_json: Json = False
) -> None:
    """Make everything follow that should have followed."""
    start_logging()
    services = _guarded(lambda: build_services(_settings()))
    reconciler = Reconciler(services, every_s=services.settings.reconcile_every_s)
    if not once:
        timetable = Timetable(services.database)
        loop.run_all([(reconciler.step, 0.5), (timetable.step, _TIMETABLE_S)], loop.until_signalled())
        return
    done, failed = reconciler.run()
    _print({**done, "failed": failed}, as_json=as_json)
    if failed:
        raise typer.Exit(_RETRY_EXIT)


@app.command()
def migrate(*, as_json: Json = False) -> None:
    """Bring the database's schema to this version; harmless when it is."""
    version = _guarded(lambda: schema.migrate(_database()))
    _print({"schema": version}, as_json=as_json)


@app.command()
def seed(
    *,
    file: Annotated[Path | None, typer.Option(help="JSON list of users; default: one of each role.")] = None,
    as_json: Json = False,
) -> None:
    """Create users (or set their passwords and roles) and print their passwords."""

    def act() -> dict[str, str]:
        wanted = people.read(file) if file else people.one_of_each()
        with _database().session() as session:
            return people.seed(session, wanted)

    _print(dict(_guarded(act)), as_json=as_json)


@app.command()
def token(
    *,
    user: Annotated[str, typer.Option(help="Whose rights the token carries.")],
    lifetime_s: Annotated[int, typer.Option(min=1, max=86_400)] = 3600,
    as_json: Json = False,
) -> None:
    """Print an access token for a script on this machine."""

    def act() -> str:
        services = build_services(_settings())
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

    text = _guarded(act)
    sys.stdout.write((json.dumps({"access_token": text}) if as_json else text) + "\n")


@app.command()
def ask(
    question: str,
    *,
    user: Annotated[str, typer.Option(help="Whose rights the question is asked with.")],
    zone: Annotated[str, typer.Option(help="Time zone for words like yesterday.")] = "UTC",
    as_json: Json = False,
) -> None:
    """Ask the assistant; each sentence is printed with what it cites."""

    def act() -> Answer:
        with _database().session() as session:
            rights = rights_of(session, user)
            principal = Principal(user, rights.roles, "token", rights.sites)
            asker = Asker(session, principal, datetime.now(UTC), _zone(zone))
            return answer(asker, question)

    said = _guarded(act)
    if as_json:
        sys.stdout.write(said.model_dump_json() + "\n")
        return
    for sentence in said.sentences:
        labels = " ".join(f"[{cite.label}]" for cite in sentence.citations)
        sys.stdout.write(f"{sentence.text} {labels}\n")
    if not said.answered:
        sys.stdout.write("\n- ".join((said.reason, *said.questions)) + "\n")


@assistant_app.command("tools")
def describe_tools() -> None:
    """Print the page of the assistant's tools (docs/assistant-tools.md)."""
    sys.stdout.write(tools_page())


@assistant_app.command("evaluate")
def evaluate_assistant(
    *,
    seed: assistant_verbs.Seed = False,
    per_family: assistant_verbs.PerFamily = None,
    jsonl: assistant_verbs.Jsonl = None,
    as_json: Json = False,
) -> None:
    """Ask more than 300 questions in five wordings each and compare every figure and id with SQL.

    Exit 1 when one is wrong. Use a database of its own: `--seed` fills it. A configured Bedrock model takes part
    where the planner refuses.
    """

    def act() -> dict[str, Any]:
        settings = _settings()
        models = Models(
            small=language_model(settings, settings.bedrock_small_model_id),
            large=language_model(settings, settings.bedrock_model_id),
        )
        database = Database(settings.database_url.get_secret_value())
        return assistant_verbs.run(database, models, seed=seed, per_family=per_family, jsonl=jsonl)

    found = _guarded(act)
    _print(found, as_json=as_json)
    if found["wrong"]:
        raise typer.Exit(_FAILED_EXIT)


@app.command()
def mcp(*, user: Annotated[str, typer.Option(help="Whose rights every call has.")]) -> None:
    """Serve the assistant's tools over MCP on standard input and output; read only."""
    _guarded(lambda: mcp_stdio.serve(build_services(_settings()), user))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise InvalidInput(f"No time zone {name!r}.", hint="A name such as Europe/Berlin.", field="zone") from error


@app.command()
def openapi() -> None:
    """Print the API's OpenAPI document."""
    sys.stdout.write(json.dumps(document(), indent=2) + "\n")


def _database() -> Database:
    return Database(_settings().database_url.get_secret_value())


app.add_typer(policy_verbs.build(_database, _guarded), name="policy")
app.command("outlook")(outlook_verbs.build(_database, _guarded))
dataset_verbs.add_to(app, _database, lambda: build_services(_settings()), _guarded)


if __name__ == "__main__":
    app()
