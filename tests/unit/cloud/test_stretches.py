"""Which stretch of its asset each flight of a plan in several parts is for: planned, asked of it, and in words."""

from __future__ import annotations

from itertools import pairwise

import pytest

from cloud import aims, language, stretches
from cloud.aims import Aim
from cloud.parts_seen import beyond, gaps, of_shape
from cloud.planning.flying import Planned
from cloud.planning.surveys import SurveyInputs
from cloud.stretches import Stretch
from cloud.web import labels
from contracts.pipeline import Pipeline
from contracts.shapes import AnyShape
from contracts.tower import TelecomTower
from tests.unit.cloud.planning.test_flights import FOOT, corridor, line, plan
from tests.unit.cloud.planning.test_planner import inputs
from tests.unit.cloud.planning.test_splitting import LONG, ROOM, filmed, flights
from tests.unit.cloud.test_places import PIPE, on_the_ground, rows, whole

LINE = line(12)
THREE = Stretch(first=3, last=5, of=11)
KILOMETRE = Stretch(first=2, last=4, of=5, start_m=1900.0, end_m=2700.0)


def told(planned: list[Planned]) -> list[Stretch]:
    return [flight.stretch for flight in planned if flight.stretch is not None]


def test_the_flights_of_a_long_line_are_for_spans_that_follow_one_another() -> None:
    planned = plan(corridor(60))
    parts = told(planned)
    assert len(parts) == len(planned)
    assert (parts[0].first, parts[-1].last, parts[0].of) == (0, 58, 59)
    assert all(one.last + 1 == other.first for one, other in pairwise(parts))


def test_the_flights_of_a_long_pipe_are_for_chainages_that_follow_one_another() -> None:
    pipe = Pipeline(centre_line=tuple(on_the_ground(0.0, 9000.0, 24000.0)), start_chainage_m=500.0)
    wish = {"asset_id": "pipe-1", "geometry": pipe, "home": None, "params": {"pattern": "right_of_way"}}
    parts = told(plan(SurveyInputs.model_validate(wish)))
    assert len(parts) > 1
    assert parts[0].start_m == 500.0
    assert parts[-1].end_m == pytest.approx(pipe.chainages_m()[-1], abs=1.0)
    assert all(one.end_m == other.start_m for one, other in pairwise(parts))


def test_the_flights_of_a_blade_survey_name_their_sides() -> None:
    planned = flights(inputs(LONG, speed_mps=0.7, **ROOM))
    filmed_ = [f"{side.blade.value} {side.side.value}" for flight in planned for side in filmed(flight.route)]
    assert len(planned) > 1
    assert [side for one in told(planned) for side in one.sides] == filmed_


def test_a_flight_over_all_of_its_asset_is_for_no_stretch() -> None:
    assert [flight.stretch for flight in plan(corridor(3))] == [None]


def test_a_wish_for_some_spans_is_for_a_stretch_though_it_takes_one_flight() -> None:
    assert told(plan(corridor(12, first_span=3, last_span=5))) == [THREE]


@pytest.mark.parametrize(
    ("pattern", "shape", "stretch", "said"),
    [
        ("corridor", LINE, THREE, Aim(range(3, 6))),
        ("line_towers", LINE, THREE, Aim(range(0))),
        ("right_of_way", PIPE, KILOMETRE, Aim(range(1), along_m=(1900.0, 2700.0))),
    ],
)
def test_a_flight_is_asked_for_its_own_stretch(pattern: str, shape: AnyShape, stretch: Stretch, said: Aim) -> None:
    params = {"params": {"sides": ["left", "right"]}}
    assert aims.of_plan(pattern, params, shape, stretch) == said


def test_what_a_flight_did_not_see_of_its_stretch_is_a_gap_and_the_rest_is_beyond() -> None:
    rest = of_shape(PIPE, whole(rows(pipe=range(200, 260))), Aim(range(1), along_m=KILOMETRE.along_m))
    assert [str(gap) for gap in gaps(rest)] == ["pipe, 1,900–2,000 m", "pipe, 2,600–2,700 m"]
    assert beyond(rest) == ["pipe, 1,234–1,900 m", "pipe, 2,700–3,234 m"]


SAID: list[tuple[str, AnyShape, Stretch, str, str]] = [
    ("corridor", LINE, THREE, "spans T003–T004 to T005–T006", "Spannfelder T003–T004 bis T005–T006"),
    ("corridor", LINE, Stretch(first=3, last=3, of=11), "span T003–T004", "Spannfeld T003–T004"),
    ("corridor", line(3), THREE, "spans 4 to 6 of 11", "Spannfelder 4 bis 6 von 11"),
    ("line_towers", LINE, THREE, "towers T003 to T005", "Masten T003 bis T005"),
    ("line_towers", LINE, Stretch(first=3, last=3, of=12), "tower T003", "Mast T003"),
    ("line_towers", line(3), THREE, "towers 4 to 6 of 11", "Masten 4 bis 6 von 11"),
    ("right_of_way", PIPE, KILOMETRE, "chainage 1,900 to 2,700 m", "Stationierung 1900 bis 2700 m"),
    ("orbit", TelecomTower(foot=FOOT), Stretch(first=0, last=1, of=4), "rings 1 to 2 of 4", "Ringe 1 bis 2 von 4"),
    ("blades", LONG, Stretch(first=0, last=1, of=12, sides=("A LE", "A PS")), "blade sides A LE, A PS",
     "Blattseiten A LE, A PS"),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "shape", "stretch", "english", "german"), SAID, ids=[one[3] for one in SAID])
def test_a_stretch_is_said_in_words(pattern: str, shape: AnyShape, stretch: Stretch, english: str, german: str) -> None:
    assert stretches.in_words(stretch, pattern, shape) == english
    spoken = language._spoken.set("de")
    said = labels.stretch(stretch, pattern, shape)
    language._spoken.reset(spoken)
    assert said == german
