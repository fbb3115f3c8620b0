"""The message table and its models: bad input is refused at the door with the field named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.commands import MAX_LIFE_S, MAX_TAKE_OFF_M, Command
from contracts.errors import InvalidInput, PlatformError, TooLarge
from contracts.ids import mint, parse_segment_id, segment_id
from contracts.media import flight_media_key, manifest_key, parse_key, video_key
from contracts.routes import Route, Zone
from contracts.telemetry import Stream, Watermark
from contracts.topics import ACKS, MAX_PAYLOAD_BYTES, TOPICS, WATERMARKS, decode, parse_topic
from contracts.vocabulary import CommandKind

WATERMARK = Watermark(drone_id="kite-01", boot_id="boot-1", stream=Stream.TELEMETRY, seq=7)
ROUTE: dict[str, Any] = {
    "plan_id": "plan-1",
    "version": 1,
    "asset_id": "wt-01",
    "pattern": "blades",
    "home": {"lat_deg": 56.7, "lon_deg": 8.2, "alt_m": 45.0},
    "standoff_m": 10.0,
    "fence": {"centre": {"lat_deg": 56.7, "lon_deg": 8.2, "alt_m": 45.0}, "radius_m": 300, "max_alt_rel_m": 120},
    "waypoints": [
        {
            "seq": 0,
            "point": {"lat_deg": 56.7, "lon_deg": 8.2, "alt_m": 80.0},
            "speed_mps": 4.0,
            "camera_yaw_deg": 10.0,
            "camera_pitch_deg": 0.0,
        }
    ],
}


@pytest.mark.parametrize("topic", TOPICS, ids=lambda t: t.name)
def test_every_topic_fits_the_iot_core_limits_and_parses_back(topic: Any) -> None:
    concrete = topic.of("kite-01")
    assert concrete.count("/") <= 7
    assert len(concrete.encode()) <= 256
    assert parse_topic(concrete) == ("kite-01", topic)


def test_a_message_decodes_with_the_drone_of_its_topic() -> None:
    payload = WATERMARK.model_dump_json().encode()
    assert decode(WATERMARKS.of("kite-01"), payload) == ("kite-01", WATERMARK)


@pytest.mark.parametrize(
    ("topic", "payload", "error", "words"),
    [
        (WATERMARKS.of("kite-02"), WATERMARK.model_dump_json().encode(), InvalidInput, "kite-01"),
        (WATERMARKS.of("kite-01"), b"{", InvalidInput, "watermarks"),
        (WATERMARKS.of("kite-01"), b'{"seq": -1}', InvalidInput, "drone_id"),
        ("kestrel/v1/drones/kite-01/secrets", b"{}", InvalidInput, "secrets"),
        (ACKS.of("kite-01"), b" " * 200_000, TooLarge, "200000 bytes"),
    ],
    ids=["another drone inside", "not JSON", "fields missing", "unknown topic", "200 KB"],
)
def test_a_bad_message_is_refused_with_the_reason(
    topic: str, payload: bytes, error: type[PlatformError], words: str
) -> None:
    with pytest.raises(error, match=words):
        decode(topic, payload)


@given(st.binary(max_size=400))
def test_no_bytes_make_decode_fail_in_any_other_way(payload: bytes) -> None:
    with pytest.raises(PlatformError):
        decode(ACKS.of("kite-01"), payload)


def test_the_limit_is_the_brokers() -> None:
    assert MAX_PAYLOAD_BYTES == 128_000


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("waypoints", 0, "point", "lat_deg"), float("nan"), "lat_deg"),
        (("waypoints", 0, "speed_mps"), 0.0, "speed_mps"),
        (("waypoints", 0, "camera_pitch_deg"), 91.0, "camera_pitch_deg"),
        (("waypoints",), [], "waypoints"),
        (("fence", "radius_m"), -1.0, "radius_m"),
    ],
    ids=str,
)
def test_a_route_with_an_impossible_number_is_refused(path: tuple[Any, ...], value: Any, field: str) -> None:
    broken = json.loads(json.dumps(ROUTE))
    *parents, last = path
    target = broken
    for key in parents:
        target = target[key]
    target[last] = value
    with pytest.raises(ValidationError, match=field):
        Route.model_validate(broken)


def test_the_same_route_has_the_same_hash_and_another_another() -> None:
    route = Route.model_validate(ROUTE)
    assert route.content_hash() == Route.model_validate_json(route.model_dump_json()).content_hash()
    assert route.content_hash() != route.model_copy(update={"version": 2}).content_hash()


def test_begin_flight_without_its_route_is_refused() -> None:
    with pytest.raises(ValidationError, match="begin_flight needs"):
        Command.model_validate(
            {
                "command_id": "cmd-1",
                "drone_id": "kite-01",
                "kind": "begin_flight",
                "seq": 1,
                "issued_at": "2026-01-01T00:00:00Z",
                "not_after": "2026-01-01T00:00:10Z",
                "issuer": "operator",
            }
        )


BEGUN_HASH = "a" * 64


def _order(kind: str, **fields: Any) -> Command:
    whole = {"command_id": "cmd-1", "drone_id": "kite-01", "kind": kind, "seq": 1, "issuer": "olga", "flight_id": "f-1"}
    times = {"issued_at": "2026-01-01T00:00:00Z", "not_after": "2026-01-01T00:00:10Z"}
    return Command.model_validate({**whole, **times, **fields})


CHANGED = {"route": ROUTE, "route_hash": BEGUN_HASH, "preconditions": {"route_hash": BEGUN_HASH}}


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        ("adjust_route", {**CHANGED, "route": None}, "adjust_route needs"),
        ("adjust_route", {**CHANGED, "preconditions": {}}, "preconditions.route_hash"),
        ("adjust_route", {**CHANGED, "resume_at": 600}, "behind the last waypoint"),
        ("set_limits", {}, "set_limits needs limits"),
        ("set_limits", {"limits": {}}, "changes nothing"),
        ("set_limits", {"limits": {"battery_reserve_percent": 4}}, "battery_reserve_percent"),
        ("hold", {"nonce": "short"}, "nonce"),
    ],
    ids=str,
)
def test_a_command_without_what_it_needs_is_refused(kind: str, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        _order(kind, **fields)


def test_every_kind_of_command_has_a_longest_life() -> None:
    assert set(MAX_LIFE_S) == set(CommandKind)
    assert _order("adjust_route", **CHANGED).resume_at == 0


def test_a_second_look_is_put_in_and_the_rest_keeps_its_order() -> None:
    route = Route.model_validate(ROUTE)
    look = (route.waypoints[0].model_copy(update={"speed_mps": 1.0}),)
    changed = route.with_detour(0, look)
    assert [w.seq for w in changed.waypoints] == list(range(len(route.waypoints) + 1))
    assert changed.waypoints[1].speed_mps == 1.0
    assert [w.point for w in changed.waypoints[2:]] == [w.point for w in route.waypoints[1:]]
    assert changed.version == route.version + 1
    assert Route.model_validate_json(changed.model_dump_json()).content_hash() == changed.content_hash()


def test_routes_of_before_the_zones_keep_their_bytes() -> None:
    text = Route.model_validate(ROUTE).model_dump_json()
    assert not any(word in text for word in ("zones", "orbit", "solids", "min_alt_rel_m"))


@pytest.mark.parametrize(
    "zone",
    [
        {"kind": "keep_out"},
        {"kind": "keep_out", "corners": [{"lat_deg": 0, "lon_deg": 0}] * 2},
        {"kind": "stay_in", "centre": {"lat_deg": 0, "lon_deg": 0}},
        {
            "kind": "stay_in",
            "corners": [{"lat_deg": 0, "lon_deg": 0}] * 3,
            "centre": {"lat_deg": 0, "lon_deg": 0},
            "radius_m": 9,
        },
    ],
    ids=["nothing", "two corners", "no radius", "both"],
)
def test_a_zone_has_exactly_one_shape(zone: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="three or more corners"):
        Zone.model_validate(zone)


@given(st.integers(0, 99_999))
def test_segment_ids_and_keys_survive_parsing(index: int) -> None:
    flight = mint("flt")
    assert parse_segment_id(segment_id(flight, index)) == (flight, index)
    for key in (video_key("kite-01", flight, index), manifest_key("kite-01", flight, index)):
        assert parse_key(key)[:2] == ("kite-01", flight)
    assert parse_key(flight_media_key("kite-01", flight)).name == "flight.json"


@pytest.mark.parametrize("key", ["flights/a/../../x", "crops/a/b/c", "flights/A/b/c", "flights/a/b/"])
def test_a_key_of_another_shape_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput):
        parse_key(key)


def test_ids_sort_by_the_time_they_were_minted() -> None:
    assert mint("flt")[:16] <= mint("flt")[:16]


def test_a_take_off_goes_no_higher_than_the_api_lets_one_ask_for() -> None:
    def asked(altitude_m: float) -> Command:
        life = {"issued_at": "2026-11-27T12:00:00Z", "not_after": "2026-11-27T12:00:10Z"}
        names = {"command_id": "cmd-1", "drone_id": "drone-1", "kind": "take_off", "seq": 1, "issuer": "olga"}
        return Command.model_validate({**names, **life, "altitude_m": altitude_m})

    assert asked(MAX_TAKE_OFF_M).altitude_m == MAX_TAKE_OFF_M
    with pytest.raises(ValidationError, match="less than or equal to 120"):
        asked(MAX_TAKE_OFF_M + 1.0)
