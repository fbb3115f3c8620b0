"""Random missions: anything at all, and the part each format can say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from interchange.mission import (
    Altitude,
    AltitudeReference,
    Area,
    FenceCircle,
    FencePolygon,
    Hover,
    Item,
    Land,
    LatLon,
    Loiter,
    LookAt,
    Mission,
    Orbit,
    Place,
    PointCamera,
    ReturnToLaunch,
    SetHeading,
    SetSpeed,
    StartPhotos,
    StartVideo,
    StopPhotos,
    StopVideo,
    TakeOff,
    TakePhoto,
    Waypoint,
    Zoom,
)

S = st.SearchStrategy[Any]


def numbers(low: float, high: float) -> S:
    return st.floats(low, high, allow_nan=False).map(lambda value: round(value, 7) + 0.0)


POINTS = st.builds(LatLon, lat_deg=numbers(-85, 85), lon_deg=numbers(-179, 179)).filter(
    lambda point: bool(point.lat_deg or point.lon_deg)  # 0, 0 means "here" to MAVLink
)
POSITIVE = numbers(0.5, 900)
HEADINGS = numbers(0.5, 359)
WHOLE_HEADINGS = st.integers(0, 359).map(float)
LABELS = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=["Cc", "Cs"]), max_size=20)


def altitudes(*references: AltitudeReference) -> S:
    return st.builds(Altitude, value_m=numbers(-100, 4000), reference=st.sampled_from(references))


MAVLINK = (AltitudeReference.AMSL, AltitudeReference.TAKE_OFF, AltitudeReference.TERRAIN)


def cameras(*, nose: bool) -> S:
    angle = st.none() | numbers(-170, 170)
    made = st.builds(PointCamera, pitch_deg=st.none() | numbers(-90, 30), yaw_deg=angle, yaw_from_nose=st.booleans())
    made = made.filter(lambda item: item.pitch_deg is not None or item.yaw_deg is not None)

    def sensible(item: PointCamera) -> PointCamera:
        from_nose = nose and item.yaw_from_nose and item.yaw_deg is not None
        return item.model_copy(update={"yaw_from_nose": from_nose})

    return made.map(sensible)


TURNS = st.builds(SetHeading, heading_deg=HEADINGS, clockwise=st.booleans())
SIMPLE = st.sampled_from([TakePhoto(), StartVideo(), StopVideo()])
HOVERS = st.builds(Hover, time_s=POSITIVE)
SERIES = st.builds(StartPhotos, every_s=POSITIVE) | st.builds(StartPhotos, every_m=POSITIVE)


def _loiter() -> S:
    extra = st.sampled_from([{}, {"turns": 3.0}, {"time_s": 30.0}])
    return st.tuples(POINTS, altitudes(*MAVLINK), POSITIVE, st.booleans(), extra).map(
        lambda t: Loiter(point=t[0], altitude=t[1], radius_m=t[2], clockwise=t[3], **t[4])
    )


def mavlink_items(heading: S) -> S:
    """What MAVLink says without loss."""
    height = altitudes(*MAVLINK)
    waypoint = st.builds(
        Waypoint,
        point=POINTS,
        altitude=height,
        hold_s=numbers(0, 100),
        heading_deg=heading,
        acceptance_radius_m=st.none() | POSITIVE,
    )
    orbit = st.builds(
        Orbit,
        point=POINTS,
        altitude=height,
        radius_m=POSITIVE,
        clockwise=st.booleans(),
        speed_mps=st.none() | POSITIVE,
        turns=st.sampled_from([None, 1.0, 2.0]),
    )
    return st.lists(
        waypoint
        | orbit
        | _loiter()
        | st.builds(TakeOff, point=st.none() | POINTS, altitude=height, heading_deg=heading)
        | st.builds(Land, point=st.none() | POINTS, altitude=height, heading_deg=heading)
        | st.builds(SetSpeed, speed_mps=st.none() | numbers(0, 20))
        | st.builds(LookAt, point=POINTS, altitude=height)
        | st.builds(Zoom, percent=numbers(0, 100))
        | st.builds(Zoom, focal_length_mm=POSITIVE)
        | st.builds(SetHeading, heading_deg=HEADINGS, clockwise=st.none() | st.booleans())
        | cameras(nose=True)
        | SIMPLE
        | HOVERS
        | SERIES
        | st.sampled_from([StopPhotos(), ReturnToLaunch(), LookAt(point=None)]),
        max_size=8,
    )


FENCES = st.lists(
    st.builds(FencePolygon, vertices=st.lists(POINTS, min_size=3, max_size=6).map(tuple), inside=st.booleans()),
    max_size=2,
).flatmap(
    lambda polygons: st.lists(
        st.builds(FenceCircle, centre=POINTS, radius_m=POSITIVE, inside=st.booleans()), max_size=2
    ).map(lambda circles: (*polygons, *circles))
)


def places(*references: AltitudeReference) -> S:
    return st.builds(Place, lat_deg=numbers(-85, 85), lon_deg=numbers(-179, 179), altitude=altitudes(*references))


AMSL_HOME = places(AltitudeReference.AMSL).filter(lambda place: bool(place.lat_deg or place.lon_deg))

PLAN = st.builds(
    Mission,
    home=AMSL_HOME,
    speed_mps=POSITIVE.filter(lambda v: v <= 500),
    fixed_wing_speed_mps=POSITIVE.filter(lambda v: v <= 500),
    items=mavlink_items(st.none() | numbers(0, 359)).map(tuple),
    fences=FENCES,
    rally_points=st.lists(places(AltitudeReference.TAKE_OFF), max_size=2).map(tuple),
)

WPL = st.builds(Mission, home=AMSL_HOME, items=mavlink_items(st.none() | HEADINGS).map(tuple))


@st.composite
def wpml(draw: st.DrawFn) -> Mission:
    """What WPML says without loss, in the order it is read back."""
    reference = draw(st.sampled_from([AltitudeReference.ELLIPSOID, AltitudeReference.TAKE_OFF]))
    height = draw(altitudes(AltitudeReference.TAKE_OFF)).value_m
    items: list[Item] = [
        TakeOff(altitude=Altitude(value_m=min(max(height, 2.0), 1500.0), reference=AltitudeReference.TAKE_OFF))
    ]
    action: S = SIMPLE | HOVERS | TURNS | st.builds(Zoom, focal_length_mm=POSITIVE) | cameras(nose=True)
    items += draw(st.lists(action, max_size=2))
    base = draw(numbers(1, 15))
    speed, running = base, False
    for _ in range(draw(st.integers(1, 4))):
        items.append(
            draw(
                st.builds(
                    Waypoint,
                    point=POINTS,
                    altitude=altitudes(reference),
                    heading_deg=st.none() | WHOLE_HEADINGS,
                    corner_radius_m=st.just(0.0) | POSITIVE,
                )
            )
        )
        if running:
            items.append(StopPhotos())
            running = False
        wanted = draw(st.sampled_from([base, base + 1.5]))
        if wanted != speed:
            items.append(SetSpeed(speed_mps=None if wanted == base else wanted))
            speed = wanted
        items += draw(st.lists(action, max_size=3))
        if draw(st.booleans()):
            items.append(draw(SERIES))
            running = True
    if running:
        items.append(StopPhotos())
    items += draw(st.sampled_from([[], [ReturnToLaunch()], [Land()]]))
    created = draw(st.none() | st.datetimes(min_value=datetime(2000, 1, 1)).map(_milliseconds))  # noqa: DTZ001
    home = draw(st.none() | places(AltitudeReference.ELLIPSOID))
    if reference is AltitudeReference.ELLIPSOID:
        created, home = None, None
    return Mission(created_at=created, home=home, speed_mps=base, items=tuple(items))


def _milliseconds(value: datetime) -> datetime:
    return value.replace(microsecond=value.microsecond // 1000 * 1000, tzinfo=UTC)


@st.composite
def litchi(draw: st.DrawFn) -> Mission:
    """What Litchi's CSV says without loss, in the order it is read back."""
    items: list[Any] = []
    speed, look = None, LookAt(point=None)
    series: Item = StopPhotos()
    heights = altitudes(AltitudeReference.TAKE_OFF, AltitudeReference.TERRAIN)
    tilts = st.builds(PointCamera, pitch_deg=numbers(-90, 30))
    for _ in range(draw(st.integers(0, 4))):
        items.append(
            draw(
                st.builds(
                    Waypoint,
                    point=POINTS,
                    altitude=heights,
                    heading_deg=numbers(0, 359),
                    corner_radius_m=numbers(0, 50),
                )
            )
        )
        wanted = draw(st.none() | numbers(1, 15))
        if wanted != speed:
            speed = wanted
            items.append(SetSpeed(speed_mps=speed))
        at = draw(st.just(LookAt(point=None)) | st.builds(LookAt, point=POINTS, altitude=heights))
        if at != look:
            look = at
            items.append(at)
        photos = draw(st.just(StopPhotos()) | SERIES)
        if photos != series:
            series = photos
            items.append(photos)
        clockwise = draw(st.booleans())
        turns: S = st.builds(SetHeading, heading_deg=HEADINGS, clockwise=st.just(clockwise))
        items += draw(st.lists(SIMPLE | tilts | turns, max_size=5))
    return Mission(items=tuple(items))


@st.composite
def kml(draw: st.DrawFn) -> Mission:
    """What KML says without loss."""
    heights = st.none() | altitudes(AltitudeReference.AMSL, AltitudeReference.TERRAIN)
    waypoints = st.builds(Waypoint, point=POINTS, altitude=heights, name=LABELS.map(str.strip))
    return Mission(name=draw(LABELS.map(str.strip)), items=tuple(draw(st.lists(waypoints, min_size=1, max_size=5))))


def anything() -> S:
    """Missions with everything a mission can hold, sensible or not."""
    every = mavlink_items(st.none() | HEADINGS)
    waypoint = st.builds(
        Waypoint,
        point=POINTS,
        altitude=st.none() | altitudes(*AltitudeReference),
        heading_deg=st.none() | numbers(-400, 400),
        corner_radius_m=st.none() | POSITIVE,
        name=LABELS,
    )
    area = st.builds(
        Area,
        pattern=st.sampled_from(["survey", "CorridorScan"]),
        outline=st.lists(POINTS, max_size=4).map(tuple),
        closed=st.booleans(),
        items=every.map(tuple),
    )
    middle = st.lists(waypoint | area, max_size=3)
    mixed = st.tuples(every, middle, every).map(lambda t: (*t[0], *t[1], *t[2]))
    return st.builds(
        Mission,
        name=LABELS,
        home=st.none() | places(*AltitudeReference),
        speed_mps=st.none() | numbers(1, 20),
        items=mixed,
        fences=FENCES,
        rally_points=st.lists(places(*AltitudeReference), max_size=2).map(tuple),
    )
