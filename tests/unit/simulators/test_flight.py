"""Vehicle dynamics: limits are never exceeded, targets are reached, energy only goes down."""

from __future__ import annotations

import math
import statistics
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.geo import Enu
from simulators import flight
from simulators.flight import REST, Body, Craft, Gimbal, Leg, Limits
from simulators.flight_air import Air, Sensors, Wobble
from simulators.flight_battery import Battery, power_w

DT_S = 0.02
LIMITS = Limits()
metres = st.floats(-120.0, 120.0)
places = st.builds(Enu, metres, metres, st.floats(2.0, 150.0))
speeds = st.floats(0.5, 12.0)


def fly(body: Body, leg: Leg, seconds: float, wind: Enu = REST) -> list[Body]:
    """Fly a leg until it stands at its end, or for ``seconds``; return every state on the way."""
    track = []
    for _ in range(round(seconds / DT_S)):
        flight.move(body, flight.wanted_velocity(body.position, leg, LIMITS), wind, LIMITS, DT_S)
        track.append(Body(body.position, body.velocity, body.lean, body.yaw_deg))
        if leg.end.minus(body.position).norm() < 0.1 and body.velocity.norm() < 0.1:
            break
    return track


@settings(max_examples=40, deadline=None)
@given(start=places, end=places, speed_mps=speeds)
def test_a_leg_stays_within_every_limit_and_arrives(start: Enu, end: Enu, speed_mps: float) -> None:
    length = end.minus(start).norm()
    track = fly(Body(position=start), Leg(start, end, speed_mps), 30 + 2 * length / min(speed_mps, 1.0))
    assert track[-1].position.minus(end).norm() < 0.3
    velocity = REST
    for body in track:
        assert body.velocity.norm() <= speed_mps + 1e-9
        assert -LIMITS.descent_mps - 1e-9 <= body.velocity.up <= LIMITS.climb_mps + 1e-9
        assert body.velocity.minus(velocity).norm() / DT_S <= LIMITS.accel_mps2 + 1e-6
        velocity = body.velocity


@settings(max_examples=40, deadline=None)
@given(start=places, end=places, speed_mps=speeds)
def test_from_rest_the_line_is_straight(start: Enu, end: Enu, speed_mps: float) -> None:
    along = end.minus(start)
    if along.norm() < 1.0:
        return
    for body in fly(Body(position=start), Leg(start, end, speed_mps), 20.0):
        offset = body.position.minus(start)
        assert offset.cross(along.unit()).norm() < 0.02
        assert offset.dot(along.unit()) < along.norm() + 0.05


@settings(max_examples=30, deadline=None)
@given(velocity=st.builds(Enu, st.floats(-8, 8), st.floats(-8, 8), st.floats(-2.5, 2.5)))
def test_stopping_is_possible_where_predicted(velocity: Enu) -> None:
    body = Body(position=Enu(0.0, 0.0, 60.0), velocity=velocity)
    goal = flight.stopping_point(body, LIMITS)
    fly(body, Leg(body.position, goal, max(3.0, velocity.norm())), 20.0)
    assert body.position.minus(goal).norm() < 0.3


def test_a_push_off_the_line_is_corrected() -> None:
    leg = Leg(Enu(0.0, 0.0, 20.0), Enu(0.0, 60.0, 20.0), 4.0)
    track = fly(Body(position=Enu(2.0, 0.0, 20.0)), leg, 60.0)
    passing = next(body for body in track if body.position.north > 30)
    assert abs(passing.position.east) < 0.1


def test_the_ground_holds() -> None:
    body = Body(position=Enu(0.0, 0.0, 1.0))
    for _ in range(200):
        flight.move(body, Enu(0.0, 0.0, -2.0), REST, LIMITS, DT_S)
    assert body.position.up == 0.0
    assert body.velocity == REST


def test_without_motors_it_falls() -> None:
    body = Body(position=Enu(0.0, 0.0, 20.0))
    seconds = 0.0
    while body.position.up > 0.0:
        flight.fall(body, DT_S)
        seconds += DT_S
    assert seconds == pytest.approx(math.sqrt(2 * 20.0 / flight.GRAVITY_MPS2), abs=0.05)


@pytest.mark.parametrize(
    ("start_deg", "end_deg", "turn"), [(350, 10, 20), (10, 350, -20), (0, 180, -180), (90, 90, 0), (-30, 330, 0)]
)
def test_turns_go_the_short_way(start_deg: float, end_deg: float, turn: float) -> None:
    assert flight.turn_deg(start_deg, end_deg) == turn


@given(st.floats(0, 359.9), st.floats(0, 359.9), st.floats(-90, 45), st.floats(-90, 45))
def test_the_camera_turns_evenly_and_arrives(yaw: float, yaw_goal: float, pitch: float, pitch_goal: float) -> None:
    craft = Craft(gimbal=Gimbal(yaw, pitch, yaw_goal, pitch_goal))
    needed_s = max(abs(flight.turn_deg(yaw, yaw_goal)), abs(pitch - pitch_goal)) / LIMITS.gimbal_rate_dps
    for _ in range(math.ceil(needed_s / DT_S) + 1):
        before = craft.gimbal.yaw_deg, craft.gimbal.pitch_deg
        flight.point(craft, LIMITS, DT_S, flying=True)
        assert abs(flight.turn_deg(before[0], craft.gimbal.yaw_deg)) <= LIMITS.gimbal_rate_dps * DT_S + 1e-6
        assert abs(craft.gimbal.pitch_deg - before[1]) <= LIMITS.gimbal_rate_dps * DT_S + 1e-6
    assert flight.turn_deg(craft.gimbal.yaw_deg, yaw_goal) == pytest.approx(0, abs=1e-6)
    assert craft.gimbal.pitch_deg == pitch_goal


@pytest.mark.parametrize(
    ("yaw_deg", "lean", "roll_sign", "pitch_sign"),
    [
        (0.0, Enu(0.0, 2.0, 0.0), 0, -1),
        (0.0, Enu(2.0, 0.0, 0.0), 1, 0),
        (90.0, Enu(2.0, 0.0, 0.0), 0, -1),
        (180.0, Enu(0.0, 2.0, 0.0), 0, 1),
    ],
)
def test_it_leans_into_its_acceleration(yaw_deg: float, lean: Enu, roll_sign: int, pitch_sign: int) -> None:
    roll, pitch = flight.attitude_deg(Body(lean=lean, yaw_deg=yaw_deg))
    assert (round(roll / 10), round(pitch / 10)) == (roll_sign, pitch_sign)


@given(st.lists(st.tuples(st.builds(Enu, *[st.floats(-12, 12)] * 3), st.booleans()), min_size=1, max_size=60))
def test_charge_only_goes_down(moves: list[tuple[Enu, bool]]) -> None:
    battery, wind = Battery(capacity_wh=5.0), Enu(6.0, 0.0, 0.0)
    for velocity, flying in moves:
        before = battery.percent
        battery.draw(power_w(velocity, wind, flying=flying), 1.0)
        assert 0.0 <= battery.percent < before or battery.percent == before == 0.0


def test_head_wind_and_climbing_cost_more() -> None:
    ahead, calm = Enu(0.0, 5.0, 0.0), Enu(0.0, 0.0, 0.0)
    easy = power_w(ahead, calm, flying=True)
    assert power_w(ahead, Enu(0.0, -8.0, 0.0), flying=True) > easy
    assert power_w(ahead.plus(Enu(0.0, 0.0, 2.0)), calm, flying=True) > easy
    assert power_w(calm, calm, flying=False) < 100


def test_voltage_sags_under_load() -> None:
    battery = Battery()
    resting = battery.voltage_v
    for _ in range(20):
        battery.draw(1000.0, 1.0)
    assert resting - 2.5 < battery.voltage_v < resting - 1.0


def test_noise_has_its_size_and_is_smooth() -> None:
    wobble = Wobble("test", 0.015, 3.0, 45.0)
    values = [wobble.at(t / 10) for t in range(20_000)]
    assert statistics.pstdev(values) == pytest.approx(0.015, rel=0.2)
    assert max(abs(b - a) for a, b in pairwise(values)) < 0.01
    assert (wobble.at(7.001) - wobble.at(7.0)) / 0.001 == pytest.approx(wobble.rate(7.0005), rel=1e-3)
    assert Wobble("test", 0.015, 3.0, 45.0).at(7.0) == wobble.at(7.0)


def test_sway_is_centimetres_in_flight_and_nothing_on_the_ground() -> None:
    air = Air(3, 6.0, 250.0)
    sizes = [air.sway(t / 5, 50.0)[0].norm() for t in range(2000)]
    assert 0.01 < statistics.mean(sizes) < 0.08
    assert air.sway(12.0, 0.0) == (REST, REST)
    assert Sensors(3).position.at(1.0) != Sensors(4).position.at(1.0)


def test_wind_comes_from_where_it_is_said_to() -> None:
    wind = Air(1, 6.0, 270.0).wind(0.0)
    assert wind.east > 4
    assert abs(wind.north) < 1e-9
