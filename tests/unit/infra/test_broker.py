from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import NotFound
from contracts.topics import MAX_PAYLOAD_BYTES, TOPICS, Direction
from infra.local import broker
from infra.local.certificates import Identity


def test_the_platform_comes_first_and_sees_every_topic() -> None:
    lines = broker.access_rules().splitlines()
    assert lines[1] == "user kestrel-cloud"
    assert lines[2 : 2 + len(TOPICS)] == [f"topic readwrite {topic.any_drone()}" for topic in TOPICS]


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_drone_has_one_right_per_row(topic: object) -> None:
    row = next(t for t in TOPICS if t is topic)
    right = "write" if row.direction is Direction.UP else "read"
    rules = [line for line in broker.access_rules().splitlines() if line.endswith(f"/%u/{row.name}")]
    assert rules == [f"pattern {right} kestrel/v1/drones/%u/{row.name}"]


def test_the_configuration_listens_on_loopback_with_certificates_only(tmp_path: Path) -> None:
    server = Identity(tmp_path / "ca.pem", tmp_path / "broker.pem", tmp_path / "broker.key")
    path = broker.configure(tmp_path / "mosquitto", 18883, server)
    lines = path.read_text().splitlines()
    assert "listener 18883 127.0.0.1" in lines
    assert "require_certificate true" in lines
    assert "use_identity_as_username true" in lines
    assert "allow_anonymous false" in lines
    assert f"message_size_limit {MAX_PAYLOAD_BYTES}" in lines
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_an_unpacked_broker_is_found_with_its_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "usr" / "sbin" / "mosquitto"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (tmp_path / "usr" / "lib" / "x86_64-linux-gnu").mkdir(parents=True)
    monkeypatch.setattr(broker, "VENDOR", tmp_path)
    assert broker.library_path(program) == str(tmp_path / "usr" / "lib" / "x86_64-linux-gnu")
    assert broker.library_path(Path("/usr/sbin/mosquitto")) == ""


def test_a_missing_broker_is_one_clear_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.local.broker.shutil.which", lambda *_, **__: None)
    with pytest.raises(NotFound, match=r"Mosquitto is not installed\. Run `make setup`"):
        broker.executable()
