"""What is linked at once, what is only suggested, and what a later flight joins; and a whole farm of all of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from benchmarks.identity import joint, scored
from cloud.history.certainty import ALONE, BESIDE
from cloud.history.matching import Matching, match
from cloud.history.pairs import Known, Shift
from cloud.history.sightings import Sighting
from contracts.vocabulary import DefectKind
from simulators.history import HistoryPlan, history

FIRST = datetime(2024, 5, 1, tzinfo=UTC)


def seen(name: str, along_m: float, flight: int, surface: str = "A/LE") -> Sighting:
    """Return a crack as a flight places it. Its blade points up: only the height of the shift moves it."""
    lever = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    own = np.diag([0.12**2, 0.06**2])
    at = FIRST + timedelta(days=300 * flight)
    return Sighting(name, surface, DefectKind.CRACK, np.array([along_m, 0.4]), own, lever, 200.0, 6.0, at)


def known(flights: dict[int, list[Sighting]]) -> list[Known]:
    return [Known(s.sighting_id, (s,), (flight,)) for flight, sightings in flights.items() for s in sightings]


def matched(flights: dict[int, list[Sighting]], now: list[Sighting], sigma_m: float = 2.8) -> Matching:
    size = 3 * (len(flights) + 1)
    return match(known(flights), now, Shift(np.zeros(size), np.eye(size) * sigma_m**2))


def test_a_finding_that_alone_tells_where_the_flight_was_is_suggested_and_not_linked() -> None:
    said = matched({0: [seen("old", 12.0, 0)]}, [seen("new", 12.1, 1)])
    assert not said.links
    assert (said.suggested["new"].link_group, said.suggested["new"].reason) == ("old", ALONE)
    assert said.suggested["new"].probability > 0.5


def test_a_good_position_or_a_second_finding_on_the_blade_makes_the_link() -> None:
    assert matched({0: [seen("old", 12.0, 0)]}, [seen("new", 12.1, 1)], sigma_m=0.1).links["new"].link_group == "old"
    two = {0: [seen("old", 12.0, 0), seen("other", 20.0, 0, "A/PS")]}
    said = matched(two, [seen("new", 13.6, 1), seen("again", 21.6, 1, "A/PS")])
    assert {name: link.link_group for name, link in said.links.items()} == {"new": "old", "again": "other"}
    assert not said.suggested


@pytest.mark.parametrize("off_m", [-1.4, -0.7, 0.7, 1.4])
def test_a_finding_where_the_neighbour_may_be_is_never_linked(off_m: float) -> None:
    two = {0: [seen("old", 12.0, 0), seen("one", 20.0, 0, "A/PS"), seen("two", 16.0, 0, "A/SS")]}
    now = [seen("new", 12.0 + off_m, 1), seen("again", 20.0, 1, "A/PS"), seen("still", 16.0, 1, "A/SS")]
    said = matched(two, now)
    assert set(said.links) == {"again", "still"}
    assert all(asked.reason == BESIDE for asked in said.suggested.values())


def test_records_that_no_flight_saw_together_are_joined_by_one_that_ties_them() -> None:
    """Flight 1 saw the defect and a new one; flight 2 sees both and what flight 0 saw: its place ties all three."""
    flights = {0: [seen("old", 12.0, 0), seen("other", 20.0, 0)], 1: [seen("untold", 13.5, 1), seen("young", 18.9, 1)]}
    said = matched(flights, [seen("new", 12.0, 2), seen("again", 20.1, 2), seen("third", 17.4, 2)])
    assert said.links["new"].link_group == "old"
    assert said.links["third"].link_group == "young"
    assert {group: link.link_group for group, link in said.joined.items()} == {"untold": "old"}


def test_what_a_person_told_apart_is_not_joined() -> None:
    flights = {0: [seen("old", 12.0, 0), seen("other", 20.0, 0)], 1: [seen("untold", 13.5, 1), seen("young", 18.9, 1)]}
    records = [k._replace(decided=k.link_group == "untold") for k in known(flights)]
    now = [seen("new", 12.0, 2), seen("again", 20.1, 2), seen("third", 17.4, 2)]
    assert not match(records, now, Shift(np.zeros(9), np.eye(9) * 2.8**2)).joined


def test_two_records_that_lie_on_either_side_of_a_finding_stay_two() -> None:
    tied = [seen("one", 20.0, 0, "A/PS"), seen("two", 16.0, 0, "A/SS"), seen("three", 8.0, 0, "A/TE")]
    again = [s._replace(sighting_id=f"again {s.sighting_id}") for s in tied]
    flights = {0: [*tied, seen("old", 12.0, 0)], 1: [*again, seen("young", 12.8, 1)]}
    now = [s._replace(sighting_id=f"now {s.sighting_id}") for s in tied]
    said = matched(flights, [*now, seen("new", 12.4, 2)])
    assert {"old", "young"}.isdisjoint(said.joined)


def test_a_finding_of_one_of_two_records_that_may_be_one_is_not_linked() -> None:
    """Flight 0 may have placed "old" badly: it is "same", and "next" lies where it was put; or it is "next"."""
    tied = [seen("one", 20.0, 0, "A/PS"), seen("two", 16.0, 0, "A/SS"), seen("three", 8.0, 0, "A/TE")]
    again = [s._replace(sighting_id=f"again {s.sighting_id}") for s in tied]
    now = [s._replace(sighting_id=f"now {s.sighting_id}") for s in tied]
    flights = {0: [*tied, seen("old", 12.0, 0)], 1: [*again, seen("same", 12.6, 1)]}
    said = matched(flights, [*now, seen("next", 11.8, 2), seen("new", 12.6, 2)])
    assert "next" not in said.links
    assert said.suggested["next"].reason == BESIDE
    apart = {0: flights[0], 1: [*again, seen("same", 13.2, 1)]}
    said = matched(apart, [*now, seen("next", 11.8, 2), seen("new", 13.2, 2)])
    assert said.links["next"].link_group == "old"


def test_a_farm_of_twenty_turbines_is_told_apart() -> None:
    """Five inspections in three years, a close pair of one kind on every turbine."""
    score = scored(history(HistoryPlan(seed=21)), joint)
    assert score.precision >= 0.98
    assert score.recall >= 0.95
    assert score.close_pairs_merged == 0


def test_a_flight_is_put_where_most_of_what_it_saw_fits() -> None:
    """The surest pairs one by one lead this turbine's third flight astray: it took a close pair for one defect."""
    made = history(HistoryPlan(seed=126, turbines=16))
    last = made.assets[-1]
    score = scored(made.model_copy(update={"assets": (last,)}), joint)
    assert score.close_pairs_merged == 0
    assert score.precision == 1.0
