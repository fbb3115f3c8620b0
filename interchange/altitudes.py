"""Saying an altitude against another reference, only where the numbers for it are known, and never silently."""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import StrEnum

from pydantic import Field

from contracts.errors import InvalidInput
from contracts.geo import Finite, Frozen
from interchange.losses import Ledger
from interchange.mission import Altitude, AltitudeReference, Area, Mission, Step, TakeOff, Waypoint
from interchange.reading import make

WORDS = {
    AltitudeReference.AMSL: "above mean sea level",
    AltitudeReference.TAKE_OFF: "above take-off",
    AltitudeReference.TERRAIN: "above the ground",
    AltitudeReference.ELLIPSOID: "above the WGS 84 ellipsoid",
}


class Aircraft(StrEnum):
    """DJI's aircraft that fly WPML, with the camera they carry."""

    M30 = "m30"
    M30T = "m30t"
    M3E = "m3e"
    M3T = "m3t"
    M3M = "m3m"


class Given(Frozen):
    """What the person who converts knows, and the file may not say."""

    geoid_separation_m: float | None = Field(
        default=None, ge=-120, le=100, description="height of mean sea level above the WGS 84 ellipsoid here"
    )
    home_altitude: Altitude | None = Field(default=None, description="of the take-off, instead of the plan's")
    altitude: Altitude | None = Field(default=None, description="to fly where the file names none")
    aircraft: Aircraft | None = Field(default=None, description="that will fly it, for formats that must name one")


def shift_m(
    source: AltitudeReference, target: AltitudeReference, home: Altitude | None, geoid_separation_m: float | None
) -> Finite | None:
    """Return what to add to an altitude to say it against ``target``; None when a number for that is missing."""
    if source == target:
        return 0.0
    for basis in (AltitudeReference.AMSL, AltitudeReference.ELLIPSOID):
        zeros = [_zero_m(reference, basis, home, geoid_separation_m) for reference in (source, target)]
        if zeros[0] is not None and zeros[1] is not None:
            return zeros[0] - zeros[1]
    return None


def _zero_m(
    reference: AltitudeReference, basis: AltitudeReference, home: Altitude | None, geoid_m: float | None
) -> float | None:
    """Return the height of a reference's zero above the basis (sea level or ellipsoid); nobody knows the terrain's."""
    if reference is basis:
        return 0.0
    if reference is AltitudeReference.TERRAIN:
        return None
    if reference is AltitudeReference.TAKE_OFF:
        if home is None or home.reference not in (AltitudeReference.AMSL, AltitudeReference.ELLIPSOID):
            return None
        offset = _zero_m(home.reference, basis, None, geoid_m)
        return None if offset is None else home.value_m + offset
    if geoid_m is None:
        return None
    return geoid_m if reference is AltitudeReference.AMSL else -geoid_m


def fit(mission: Mission, allowed: Collection[AltitudeReference], given: Given, ledger: Ledger) -> Mission:
    """Return the mission with every altitude against one of the allowed references, the first that can be computed.

    Each change is booked as approximated, with the numbers it rests on.

    Raises:
        InvalidInput: A number is missing (home's altitude, the geoid separation) or the terrain is; the item is named.

    """
    home = given.home_altitude or (mission.home.altitude if mission.home else None)

    def restate(altitude: Altitude) -> Altitude:
        if altitude.reference in allowed:
            return altitude
        for target in allowed:
            shift = shift_m(altitude.reference, target, home, given.geoid_separation_m)
            if shift is not None:
                said = make(Altitude, ledger.where, value_m=round(altitude.value_m + shift, 6), reference=target)
                ledger.approximated("altitude", _words(altitude, said, home, given.geoid_separation_m))
                return said
        raise InvalidInput(
            f"{ledger.where}: {altitude.value_m:g} m {WORDS[altitude.reference]} cannot be said"
            f" {' or '.join(WORDS[reference] for reference in allowed)}.",
            hint=_mend(altitude.reference, allowed, home),
            field=f"{ledger.where}.altitude",
        )

    return _each(mission, restate, given, ledger)


def _each(mission: Mission, restate: Callable[[Altitude], Altitude], given: Given, ledger: Ledger) -> Mission:
    items = []
    for index, item in enumerate(mission.items):
        with ledger.at(index, item.kind):
            items.append(_item(_filled(item, given, ledger), restate))
    rally = tuple(
        place.model_copy(update={"altitude": restate(place.altitude)}) if place.altitude else place
        for place in mission.rally_points
    )
    return mission.model_copy(update={"items": tuple(items), "rally_points": rally})


def _filled(item: Step | Area, given: Given, ledger: Ledger) -> Step | Area:
    if not isinstance(item, Waypoint) or item.altitude is not None or given.altitude is None:
        return item
    chosen = given.altitude
    ledger.defaulted(
        "altitude", f"The source names no altitude: {chosen.value_m:g} m {WORDS[chosen.reference]}, as asked."
    )
    return item.model_copy(update={"altitude": chosen})


def _item(item: Step | Area, restate: Callable[[Altitude], Altitude]) -> Step | Area:
    if isinstance(item, Area):
        return item.model_copy(update={"items": tuple(_item(step, restate) for step in item.items)})
    altitude: Altitude | None = getattr(item, "altitude", None)
    return item if altitude is None else item.model_copy(update={"altitude": restate(altitude)})


def _words(was: Altitude, said: Altitude, home: Altitude | None, geoid_m: float | None) -> str:
    grounds = []
    if AltitudeReference.TAKE_OFF in (was.reference, said.reference) and home is not None:
        grounds.append(f"a take-off at {home.value_m:g} m {WORDS[home.reference]}")
    if geoid_m is not None and {was.reference, said.reference} != {AltitudeReference.AMSL, AltitudeReference.TAKE_OFF}:
        grounds.append(f"a geoid separation of {geoid_m:g} m")
    return (
        f"{was.value_m:g} m {WORDS[was.reference]} is written as {said.value_m:g} m {WORDS[said.reference]};"
        f" this holds for {' and '.join(grounds)} only."
    )


def _mend(source: AltitudeReference, allowed: Collection[AltitudeReference], home: Altitude | None) -> str:
    if source is AltitudeReference.TERRAIN or set(allowed) == {AltitudeReference.TERRAIN}:
        return "Terrain is not known here: plan it with other altitudes in the program it comes from."
    if home is None and AltitudeReference.TAKE_OFF in (source, *allowed):
        return "Give the altitude of the take-off (home_altitude) or the geoid separation of the site."
    return "Give the geoid separation of the site (geoid_separation_m)."


def take_off_height_m(item: TakeOff) -> float | None:
    """Return how far to climb, None where the altitude is not said above take-off."""
    if item.altitude is None or item.altitude.reference is not AltitudeReference.TAKE_OFF:
        return None
    return item.altitude.value_m
