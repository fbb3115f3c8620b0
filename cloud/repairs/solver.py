"""Who repairs what when: CP-SAT over the starts that are possible at all.

What it holds: a crew does one job at a time and needs its way between two; skills, shifts, wind and parts as
`problem.starts` says; pinned jobs stay. What it wants, in this order: every job done, the worse ones first; on time;
little changed since the last plan; early. A job that cannot be done, or not on time, says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

from ortools.sat.python import cp_model

from cloud.repairs.problem import Job, Outcome, Pin, Problem, able, collide, shift_starts, starts, travel

_ON_TIME, _DONE, _MOVED = 1_000_000, 10_000_000, 500
_PER_RANK = 4
"""A job of one rank weighs as much as four of the rank below."""
_EFFORT = 0.2
"""CP-SAT's own measure of work: the same problem gives the same plan on any machine."""
_LONGEST_S = 10.0


class _Choice(NamedTuple):
    """One job in the model: its start, whether it is done, and by which crew."""

    job: Job
    start: Any
    done: Any
    by: dict[str, Any]
    possible: dict[str, list[int]]


def solve(problem: Problem) -> list[Outcome]:
    """Return an outcome for every job, in the order of the jobs; equal problems have equal outcomes."""
    model = cp_model.CpModel()
    free = [job for job in problem.jobs if job.pinned is None]
    choices = [c for job in free if (c := _choice(model, problem, job)) is not None]
    _keep_apart(model, choices)
    _share_parts(model, problem, choices)
    _hint(model, choices, _one_after_another(choices))
    late = {c.job.job_id: _lateness(model, c) for c in choices if c.job.latest_end is not None}
    model.maximize(sum(_worth(model, choice, late.get(choice.job.job_id)) for choice in choices))
    placed = _solved(model, choices)
    return [_outcome(problem, job, placed.get(job.job_id)) for job in problem.jobs]


def _choice(model: cp_model.CpModel, problem: Problem, job: Job) -> _Choice | None:
    possible = {crew.crew_id: found for crew in able(problem, job) if (found := starts(problem, job, crew))}
    if not possible:
        return None
    every = cp_model.Domain.from_values(sorted({at for found in possible.values() for at in found}))
    start = model.new_int_var_from_domain(every, f"start {job.job_id}")
    done = model.new_bool_var(f"done {job.job_id}")
    by = {crew_id: model.new_bool_var(f"{job.job_id} by {crew_id}") for crew_id in possible}
    for crew_id, found in possible.items():
        model.add_linear_expression_in_domain(start, cp_model.Domain.from_values(found)).only_enforce_if(by[crew_id])
    model.add(sum(by.values()) == done)
    return _Choice(job, start, done, by, possible)


def _one_after_another(choices: Sequence[_Choice]) -> dict[str, Pin]:
    """Return a plan to begin from: the worst and most urgent first, each where it was or as early as it still can."""
    placed: dict[str, Pin] = {}
    taken: list[Job] = []
    for choice in sorted(choices, key=lambda c: (-c.job.rank, c.job.latest_end or 10**9, c.job.job_id)):
        job = choice.job
        wishes = [Pin(crew_id, at) for crew_id, found in choice.possible.items() for at in found]
        wishes.sort(key=lambda pin: (pin != job.was, pin.start))
        for pin in wishes:
            if not any(o.pinned and o.pinned.crew_id == pin.crew_id and collide(job, pin.start, o) for o in taken):
                placed[job.job_id] = pin
                taken.append(job._replace(pinned=pin))
                break
    return placed


def _hint(model: cp_model.CpModel, choices: Sequence[_Choice], plan: dict[str, Pin]) -> None:
    for choice in choices:
        pin = plan.get(choice.job.job_id)
        model.add_hint(choice.done, pin is not None)
        for crew_id, by in choice.by.items():
            model.add_hint(by, pin is not None and pin.crew_id == crew_id)
        if pin is not None:
            model.add_hint(choice.start, pin.start)


def _keep_apart(model: cp_model.CpModel, choices: Sequence[_Choice]) -> None:
    crews = {crew_id for choice in choices for crew_id in choice.by}
    for crew_id in sorted(crews):
        spans = [
            model.new_optional_fixed_size_interval_var(
                c.start, c.job.length, c.by[crew_id], f"{c.job.job_id} {crew_id}"
            )
            for c in choices
            if crew_id in c.by
        ]
        model.add_no_overlap(spans)
    for one, other in combinations(choices, 2):
        way = travel(one.job.place, other.job.place)
        shared = sorted(one.by.keys() & other.by.keys()) if way else []
        first = model.new_bool_var("") if shared else model.new_constant(0)
        for crew_id in shared:
            both = [one.by[crew_id], other.by[crew_id]]
            model.add(other.start >= one.start + one.job.length + way).only_enforce_if([*both, first])
            model.add(one.start >= other.start + other.job.length + way).only_enforce_if([*both, first.negated()])


def _share_parts(model: cp_model.CpModel, problem: Problem, choices: Sequence[_Choice]) -> None:
    """Let no more jobs take a part than are in stock, until more arrive."""
    for name, part in problem.parts.items():
        takers = [choice for choice in choices if name in choice.job.parts]
        pinned = [job.pinned.start for job in problem.jobs if job.pinned is not None and name in job.parts]
        until = problem.horizon if part.more_from is None else part.more_from
        left = max(0, part.in_stock - sum(1 for start in pinned if start < until))
        taken = []
        for choice in takers:
            early = model.new_bool_var(f"{choice.job.job_id} takes {name}")
            model.add(choice.start >= until).only_enforce_if([choice.done, early.negated()])
            taken.append(early)
        model.add(sum(taken) <= left)


def _lateness(model: cp_model.CpModel, choice: _Choice) -> Any:
    late = model.new_bool_var(f"late {choice.job.job_id}")
    model.add(choice.start + choice.job.length <= choice.job.latest_end).only_enforce_if([choice.done, late.negated()])
    return late


def _worth(model: cp_model.CpModel, choice: _Choice, late: Any) -> Any:
    job, weight = choice.job, _PER_RANK ** (choice.job.rank - 1)
    worth = _DONE * weight * choice.done - job.rank * choice.start
    if late is not None:
        worth -= _ON_TIME * weight * late
    if job.was is not None and job.was.crew_id in choice.by:
        stays = model.new_bool_var(f"{job.job_id} stays")
        model.add(choice.start == job.was.start).only_enforce_if(stays)
        model.add_implication(stays, choice.by[job.was.crew_id])
        worth += _MOVED * stays
    return worth


def _solved(model: cp_model.CpModel, choices: Sequence[_Choice]) -> dict[str, Pin]:
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    solver.parameters.max_deterministic_time = _EFFORT
    solver.parameters.max_time_in_seconds = _LONGEST_S
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return {}
    return {
        choice.job.job_id: Pin(crew_id, int(solver.value(choice.start)))
        for choice in choices
        for crew_id, chosen in choice.by.items()
        if solver.boolean_value(chosen)
    }


def _outcome(problem: Problem, job: Job, pin: Pin | None) -> Outcome:
    if job.pinned is not None:
        return Outcome(job.job_id, job.pinned, _late(job, job.pinned), _turned(problem, job, job.pinned))
    if pin is None:
        return Outcome(job.job_id, None, job.latest_end is not None, _why_not(problem, job, problem.horizon))
    late = _late(job, pin)
    return Outcome(job.job_id, pin, late, _why_not(problem, job, job.latest_end or 0) if late else "")


def _late(job: Job, pin: Pin) -> bool:
    return job.latest_end is not None and job.end(pin.start) > job.latest_end


def _turned(problem: Problem, job: Job, pin: Pin) -> str:
    """Return what has come to speak against a pinned job since it was pinned."""
    wind = problem.windy(job, pin.start)
    if wind is not None:
        return f"{wind:.0f} m/s of wind are forecast then by now; {job.max_wind_mps:.0f} m/s are allowed."
    return "It ends after its due date." if _late(job, pin) else ""


def _why_not(problem: Problem, job: Job, until: int) -> str:
    """Return why a job could not be done by then: the first thing in its way that nothing else would mend."""
    crews = able(problem, job)
    if not crews:
        return f"No crew has the skills {', '.join(sorted(job.skills))}."
    if until < job.length:
        return f"Its due date is past, or nearer than the {job.length / 2:g} h it takes."
    earliest = problem.parts_from(job)
    if earliest is None or earliest + job.length > until:
        return f"Of its parts ({', '.join(job.parts)}) one is not in stock and does not come in time."
    shifts = {at for crew in crews for at in shift_starts(crew, job, problem.horizon) if job.end(at) <= until}
    if not shifts:
        return f"No shift of a crew with its skills leaves it {job.length / 2:g} h on site in time."
    if all(problem.windy(job, at) is not None for at in shifts):
        return f"The wind is above {job.max_wind_mps:g} m/s whenever a crew could work in time."
    return "The crews with its skills, or its parts, are taken by work that was pinned or is more urgent."
