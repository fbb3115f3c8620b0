"""The agent's own MAVLink dialect: pymavlink's, cut down to what the agent says and reads."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from pymavlink.dialects.v20 import ardupilotmega as theirs

from edge.backends import mavlink_dialect as ours
from edge.backends.mavlink_connection import Connection
from edge.backends.mavlink_picture import PictureMaker

REPOSITORY = Path(__file__).resolve().parents[3]
BACKENDS = [path for path in (REPOSITORY / "edge/backends").glob("*.py") if path.name != "mavlink_dialect.py"]


def test_it_is_what_pymavlinks_generator_writes() -> None:
    module = runpy.run_path(str(REPOSITORY / "scripts/dialect.py"))["module"]
    assert module() == (REPOSITORY / "edge/backends/mavlink_dialect.py").read_text(encoding="utf-8"), "make mavlink"


@pytest.mark.parametrize("number", sorted(ours.mavlink_map))
def test_each_message_is_on_the_wire_as_pymavlink_has_it(number: int) -> None:
    mine, full = ours.mavlink_map[number], theirs.mavlink_map[number]
    for name in ("msgname", "fieldnames", "fieldtypes", "native_format", "orders", "lengths", "crc_extra"):
        assert getattr(mine, name) == getattr(full, name), name


def test_its_numbers_are_pymavlinks() -> None:
    numbers = {name: value for name, value in vars(ours).items() if name.isupper() and isinstance(value, int)}
    named = {name: value for name, value in numbers.items() if not name.endswith("_ENUM_END")}
    assert {name: value for name, value in named.items() if getattr(theirs, name) != value} == {}
    assert len(named) > 100


def test_all_that_the_agent_sends_and_reads_is_in_it() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in BACKENDS)
    sent = set(re.findall(r'"(\w+_encode)"', text))
    awaited = {kind for kinds in re.findall(r"\.hear\(([^)]*)\)", text) for kind in re.findall(r'"([A-Z_]+)"', kinds)}
    read = awaited | set(PictureMaker(lambda _pose: None, None)._take) | {"STATUSTEXT", "RADIO_STATUS"}
    assert {name for name in sent if not hasattr(ours.MAVLink, name)} == set()
    assert read - {message.msgname for message in ours.mavlink_map.values()} == set()
    assert len(sent) > 10
    assert len(awaited) > 6


def test_a_kind_it_leaves_out_is_passed_over_and_what_follows_is_read() -> None:
    """An autopilot says much more than the agent asks for."""
    sender: Any = theirs.MAVLink(None, srcSystem=1, srcComponent=1)
    stray = sender.raw_imu_encode(0, 1, 2, 3, 4, 5, 6, 7, 8, 9).pack(sender)
    taken: list[str] = []
    connection = Connection("udpin:127.0.0.1:0", lambda m: taken.append(m.get_type()), lambda: None)
    for message in connection._codec.parse_buffer(stray + sender.heartbeat_encode(2, 3, 0, 0, 4).pack(sender)):
        connection._take(message)
    assert taken == ["HEARTBEAT"]
