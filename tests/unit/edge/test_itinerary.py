"""A route becomes the mission that flies it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.routes import WaypointAction
from edge.itinerary import (
    DO_CHANGE_SPEED,
    DO_MOUNT_CONTROL,
    NAV_RETURN_TO_LAUNCH,
    NAV_WAYPOINT,
    VIDEO_START_CAPTURE,
    VIDEO_STOP_CAPTURE,
    Item,
    itinerary_of,
)
from edge.refusals import UnsafeRoute
from tests.unit.edge.world import HOME, route, waypoint


def test_speed_and_camera_come_before_the_waypoint_and_video_after() -> None:
    commands = [item.command for item in itinerary_of(route(), HOME).items]
    assert commands == [
        NAV_WAYPOINT,
        *(DO_CHANGE_SPEED, DO_MOUNT_CONTROL, NAV_WAYPOINT, VIDEO_START_CAPTURE),
        *(DO_CHANGE_SPEED, NAV_WAYPOINT),
        *(DO_CHANGE_SPEED, DO_MOUNT_CONTROL, NAV_WAYPOINT, VIDEO_STOP_CAPTURE),
        NAV_RETURN_TO_LAUNCH,
    ]


def test_altitudes_are_above_home_and_the_camera_looks_in_the_earth_frame() -> None:
    items = itinerary_of(route(), HOME).items
    assert items[3].z == pytest.approx(30.0, abs=1e-3)
    assert items[3].x == round(route().waypoints[0].point.lat_deg * 1e7)
    assert (items[2].params[0], items[2].params[2]) == (-5.0, 90.0)


@given(count=st.integers(1, 60), data=st.data())
def test_every_waypoint_has_its_item_and_progress_counts_them(count: int, data: st.DataObject) -> None:
    actions = data.draw(st.lists(st.sampled_from(WaypointAction), min_size=count, max_size=count))
    yaws = data.draw(st.lists(st.sampled_from([0.0, 90.0]), min_size=count, max_size=count))
    planned = route(
        *(
            waypoint(n, 20, n, 30, action=actions[n], camera_yaw_deg=yaws[n], speed_mps=1.0 + n % 2)
            for n in range(count)
        )
    )
    made = itinerary_of(planned, HOME)
    assert len(made.item_of_waypoint) == count
    assert all(made.items[seq].command == NAV_WAYPOINT for seq in made.item_of_waypoint)
    assert [made.waypoint_reached(seq) for seq in made.item_of_waypoint] == list(range(count))
    assert made.waypoint_reached(0) == -1
    assert made.waypoint_reached(made.return_item) == count - 1


def test_more_items_than_the_autopilot_stores_are_refused() -> None:
    many = route(*(waypoint(n, 20, n % 100, 30, speed_mps=1.0 + n % 2) for n in range(400)))
    with pytest.raises(UnsafeRoute, match="stores 650"):
        itinerary_of(many, HOME)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (Item(NAV_WAYPOINT, frame=3, x=100, y=200, z=30.0000012), True),
        (Item(NAV_WAYPOINT, frame=6, x=101, y=200, z=30.0), True),
        (Item(NAV_WAYPOINT, frame=6, x=150, y=200, z=30.0), False),
        (Item(NAV_WAYPOINT, frame=6, x=100, y=200, z=31.0), False),
        (Item(NAV_RETURN_TO_LAUNCH, frame=6, x=100, y=200, z=30.0), False),
    ],
)
def test_what_reads_back_is_compared_by_meaning(other: Item, same: bool) -> None:
    assert Item(NAV_WAYPOINT, frame=6, x=100, y=200, z=30.0).same(other) is same
