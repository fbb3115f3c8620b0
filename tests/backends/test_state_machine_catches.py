"""Every Catch of every definition taken by a run; the list is made from the definitions."""

from __future__ import annotations

import json
import re
from typing import Any

import boto3
import pytest

from contracts.resources import RETRAIN_MACHINE, STATE_MACHINES
from infra.local import resources
from tests.machines import Answer, Machine, shipped, task_of, trained
from tests.services import MiniStack
from workflows.definition import DEFINITIONS, every_state

ON_AWS = {"TrainOnSageMaker", "EvaluateOnSageMaker"}
"""States that no emulator can run; `tests/expectations` has them."""
CATCHES = [
    (machine, state, position)
    for machine in STATE_MACHINES
    for state, definition in every_state(shipped(machine))
    for position, _ in enumerate(definition.get("Catch", []))
    if state not in ON_AWS
]
LISTS = {"check": "todo", "segments": "segments"}
SMOOTH = {
    "check": {"todo": ["ticket", "notify", "summarise"]},
    "segments": {"segments": ["flt-1.00000"]},
    "gather": {"happened": 1},
    "ask": {"decision": "approved"},
    "approve": {"decision": "approved"},
    "ticket": {"number": "10000001"},
}


def failing_in(state: str, definition: dict[str, Any]) -> Answer:
    """Answer so that a run comes to a state and fails there: a Map fails where its items are no list."""
    broken = task_of(definition)

    def answer(task: dict[str, Any]) -> tuple[str, Any]:
        name = task["task"]
        if name == broken or (broken == "fail" and name in {"check", "segments", "gather", "labels"}):
            return "Unexpected", {"message": "No."}
        if definition["Type"] == "Map" and name in LISTS:
            return "", {LISTS[name]: "no list"}
        return "", {"todo": ["ask"]} if (name, state) == ("check", "Ask") else SMOOTH.get(name, {})

    return answer


@pytest.fixture
def machine(aws_ministack: MiniStack) -> Machine:
    return Machine(tells_causes=True)


@pytest.mark.parametrize(("name", "state", "position"), CATCHES)
def test_every_catch_leads_to_a_failure_people_see(machine: Machine, name: str, state: str, position: int) -> None:
    """Generated from the definitions: a Catch that is added is tested, or this fails for want of a way there."""
    definition = dict(every_state(shipped(name)))[state]
    catcher = definition["Catch"][position]
    status, end = machine.run(failing_in(state, definition), f"catch-{state.lower()}-{position}", name)
    went = [known for known, _ in machine.entered(end["executionArn"])]
    if state in shipped(name)["States"]:  # the emulator's history says nothing of states inside a Map
        assert catcher["Next"] in went[went.index(state) :]
    recorded = state != "RecordFailure"
    assert (status, end["error"] != "FailureNotRecorded") == ("FAILED", recorded)
    told = machine.seen[-1]["input"]["failures"]
    wanted = {"DoAll": "all", "Analyse": "analyse"}.get(state, task_of(definition))
    assert [one["task"] for one in told] == [wanted] or not recorded


def test_a_job_that_sagemaker_does_not_take_is_a_failure_people_see(machine: Machine) -> None:
    """The emulator has no SageMaker: so the run comes to the state, and is caught there."""
    steps = boto3.client("stepfunctions")
    values = dict.fromkeys(re.findall(r"\$\{(\w+)\}", json.dumps(shipped(RETRAIN_MACHINE))), "x")
    here = {"TrainingPlace": "sagemaker", "WorkflowTasksQueueUrl": machine.urls[0]}
    text = resources.definition(DEFINITIONS / STATE_MACHINES[RETRAIN_MACHINE], values | here)
    steps.create_state_machine(name="retrain-on-aws", definition=text, roleArn="arn:aws:iam::000000000000:role/x")
    status, end = machine.run(trained("approved"), "mdl-aws", "retrain-on-aws")
    assert (status, machine.tasks()) == ("FAILED", ["labels", "fail"])
    assert "TrainOnSageMaker" in [known for known, _ in machine.entered(end["executionArn"])]
