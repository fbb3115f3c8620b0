from __future__ import annotations

import socket
from pathlib import Path

import pytest

from contracts.errors import Unavailable
from infra.local import instance
from infra.local.layout import Layout, layout_of


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return layout_of(tmp_path / "state")


def test_ports_and_passwords_are_chosen_once(layout: Layout) -> None:
    first = instance.load_or_create(layout)
    assert instance.load_or_create(layout) == first
    assert set(first.ports) == set(instance.FIXED_PORTS)
    assert len(set(first.ports.values())) == len(first.ports)
    assert layout.instance_file.stat().st_mode & 0o777 == 0o600


def test_nothing_is_known_before_the_first_start(layout: Layout) -> None:
    assert instance.load(layout) is None


def test_two_instances_share_nothing(tmp_path: Path) -> None:
    one, two = (instance.load_or_create(layout_of(tmp_path / name)) for name in "ab")
    assert one.database_password != two.database_password
    assert one.name != two.name


def test_a_named_port_stays(layout: Layout) -> None:
    port = instance.port(layout, "drone-1-camera")
    assert instance.port(layout, "drone-1-camera") == port
    assert port not in {p for name, p in instance.load_or_create(layout).ports.items() if name != "drone-1-camera"}


def test_passwords_are_not_shown(layout: Layout) -> None:
    chosen = instance.load_or_create(layout)
    assert chosen.database_password not in repr(chosen)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_taken_port_is_chosen_again(layout: Layout, kind: socket.SocketKind) -> None:
    before = instance.load_or_create(layout).ports
    with socket.socket(socket.AF_INET, kind) as stranger:
        stranger.bind(("127.0.0.1", before["mosquitto"]))
        if kind is socket.SOCK_STREAM:
            stranger.listen()
        moved = instance.move_taken_ports(layout, list(before))
    assert list(moved) == ["mosquitto"]
    assert instance.load_or_create(layout).ports == before | moved


def test_no_free_port_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance, "is_free", lambda _: False)
    with pytest.raises(Unavailable, match="No free loopback port"):
        instance.free_port(set())
