"""A drone's settings by shadow: what is valid is applied and kept, what is not is named, nothing old comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.errors import InvalidInput, PlatformError, TooLarge
from edge.life.shadow import MAX_BYTES, Shadow, Tunables, topics


class Device:
    """A shadow on a folder; ``restart`` is what a new process would see."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "shadow.json"
        self.applied: list[Tunables] = []
        self.restart()

    def restart(self) -> None:
        self.shadow = Shadow(self.path, self.applied.append)

    def delta(self, version: int, **state: Any) -> dict[str, Any] | None:
        answer = self.shadow.on_delta(json.dumps({"version": version, "state": state}).encode())
        return None if answer is None else json.loads(answer)["state"]["reported"]


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def test_a_delta_is_applied_reported_and_kept(device: Device) -> None:
    said = device.delta(3, upload_ceiling_bytes_per_s=500_000)
    assert said is not None
    assert (said["upload_ceiling_bytes_per_s"], said["refused"]) == (500_000, None)
    device.restart()
    assert device.applied[-1].upload_ceiling_bytes_per_s == 500_000


def test_what_is_out_of_bounds_is_named_and_the_rest_applied(device: Device) -> None:
    said = device.delta(1, upload_ceiling_bytes_per_s=1, replace_certificate="abc", altitude_limit_m=500)
    assert said is not None
    assert set(said["refused"]) == {"upload_ceiling_bytes_per_s", "altitude_limit_m"}
    assert (device.applied[-1].replace_certificate, device.applied[-1].upload_ceiling_bytes_per_s) == ("abc", None)


def test_null_takes_a_setting_back(device: Device) -> None:
    device.delta(1, replace_certificate="abc")
    device.delta(2, replace_certificate=None)
    assert device.applied[-1].replace_certificate is None


def test_an_old_version_changes_nothing_also_after_a_restart(device: Device) -> None:
    device.delta(5, replace_certificate="abc")
    device.restart()
    assert device.delta(4, replace_certificate="old") is None
    assert device.shadow.tunables.replace_certificate == "abc"


def test_the_whole_document_catches_up(device: Device) -> None:
    document = {"version": 9, "state": {"desired": {"replace_certificate": "abc"}, "reported": {}}}
    assert device.shadow.on_document(json.dumps(document).encode()) is not None
    assert device.shadow.tunables.replace_certificate == "abc"


def test_a_torn_file_is_set_aside(device: Device) -> None:
    device.path.write_text("{")
    device.restart()
    assert device.shadow.tunables == Tunables()
    assert device.path.with_name("shadow.json.corrupt").exists()


def test_an_oversized_document_is_refused(device: Device) -> None:
    with pytest.raises(TooLarge):
        device.shadow.on_delta(b" " * (MAX_BYTES + 1))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["version", "state", "x"]), inner),
    max_leaves=8,
).map(lambda v: json.dumps(v).encode()))  # fmt: skip
def test_any_payload_is_taken_or_refused_and_the_report_fits(device: Device, raw: bytes) -> None:
    try:
        answer = device.shadow.on_delta(raw)
    except PlatformError as error:
        assert isinstance(error, InvalidInput | TooLarge)  # noqa: PT017 - both are answers
        return
    assert answer is None or len(answer) <= MAX_BYTES


def test_topics_are_those_of_aws() -> None:
    assert topics("t-1")["delta"] == "$aws/things/t-1/shadow/update/delta"
