"""Repair plans: what every plan holds, whatever is asked; and why a job has no place where it has none."""

from __future__ import annotations

import os
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.repairs.problem import Crew, Job, Outcome, Part, Pin, Problem, Span, collide, travel
from cloud.repairs.solver import solve
from contracts.geo import Enu, GeoPoint, LocalFrame

HOME = GeoPoint(lat_deg=54.9, lon_deg=8.3, alt_m=10.0)
DAYS, DAY = 4, 48
SHIFTS = tuple(Span(DAY * day + 14, DAY * day + 32) for day in range(DAYS))
"""07:00 to 16:00 on each day."""


def place(east_km: float) -> GeoPoint:
    return LocalFrame(HOME).to_geo(Enu(1000.0 * east_km, 500.0, 0.0))


def crew(name: str = "a", *skills: str) -> Crew:
    return Crew(name, frozenset(skills or ("rope",)), HOME, SHIFTS)


def job(name: str = "j", **changes: Any) -> Job:
    plain = Job(name, place(2.0), "north", frozenset({"rope"}), 6, 10.0, rank=4)
    return plain._replace(**changes)


def plan(*jobs: Job, crews: tuple[Crew, ...] = (crew(),), **more: Any) -> list[Outcome]:
    return solve(Problem(crews, jobs, DAYS * DAY)._replace(**more))


def test_a_job_comes_as_early_as_the_way_there_allows() -> None:
    (found,) = plan(job())
    assert found.pin == Pin("a", SHIFTS[0].first + travel(HOME, place(2.0)))
    assert (found.late, found.reason) == (False, "")


@pytest.mark.parametrize(
    ("changes", "more", "says"),
    [
        ({"skills": frozenset({"crane"})}, {}, "No crew has the skills crane"),
        ({"length": 30}, {}, "leaves it 15 h on site"),
        ({"parts": ("tape",)}, {}, "parts (tape)"),
        ({}, {"wind": {"north": [14.0] * DAYS * DAY}}, "above 10 m/s whenever"),
        ({"pinned": None, "length": 16}, {"jobs": "taken"}, "taken by work that was pinned"),
    ],
)
def test_a_job_without_a_place_says_why(changes: dict[str, Any], more: dict[str, Any], says: str) -> None:
    jobs = [job(**changes)]
    if more.pop("jobs", None):
        jobs += [job(f"p{day}", pinned=Pin("a", DAY * day + 20)) for day in range(DAYS)]
    found = plan(*jobs, **more)[0]
    assert found.pin is None
    assert says in found.reason


def test_what_cannot_be_on_time_is_late_and_says_why() -> None:
    stormy = [14.0] * DAY + [4.0] * (DAYS - 1) * DAY
    (found,) = plan(job(latest_end=DAY), wind={"north": stormy})
    assert found.pin is not None
    assert (found.pin.start >= DAY, found.late) == (True, True)
    assert "above 10 m/s" in found.reason


def test_the_worse_one_goes_first_where_only_one_can_be_on_time() -> None:
    found = {o.job_id: o.late for o in plan(*(job(f"r{r}", rank=r, length=12, latest_end=DAY) for r in (3, 5, 4)))}
    assert found == {"r5": False, "r4": True, "r3": True}


def test_parts_in_stock_go_to_one_job_the_next_waits_for_more() -> None:
    found = plan(*(job(n, parts=("tape",)) for n in "xyz"), parts={"tape": Part(1, 2 * DAY)})
    assert sorted(o.pin.start >= 2 * DAY for o in found if o.pin) == [False, True, True]


def test_a_plan_solved_again_stays_where_it_was() -> None:
    late = Pin("a", SHIFTS[0].first + 6)
    assert plan(job(was=late))[0].pin == late


def test_a_forecast_that_turns_is_told_of_a_pinned_job_and_does_not_move_it() -> None:
    (found,) = plan(job(pinned=Pin("a", 18)), wind={"north": [14.0] * DAY})
    assert (found.pin, "14 m/s" in found.reason) == (Pin("a", 18), True)


_SKILLS = ("rope", "composite", "crane")


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    skills = st.frozensets(st.sampled_from(_SKILLS), min_size=1, max_size=2)
    crews = [
        Crew(
            f"c{n}", draw(st.frozensets(st.sampled_from(_SKILLS), min_size=1)), place(draw(st.integers(-9, 9))), SHIFTS
        )
        for n in range(draw(st.integers(1, 3)))
    ]
    parts = {"tape": Part(draw(st.integers(0, 2)), draw(st.none() | st.integers(0, DAYS * DAY)))}
    wind = [draw(st.none() | st.floats(0.0, 16.0)) for _ in range(DAYS * 4)]
    jobs: list[Job] = []
    for number in range(draw(st.integers(1, 7))):
        one = Job(
            f"j{number}",
            place(draw(st.integers(-20, 20))),
            "north",
            draw(skills),
            draw(st.integers(1, 14)),
            draw(st.sampled_from([6.0, 10.0, 14.0])),
            draw(st.sampled_from([(), ("tape",)])),
            draw(st.integers(1, 5)),
            draw(st.none() | st.integers(0, DAYS * DAY)),
        )
        pin = Pin(draw(st.sampled_from([c.crew_id for c in crews])), draw(st.integers(0, DAYS * DAY - 14)))
        pins = [other for other in jobs if other.pinned and other.pinned.crew_id == pin.crew_id]
        if draw(st.integers(0, 3)) == 0 and not any(collide(one, pin.start, other) for other in pins):
            one = one._replace(pinned=pin)
        jobs.append(one)
    return Problem(crews, jobs, DAYS * DAY, {"north": [w for w in wind for _ in range(12)]}, parts)


@settings(max_examples=int(os.environ.get("KESTREL_REPAIR_PLANS", "25")), deadline=None)
@given(problems())
def test_every_plan_holds(problem: Problem) -> None:
    outcomes = {outcome.job_id: outcome for outcome in solve(problem)}
    crews = {one.crew_id: one for one in problem.crews}
    placed = [(one, outcomes[one.job_id].pin) for one in problem.jobs]
    for one, pin in placed:
        assert one.pinned is None or pin == one.pinned, "pinned jobs stay"
        assert pin is not None or outcomes[one.job_id].reason, "no place, no word"
        if pin is None or one.pinned is not None:
            continue
        who = crews[pin.crew_id]
        way = travel(who.home, one.place)
        assert one.skills <= who.skills
        assert any(s.first + way <= pin.start and one.end(pin.start) + way <= s.last for s in who.shifts)
        assert problem.windy(one, pin.start) is None
        assert outcomes[one.job_id].late == (one.latest_end is not None and one.end(pin.start) > one.latest_end)
    for (one, pin), (other, its) in combinations(placed, 2):
        if pin is not None and its is not None and pin.crew_id == its.crew_id:
            assert not collide(one, pin.start, other._replace(pinned=its)), "two jobs of one crew overlap"
    stock = problem.parts["tape"]
    until = problem.horizon if stock.more_from is None else stock.more_from
    pinned = sum(1 for one, pin in placed if one.pinned and pin and one.parts and pin.start < until)
    taken = sum(1 for one, pin in placed if not one.pinned and pin and one.parts and pin.start < until)
    assert taken <= max(0, stock.in_stock - pinned)
