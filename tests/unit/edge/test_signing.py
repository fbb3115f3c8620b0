"""Signed MAVLink: the same key is believed; strangers, replays and a lost stamp do not get through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from contracts.errors import Forbidden, InvalidInput
from edge.backends import mavlink_dialect
from edge.backends.mavlink_signing import Seal


def key_file(folder: Path, content: bytes = b"k" * 32, name: str = "key") -> Path:
    path = folder / name
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def codec(seal: Seal | None, system: int, dialect: Any = mav) -> Any:
    made = dialect.MAVLink(None, srcSystem=system, srcComponent=1)
    made.robust_parsing = True
    if seal is not None:
        seal.put_on(made)
        seal.stamp(made)
    return made


def beat(sender: Any) -> bytes:
    return bytes(sender.heartbeat_encode(2, 3, 0, 0, 4).pack(sender))


def heard(receiver: Any, packet: bytes) -> bool:
    return any(m.get_type() == "HEARTBEAT" for m in receiver.parse_buffer(packet) or [])


def test_the_same_key_is_believed_once_and_another_never(tmp_path: Path) -> None:
    ours = codec(Seal(key_file(tmp_path), tmp_path / "stamp-a"), 245)
    theirs = codec(Seal(key_file(tmp_path), tmp_path / "stamp-b"), 1)
    stranger = codec(Seal(key_file(tmp_path, b"x" * 32, "other"), tmp_path / "stamp-c"), 245)
    packet = beat(ours)
    assert heard(theirs, packet)
    assert not heard(theirs, packet), "a replay"
    assert not heard(theirs, beat(stranger))
    assert not heard(theirs, beat(codec(None, 245))), "unsigned"
    assert heard(theirs, beat(ours))


@pytest.mark.parametrize("agent_sends", [True, False], ids=["to the autopilot", "from the autopilot"])
def test_the_agents_dialect_and_pymavlinks_believe_each_other_and_no_stranger(
    tmp_path: Path, *, agent_sends: bool
) -> None:
    key, wrong = key_file(tmp_path), key_file(tmp_path, b"x" * 32, "other")
    sends, hears = (mavlink_dialect, mav) if agent_sends else (mav, mavlink_dialect)
    sender = codec(Seal(key, tmp_path / "stamp-a"), 1, sends)
    receiver = codec(Seal(key, tmp_path / "stamp-b"), 2, hears)
    packet = beat(sender)
    damaged = bytearray(beat(sender))
    damaged[12] ^= 1
    forged = beat(codec(Seal(wrong, tmp_path / "stamp-c"), 1, sends))
    unsigned = beat(codec(None, 1, sends))
    tried = [forged, unsigned, damaged, packet, packet, beat(sender)]
    assert [heard(receiver, bytes(p)) for p in tried] == [False, False, False, True, False, True]


def test_the_stamp_never_goes_back_over_a_restart_with_a_clock_set_back(tmp_path: Path) -> None:
    stamp_file = tmp_path / "stamp"
    first = codec(Seal(key_file(tmp_path), stamp_file), 245)
    used = first.signing.timestamp
    stamp_file.write_bytes(str(int(stamp_file.read_text()) + 10**12).encode())
    again = codec(Seal(key_file(tmp_path), stamp_file), 245)
    assert again.signing.timestamp > used + 10**11


@pytest.mark.parametrize("content", [b"short", b"k" * 31, b"zz" * 32, b"ab" * 20], ids=["words", "31", "no hex", "20"])
def test_a_key_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InvalidInput):
        Seal(key_file(tmp_path, content), tmp_path / "stamp")


def test_hexadecimal_will_do_and_open_files_will_not(tmp_path: Path) -> None:
    Seal(key_file(tmp_path, b"ab" * 32 + b"\n"), tmp_path / "stamp")
    key_file(tmp_path).chmod(0o644)
    with pytest.raises(Forbidden, match="chmod 600"):
        Seal(tmp_path / "key", tmp_path / "stamp")
