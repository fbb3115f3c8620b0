"""Settings are refused with the variable's name, and the drone's fitness is told line by line."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from pydantic import ValidationError
from typer.testing import CliRunner

from contracts.errors import Unavailable
from edge.__main__ import app
from edge.check import Check, broker, certificate, private_key, run_checks
from edge.settings import Settings
from edge.status import running_state

NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "DRONE_ID": "drone-1",
        "STATE_DIR": str(tmp_path),
        "MQTT_URL": "mqtt://127.0.0.1:1",
        "AUTOPILOT_URL": "udpin:127.0.0.1:14550",
        "CAMERA_URL": "http://127.0.0.1:1",
        "CAMERA_FOCAL_PX": "5120",
        "COMMAND_KEYS_DIR": str(tmp_path / "keys"),
    }.items():
        monkeypatch.setenv("EDGE_" + name, value)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("MQTT_URL", "mqtt://example.org:1883", "mqtts"),
        ("MQTT_URL", "mqtts://127.0.0.1:8883", "CA_FILE"),
        ("AUTOPILOT_URL", "serial:/dev/ttyS0", "pattern"),
        ("DRONE_ID", "Drone/1", "pattern"),
        ("GEOID_SEPARATION_M", "nan", "finite|less than|greater"),
    ],
)
def test_a_bad_setting_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str, why: str) -> None:
    monkeypatch.setenv("EDGE_" + name, value)
    with pytest.raises(ValidationError, match=why):
        Settings()


def test_the_program_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_CAMERA_FOCAL_PX", "-1")
    outcome = CliRunner().invoke(app, ["check", "--json"])
    assert outcome.exit_code == 2
    assert "EDGE_CAMERA_FOCAL_PX" in outcome.stderr


def test_status_without_an_agent_says_so(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(app, ["status", "--state-dir", str(tmp_path / "none")])
    assert outcome.exit_code == 2
    assert "No agent" in outcome.stderr


def test_status_prints_what_the_agent_wrote(tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text('{"state": "on_ground"}')
    outcome = CliRunner().invoke(app, ["status", "--json"])
    assert json.loads(outcome.stdout) == {"state": "on_ground"}


def _certificate(path: Path, name: str, start: datetime, end: datetime) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(start).not_valid_after(end)
    path.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return path


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("name", "start", "end", "passed"),
    [
        ("drone-1", NOW - DAY, NOW + DAY, True),
        ("drone-2", NOW - DAY, NOW + DAY, False),
        ("drone-1", NOW - 2 * DAY, NOW - DAY, False),
        ("drone-1", NOW + DAY, NOW + 2 * DAY, False),
    ],
)
def test_the_certificate_must_be_this_drones_and_valid(
    tmp_path: Path, name: str, start: datetime, end: datetime, passed: bool
) -> None:
    assert certificate(_certificate(tmp_path / "c.pem", name, start, end), "drone-1", NOW).passed is passed


def test_rubbish_is_no_certificate(tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text("rubbish")
    assert not certificate(tmp_path / "c.pem", "drone-1", NOW).passed


@pytest.mark.parametrize(("mode", "passed"), [(0o600, True), (0o400, True), (0o640, False), (0o604, False)])
def test_the_key_is_the_owners_alone(tmp_path: Path, mode: int, passed: bool) -> None:
    key = tmp_path / "key.pem"
    key.write_text("key")
    key.chmod(mode)
    assert private_key(key).passed is passed


def test_the_broker_is_called() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert broker(f"mqtts://127.0.0.1:{port}").passed
    assert not broker(f"mqtts://127.0.0.1:{port}").passed


def test_the_table_holds_every_line_and_survives_a_failing_probe() -> None:
    def broken() -> str:
        raise Unavailable("No heartbeat for 5 s.", hint="Check its power.")

    table = run_checks(Settings(), {"autopilot": broken, "camera": lambda: "fine"})
    lines = {line.name: line for line in table}
    assert lines["autopilot"] == Check("autopilot", False, "No heartbeat for 5 s.", "Check its power.")
    assert lines["camera"].passed
    assert not lines["commands"].passed
    assert {"settings", "broker", "disk", "clock"} <= set(lines)


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ({"at": NOW.isoformat(), "running": True, "state": "on_ground"}, "on_ground"),
        ({"at": NOW.isoformat(), "running": False, "state": "on_ground"}, None),
        ({"at": (NOW - timedelta(minutes=1)).isoformat(), "running": True, "state": "on_ground"}, None),
        ({}, None),
    ],
)
def test_a_running_agent_is_asked_instead_of_the_autopilot(
    tmp_path: Path, said: dict[str, object], state: str | None
) -> None:
    (tmp_path / "status.json").write_text(json.dumps(said))
    assert running_state(tmp_path / "status.json", NOW) == state


def test_it_does_not_run_with_a_key_that_others_can_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CA", "CERT", "KEY"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o644)
        monkeypatch.setenv(f"EDGE_{name}_FILE", str(tmp_path / name))
    monkeypatch.setenv("EDGE_MQTT_URL", "mqtts://127.0.0.1:1")
    outcome = CliRunner().invoke(app, ["run"])
    assert outcome.exit_code == 2
    assert "chmod 600" in outcome.stderr
