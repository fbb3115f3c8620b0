"""kestrel-cloud's verbs, run as programs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner, Result

from cloud.__main__ import app
from cloud.ingest import Ingest
from infra.local.instance import free_port
from tests import platform
from tests.platform import Wire, telemetry
from tests.services import DatabaseServer

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def env(database_url: str, tmp_path: Path) -> dict[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    file = tmp_path / "issuer.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return {
        "PATH": os.environ["PATH"],
        "CLOUD_DATABASE_URL": database_url,
        "CLOUD_ISSUER_KEY_FILE": str(file),
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    }


def run(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cloud", *arguments]
    return subprocess.run(command, env=env, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60)


def call(env: dict[str, str], *arguments: str) -> Result:
    """Run a verb in this process: a program of its own costs seconds of imports."""
    return CliRunner().invoke(app, arguments, env=env)


def test_migrate_says_the_version_and_may_be_repeated(env: dict[str, str]) -> None:
    for _ in range(2):
        done = run(env, "migrate", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["schema"]


def test_seed_and_token(env: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "people.json"
    people = [{"username": "ann", "password": "s3cret-enough", "roles": ["analyst"], "display_name": "Ann"}]
    file.write_text(json.dumps(people))
    assert json.loads(call(env, "seed", "--file", str(file), "--json").stdout) == {"ann": "s3cret-enough"}
    generated = json.loads(call(env, "seed", "--json").stdout)
    assert set(generated) == {"viewer", "operator", "analyst", "reviewer", "admin", "integration"}
    assert all(len(password) >= 16 for password in generated.values())
    done = call(env, "token", "--user", "ann")
    assert done.stdout.count(".") == 2
    missing = call(env, "token", "--user", "nobody")
    assert missing.exit_code == 1
    assert "kestrel-cloud seed" in missing.stderr


def test_ask_answers_with_the_users_rights_or_says_what_it_did_not_understand(
    env: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "people.json"
    file.write_text(json.dumps([{"username": "ann", "password": "s3cret-enough", "roles": ["viewer"]}]))
    call(env, "seed", "--file", str(file))
    found = json.loads(
        call(env, "ask", "How many critical findings were detected today?", "--user=ann", "--json").stdout
    )
    assert (found["answered"], found["not_understood"]) == (False, []), "nothing was flown, so nothing can be cited"
    assert found["reason"]
    refused = call(env, "ask", "Will it rain on the moon?", "--user", "ann").stdout
    assert "moon" in refused
    assert call(env, "ask", "How many findings?", "--user", "ann", "--zone", "Mars/Base").exit_code == 1
    assert call(env, "ask", "How many findings?", "--user", "nobody").exit_code == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "Invalid JSON"),
        ('[{"username": "ann"}]', "0.roles"),
        ('[{"username": "A B", "roles": ["admin"]}]', "username"),
    ],
)
def test_a_bad_people_file_is_said(env: dict[str, str], tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "people.json"
    file.write_text(text)
    done = call(env, "seed", "--file", str(file))
    assert done.exit_code == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_setting_is_named(env: dict[str, str]) -> None:
    del env["CLOUD_DATABASE_URL"]
    done = run(env, "migrate")
    assert done.returncode == 1
    assert "CLOUD_DATABASE_URL" in done.stderr


def test_a_database_that_is_away_may_be_tried_again(env: dict[str, str]) -> None:
    env["CLOUD_DATABASE_URL"] = "postgresql+psycopg2://x:y@127.0.0.1:1/none"
    assert run(env, "migrate").returncode == 75


def test_ingest_wants_its_signing_key(env: dict[str, str]) -> None:
    done = run(env, "ingest")
    assert done.returncode == 1
    assert "CLOUD_COMMAND_SIGNING_KEY_FILE" in done.stderr


def test_the_openapi_document_is_printed(env: dict[str, str]) -> None:
    assert "/v1/flights" in json.loads(call(env, "openapi").stdout)["paths"]


def test_serve_answers_and_ends_on_sigterm(env: dict[str, str]) -> None:
    port = free_port(set())
    env["CLOUD_PORT"] = str(port)
    server = subprocess.Popen([sys.executable, "-m", "cloud", "serve"], env=env, cwd=REPOSITORY, stderr=subprocess.PIPE)
    try:
        assert next(_answers(f"http://127.0.0.1:{port}/healthz"))
        lines = [json.loads(line) for line in _until(server, b"api_warm")]
    finally:
        server.send_signal(signal.SIGTERM)
        _, logged = server.communicate(timeout=20)
    assert server.returncode in {0, -signal.SIGTERM}
    assert lines[0]["event"] == "api_starts"
    assert lines[-1]["frozen"] > 100_000, "the collector looks at none of it again"
    lines += [json.loads(line) for line in logged.decode().splitlines()]
    assert all({"at", "event"} <= line.keys() for line in lines)


def _until(program: subprocess.Popen[bytes], word: bytes) -> Iterator[bytes]:
    """Yield what a program logs, up to the line that has a word."""
    assert program.stderr is not None
    for line in program.stderr:
        yield line
        if word in line:
            return


def _answers(url: str) -> Iterator[bool]:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                yield answer.status == 200
        except OSError:
            time.sleep(0.05)


def test_ingest_survives_a_killed_database(postgres_server: DatabaseServer) -> None:
    """The server is killed under an open pool; the same pool works again once it is back."""
    with postgres_server.database(migrated=True) as url:
        services = platform.build(url)
        platform.stock(services)
        wire = Wire()
        ingest = Ingest(services.database, wire)
        wire.offer("kestrel/v1/drones/kite-01/telemetry", telemetry(1, 5))
        assert ingest.step() is True
        wire.offer("kestrel/v1/drones/kite-01/telemetry", telemetry(6, 9))
        postgres_server.kill()
        try:
            assert ingest.step() is False
            assert wire.acknowledged == 1
        finally:
            _start(postgres_server)
        assert ingest.step() is True
        assert wire.acknowledged == 2
        services.database.close()


def _start(server: DatabaseServer) -> None:
    """Start again; orphaned backends may hold the shared memory for some seconds."""
    deadline = time.monotonic() + 30
    while True:
        try:
            server.start()
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
        else:
            return
