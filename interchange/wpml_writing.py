"""A mission as DJI WPML: ``waylines.wpml`` (what flies) and ``template.kml`` (what DJI's programs let one edit)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from contracts.errors import InvalidInput
from interchange import altitudes
from interchange.altitudes import Aircraft, Given
from interchange.losses import Ledger
from interchange.markup import Node, of_record, say
from interchange.mission import AltitudeReference, Mission, Place, TakeOff
from interchange.wpml_placemarks import Placemarks
from interchange.wpml_walk import Walk, flown_altitudes, flown_references

_EXECUTE_MODE = {
    AltitudeReference.ELLIPSOID: "WGS84",
    AltitudeReference.TAKE_OFF: "relativeToStartPoint",
    AltitudeReference.TERRAIN: "realTimeFollowSurface",
}
_TEMPLATE_MODE = {
    AltitudeReference.ELLIPSOID: "EGM96",
    AltitudeReference.TAKE_OFF: "relativeToStartPoint",
    AltitudeReference.TERRAIN: "aboveGroundLevel",
}
_AIRCRAFT = {
    Aircraft.M30: (67, 0, 52),
    Aircraft.M30T: (67, 1, 53),
    Aircraft.M3E: (77, 0, 66),
    Aircraft.M3T: (77, 1, 67),
    Aircraft.M3M: (77, 2, 68),
}
"""droneEnumValue, droneSubEnumValue, payloadEnumValue."""
_SPEED_MPS = 5.0
_TAKE_OFF_M = 20.0
"""takeOffSecurityHeight of DJI's example."""
_TAKE_OFF_BOUNDS_M = (2.0, 1500.0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def write(mission: Mission, ledger: Ledger, given: Given) -> tuple[Node, Node | None]:
    """Return the documents of ``waylines.wpml`` and of ``template.kml`` (None: its heights cannot be said).

    Raises:
        InvalidInput: There is no waypoint, one has no altitude, or the altitudes cannot be said against one reference.

    """
    _book_settings(mission, ledger)
    fitted, reference = _fit(flown_altitudes(mission), given, ledger)
    walk = Walk(_with_take_off(mission, fitted, given, ledger), ledger)
    if not walk.stops:
        raise InvalidInput("The mission has no waypoint; a wayline needs one.", hint="Add one.", field="items")
    config = _config(mission, walk, given, ledger)
    speed = mission.speed_mps
    if speed is None:
        speed = _SPEED_MPS
        ledger.defaulted("speed_mps", f"WPML needs a speed: {speed:g} m/s was written.")
    folder = _folder(mission, "folder")
    for name, value in (("templateId", 0), ("executeHeightMode", _EXECUTE_MODE[reference]), ("waylineId", 0)):
        folder.put(f"wpml:{name}", value)
    folder.put("wpml:autoFlightSpeed", speed)
    marks = Placemarks(walk, speed, ledger)
    folder.children += [*marks.start(), *marks.executed()]
    waylines = Node("Document", children=[config, folder])
    return waylines, _template(mission, marks, reference, given, ledger, waylines)


def _folder(mission: Mission, key: str) -> Node:
    if mission.verbatim is not None and mission.verbatim.dialect == "wpml" and key in mission.verbatim.record:
        return of_record(mission.verbatim.record[key]).without("startActionGroup")
    return Node("Folder")


def _book_settings(mission: Mission, ledger: Ledger) -> None:
    if mission.name:
        ledger.dropped("name", f"WPML has no name of a mission (here {mission.name!r:.60}).")
    if mission.fixed_wing_speed_mps is not None:
        ledger.dropped("fixed_wing_speed_mps", "WPML flies multirotors.")
    if mission.fences:
        ledger.dropped("fences", f"{len(mission.fences)} fences: DJI keeps flight areas apart from waylines.")
    if mission.rally_points:
        ledger.dropped("rally_points", f"{len(mission.rally_points)} rally points: DJI goes home to the take-off.")


def _fit(mission: Mission, given: Given, ledger: Ledger) -> tuple[Mission, AltitudeReference]:
    """Return the mission with one reference for all: a wayline has one height mode."""
    used = {altitude.reference for altitude in flown_references(mission)}
    wanted = [reference for reference in _EXECUTE_MODE if used == {reference}] or [
        AltitudeReference.ELLIPSOID,
        AltitudeReference.TAKE_OFF,
    ]
    refusals: list[InvalidInput] = []
    for reference in wanted:
        trial = Ledger()
        try:
            fitted = altitudes.fit(mission, (reference,), given, trial)
        except InvalidInput as refusal:
            refusals.append(refusal)
        else:
            ledger.losses += trial.losses
            if reference is AltitudeReference.TERRAIN:
                ledger.approximated("altitude", "Above the ground: only aircraft that follow the surface fly this.")
            return fitted, reference
    raise refusals[0]


def _with_take_off(mission: Mission, fitted: Mission, given: Given, ledger: Ledger) -> Mission:
    """Return the fitted mission with the take-off's height above take-off, where that can be said."""
    first = mission.items[0] if mission.items else None
    if not isinstance(first, TakeOff) or first.altitude is None:
        return fitted
    only = Mission(home=mission.home, items=(first,))
    trial = Ledger()
    try:
        said = altitudes.fit(only, (AltitudeReference.TAKE_OFF,), given, trial).items
    except InvalidInput as refusal:
        with ledger.at(0, first.kind):
            ledger.dropped("altitude", refusal.message)
        return fitted
    ledger.losses += trial.losses
    return fitted.model_copy(update={"items": (*said, *fitted.items[1:])})


def _config(mission: Mission, walk: Walk, given: Given, ledger: Ledger) -> Node:
    kept = mission.verbatim.record.get("config") if mission.verbatim and mission.verbatim.dialect == "wpml" else None
    config = of_record(kept) if kept else _new_config(given, ledger)
    config.put("wpml:finishAction", walk.finish)
    height = walk.take_off_m
    if height is None:
        height = _TAKE_OFF_M
        ledger.defaulted("take_off", f"WPML needs a height to climb to first: {height:g} m was written.")
    low, high = _TAKE_OFF_BOUNDS_M
    if not low <= height <= high:
        bounded = min(max(height, low), high)
        ledger.approximated("take_off", f"{height:g} m became {bounded:g} m: DJI takes {low:g} to {high:g} m.")
        height = bounded
    config.put("wpml:takeOffSecurityHeight", height)
    if given.aircraft is not None:
        drone, kind, camera = _AIRCRAFT[given.aircraft]
        _name_aircraft(config, drone, kind, camera)
    return config


def _new_config(given: Given, ledger: Ledger) -> Node:
    config = Node("wpml:missionConfig")
    config.put("wpml:flyToWaylineMode", "safely")
    config.put("wpml:finishAction", "noAction")
    config.put("wpml:exitOnRCLost", "executeLostAction")
    config.put("wpml:executeRCLostAction", "goBack")
    config.put("wpml:takeOffSecurityHeight", _TAKE_OFF_M)
    config.put("wpml:globalTransitionalSpeed", _SPEED_MPS)
    ledger.defaulted("link_lost", "WPML says what a lost remote control does: going home was written.")
    ledger.defaulted("transitional_speed", f"The way to the first waypoint is flown at {_SPEED_MPS:g} m/s.")
    if given.aircraft is None:
        ledger.defaulted("aircraft", "WPML names an aircraft and its camera: a Matrice 30 was written.")
        _name_aircraft(config, *_AIRCRAFT[Aircraft.M30])
    return config


def _name_aircraft(config: Node, drone: int, kind: int, camera: int) -> None:
    config.children = config.without("droneInfo", "payloadInfo").children
    drone_info, payload = Node("wpml:droneInfo"), Node("wpml:payloadInfo")
    drone_info.put("wpml:droneEnumValue", drone)
    drone_info.put("wpml:droneSubEnumValue", kind)
    payload.put("wpml:payloadEnumValue", camera)
    payload.put("wpml:payloadSubEnumValue", 0)
    payload.put("wpml:payloadPositionIndex", 0)
    config.children += [drone_info, payload]


def _template(
    mission: Mission,
    marks: Placemarks,
    reference: AltitudeReference,
    given: Given,
    ledger: Ledger,
    waylines: Node,
) -> Node | None:
    if reference is AltitudeReference.ELLIPSOID and given.geoid_separation_m is None:
        words = "template.kml is left out: its heights are above mean sea level, and the geoid separation is not given."
        ledger.dropped("template", words)
        return None
    document = _header(mission, ledger)
    config = waylines.children[0].without("takeOffRefPoint", "takeOffRefPointAGLHeight")
    point = _reference_point(mission.home, given, ledger)
    if point:
        config.put("wpml:takeOffRefPoint", point)
    folder = _folder(mission, "template_folder")
    system = Node("wpml:waylineCoordinateSysParam")
    system.put("wpml:coordinateMode", "WGS84")
    system.put("wpml:heightMode", _TEMPLATE_MODE[reference])
    folder.put("wpml:templateType", "waypoint")
    folder.put("wpml:templateId", 0)
    folder.place(system)
    folder.put("wpml:autoFlightSpeed", waylines.children[1].say("autoFlightSpeed") or "")
    folder.put("wpml:gimbalPitchMode", "manual")
    separation = given.geoid_separation_m if reference is AltitudeReference.ELLIPSOID else None
    folder.children += marks.editable(separation)
    document.children += [config, folder]
    return document


def _header(mission: Mission, ledger: Ledger) -> Node:
    record = mission.verbatim.record if mission.verbatim and mission.verbatim.dialect == "wpml" else {}
    document = of_record(record["header"]) if "header" in record else Node("Document")
    if mission.created_at is None:
        return document.without("createTime")
    since = mission.created_at - _EPOCH
    if since % timedelta(milliseconds=1):
        ledger.approximated("created_at", "WPML keeps whole milliseconds.")
    document.put("wpml:createTime", str(since // timedelta(milliseconds=1)))
    return document


def _reference_point(home: Place | None, given: Given, ledger: Ledger) -> str | None:
    """Return takeOffRefPoint, lat,lon,height above the ellipsoid; None: not known, booked."""
    if home is None:
        return None
    altitude = given.home_altitude or home.altitude
    shift = None
    if altitude is not None:
        wanted = AltitudeReference.ELLIPSOID
        shift = altitudes.shift_m(altitude.reference, wanted, None, given.geoid_separation_m)
    if altitude is None or shift is None:
        words = "WPML's reference take-off needs a height above the ellipsoid, and the geoid separation is not given."
        ledger.dropped("home", words)
        return None
    if shift:
        words = f"{altitude.value_m:g} m above mean sea level is written with a geoid separation of {shift:g} m."
        ledger.approximated("home.altitude", words)
    height = round(altitude.value_m + shift, 6) if shift else altitude.value_m
    return f"{say(home.lat_deg)},{say(home.lon_deg)},{say(height)}"
