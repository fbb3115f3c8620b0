"""The templates of every size keep every rule of the house, and a regression in them does not pass.

The full check (cfn-lint, cdk-nag and the scanners too) is ``make infra-check``.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import boto3
import pytest
from pydantic import ValidationError

from contracts import resources
from contracts.errors import NotFound
from infra.aws.gates import guard, iam, invariants, mutations, nag, scan, snapshot
from infra.aws.gates.templates import Templates
from infra.aws.place import Place, place_of
from infra.aws.sizes import SIZES
from workflows.definition import problems

REPOSITORY = Path(__file__).resolve().parents[3]
CDK_PYTHON = REPOSITORY / ".venv-aws" / "bin" / "python"
FUNCTIONS = REPOSITORY / "infra" / "aws" / "functions"


EACH_SIZE = pytest.mark.parametrize("size", SIZES)


@pytest.fixture(scope="module")
def place() -> Place:
    return place_of({})


@pytest.fixture(scope="session")
def all_built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not CDK_PYTHON.exists():
        pytest.skip("the CDK is not installed: make setup-aws")
    folder = tmp_path_factory.mktemp("aws")
    sizes = [part for size in SIZES for part in ("--size", size)]
    command = [str(CDK_PYTHON), "-m", "infra.aws", "synth", *sizes, "--out", str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture(scope="session")
def built(all_built: Path) -> Path:
    return all_built / "pilot"


@pytest.fixture(scope="session")
def of_sizes(all_built: Path) -> dict[str, Templates]:
    return {size: Templates.read(all_built / size) for size in SIZES}


@pytest.fixture(scope="session")
def templates(of_sizes: dict[str, Templates]) -> Templates:
    return of_sizes["pilot"]


@EACH_SIZE
def test_what_the_templates_hold_is_what_is_kept_of_it(of_sizes: dict[str, Templates], size: str) -> None:
    """What tells of security; ``make infra-check`` compares all of it."""
    kept = snapshot.telling(snapshot.of_size(snapshot.read(), size))
    now = snapshot.telling(snapshot.pictured(of_sizes[size]))
    assert snapshot.findings(now, kept) == [], "meant? run `make infra-snapshot` and read its diff"


@pytest.mark.parametrize(("size", "more"), [("pilot", ()), ("fleet", ()), ("enterprise", ("audit", "replica"))])
def test_there_is_a_stack_for_each_subject(of_sizes: dict[str, Templates], size: str, more: tuple[str, ...]) -> None:
    subjects = ("api", "data", "ingest", "insight", "iot", "ml", "network", "observe", "security", "storage", "vision",
                "workflow")  # fmt: skip
    assert set(of_sizes[size].stacks) == {f"kestrel-{subject}" for subject in (*subjects, *more)}


@EACH_SIZE
@pytest.mark.parametrize("rule", invariants.RULES)
def test_a_rule_of_the_house_holds(of_sizes: dict[str, Templates], size: str, rule: str) -> None:
    assert list(invariants.RULES[rule](of_sizes[size], place_of({"size": size}))) == []


@EACH_SIZE
def test_no_right_is_wider_than_it_must_be(of_sizes: dict[str, Templates], size: str) -> None:
    assert iam.findings(of_sizes[size]) == []


@pytest.mark.parametrize("mutation", mutations.MUTATIONS, ids=lambda mutation: mutation.name.replace(" ", "-"))
def test_a_regression_is_found(of_sizes: dict[str, Templates], mutation: mutations.Mutation) -> None:
    place = place_of({"size": mutation.size})
    assert mutations.judge(of_sizes[mutation.size], place, mutation).findings != ()


def test_a_mutation_that_nothing_takes_is_an_error(templates: Templates, place: Place) -> None:
    gone = mutations.MUTATIONS[0]._replace(holding="no such bucket")
    with pytest.raises(NotFound):
        mutations.judge(templates, place, gone)


def test_every_declared_resource_is_deployed_by_its_name(templates: Templates) -> None:
    found = {
        value
        for resource in templates.all()
        for key, value in resource.properties.items()
        if key in {"QueueName", "TableName", "TopicName", "StateMachineName"}
    }
    wanted = {*resources.QUEUES, resources.ROUTES_TABLE, resources.ENGINEERS_TOPIC, *resources.STATE_MACHINES}
    assert wanted <= found


def test_every_service_has_its_collector_of_traces_and_is_told_where_it_is(templates: Templates) -> None:
    shapes = {one.where: one.properties["ContainerDefinitions"] for one in templates.all("AWS::ECS::TaskDefinition")}
    for service in templates.all("AWS::ECS::Service"):
        containers = shapes[templates.resolved(service.properties["TaskDefinition"], service.stack)]
        said = {one["Name"]: one for one in containers}
        assert not said["traces"]["Essential"], service.where
        config = json.loads(next(v["Value"] for v in said["traces"]["Environment"]))
        [told] = [v["Value"] for v in said["main"]["Environment"] if v["Name"].endswith("_TRACES_URL")]
        assert told == f"http://{config['receivers']['otlp']['protocols']['http']['endpoint']}/v1/traces"


def test_a_release_of_the_api_is_turned_back_by_its_alarm(templates: Templates) -> None:
    service = templates.one("AWS::ECS::Service", ServiceName="kestrel-api")
    assert service is not None
    how = service.properties["DeploymentConfiguration"]
    assert how["Strategy"] == "BLUE_GREEN"
    assert how["Alarms"] == {"AlarmNames": ["kestrel-release-errors"], "Enable": True, "Rollback": True}
    assert templates.one("AWS::CloudWatch::Alarm", AlarmName="kestrel-release-errors") is not None
    [target] = service.properties["LoadBalancers"]
    assert target["AdvancedConfiguration"]["ProductionListenerRule"]


def test_findings_of_the_detectors_go_to_people_and_to_the_platform(templates: Templates) -> None:
    heard = [one for one in templates.all("AWS::Events::Rule") if "securityhub" in json.dumps(one.properties)]
    heard += [one for one in templates.all("AWS::Events::Rule") if "guardduty" in json.dumps(one.properties)]
    assert sorted(one.stack for one in heard) == ["kestrel-security"] * 2 + ["kestrel-storage"] * 2


def test_device_defender_audits_by_names_that_aws_knows(templates: Templates) -> None:
    [audit] = templates.all("AWS::IoT::AccountAuditConfiguration")
    from cfnlint.schema import PROVIDER_SCHEMA_MANAGER  # noqa: PLC0415 - two seconds of imports that only this test takes

    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("eu-central-1", audit.type).schema
    known = set(schema["definitions"]["AuditCheckConfigurations"]["properties"])
    asked = audit.properties["AuditCheckConfigurations"]
    assert set(asked) <= known
    assert all(one["Enabled"] for one in asked.values())
    [daily] = templates.all("AWS::IoT::ScheduledAudit")
    same = {name.replace("_", "").lower() for name in daily.properties["TargetCheckNames"]}
    assert same == {name.lower() for name in asked}, "every check that is on is made daily"


def test_device_defender_is_told_what_is_right_in_words_that_it_knows(templates: Templates) -> None:
    """Metrics: AWS IoT Device Defender's guide, "Cloud-side metrics"; operators: botocore's model."""
    metrics = {"aws:message-byte-size", "aws:num-messages-sent", "aws:num-messages-received", "aws:source-ip-address",
               "aws:num-authorization-failures", "aws:num-connection-attempts", "aws:num-disconnects",
               "aws:disconnect-duration"}  # fmt: skip
    model = boto3.client("iot", region_name="eu-central-1").meta.service_model
    [profile] = templates.all("AWS::IoT::SecurityProfile")
    for behaviour in profile.properties["Behaviors"]:
        criteria = behaviour["Criteria"]
        assert behaviour["Metric"] in metrics
        assert criteria["ComparisonOperator"] in model.shape_for("ComparisonOperator").enum
        sized = behaviour["Metric"] == "aws:message-byte-size"
        assert criteria.get("DurationSeconds") in ({None} if sized else {300, 600, 900, 1800, 3600})


def test_the_index_of_the_fleet_is_on_before_numbers_are_taken_from_it(templates: Templates) -> None:
    [index] = templates.all("Custom::KestrelFleetIndex")
    metrics = list(templates.all("AWS::IoT::FleetMetric"))
    assert {one.properties["MetricName"] for one in metrics} == {"kestrel-connected", "kestrel-quarantined"}
    assert all(index.id in one.whole["DependsOn"] for one in metrics)


def test_jobs_sign_the_packages_of_releases_and_nothing_else(templates: Templates, place: Place) -> None:
    role = templates.one("AWS::IAM::Role", RoleName="kestrel-job-packages")
    assert role is not None
    [policy] = [one for one in templates.all("AWS::IAM::Policy") if {"Ref": role.id} in one.properties["Roles"]]
    read = {one["Action"]: one["Resource"] for one in policy.properties["PolicyDocument"]["Statement"]}
    assert set(read) == {"s3:GetObject", "kms:Decrypt"}
    assert read["s3:GetObject"] == place.objects("releases/")


def test_analysts_have_their_pages_as_code_where_the_size_pays_for_them(of_sizes: dict[str, Templates]) -> None:
    kinds = ("DataSource", "DataSet", "Analysis", "Dashboard")
    found = {
        size: [kind for kind in kinds if list(templates.all(f"AWS::QuickSight::{kind}"))]
        for size, templates in of_sizes.items()
    }
    assert found == {"pilot": [], "fleet": list(kinds), "enterprise": list(kinds)}
    shown = [next(of_sizes["fleet"].all(f"AWS::QuickSight::{kind}")) for kind in ("Analysis", "Dashboard")]
    assert shown[0].properties["Definition"] == shown[1].properties["Definition"]


def test_a_functions_bundle_is_written_beside_the_templates(built: Path) -> None:
    for name in ("admission", "canary", "indexing"):
        code = FUNCTIONS / name / "index.py"
        bundles = [file.parent for file in built.glob("asset.*/index.py") if file.read_text() == code.read_text()]
        assert len(bundles) == 1
        assert [file.name for file in bundles[0].iterdir()] == ["index.py"]


@pytest.mark.parametrize("name", resources.STATE_MACHINES)
def test_the_deployed_definition_is_sound(templates: Templates, name: str) -> None:
    machine = templates.one("AWS::StepFunctions::StateMachine", StateMachineName=name)
    assert machine is not None
    assert problems(machine.properties["DefinitionString"]) == []


def test_a_finding_needs_a_row_and_a_row_a_finding() -> None:
    row = nag.Acceptance(rule="R1", where="kestrel-a/.*", finding=r"\[x\]", reason="because this is how it must be")
    meant, other = nag.Finding("R1", "kestrel-a/B", "[x]"), nag.Finding("R1", "kestrel-a/B", "[y]")
    assert nag.unaccepted([meant, other], [row]) == ["R1[y]: kestrel-a/B"]
    assert nag.stale([other], [row]) == ["R1 at kestrel-a/.*"]
    assert nag.stale([meant], [row]) == []


def test_an_accepted_finding_has_a_reason() -> None:
    assert all(len(row.reason) >= 25 for row in nag.acceptances())
    with pytest.raises(ValidationError):
        nag.Acceptance(rule="R1", where="x", reason="it is fine")


@pytest.mark.parametrize("file", [nag.ACCEPTED, guard.ACCEPTED, scan.ACCEPTED], ids=lambda file: file.stem)
def test_no_row_accepts_what_nobody_has_looked_at_yet(of_sizes: dict[str, Templates], file: Path) -> None:
    places = [f"{stack}/{new}" for stack in of_sizes["enterprise"].stacks for new in ("New/Resource", "New0123ABCD")]
    assert [row.where for row in nag.acceptances(file) if any(re.fullmatch(row.where, place) for place in places)] == []


def test_a_role_that_loses_its_star_leaves_no_row_behind(templates: Templates) -> None:
    poorer = Templates({name: stack for name, stack in templates.stacks.items() if name != "kestrel-ml"})
    assert [said for said in iam.findings(poorer) if said.startswith("kestrel-ml/TrainRole: rights.STARS gives")]


def test_every_program_of_the_cloud_knows_the_name_that_people_call(templates: Templates, place: Place) -> None:
    """Links to the crew's page and what an assistant is told of the tools begin with it."""
    shapes = [one.properties["ContainerDefinitions"] for one in templates.all("AWS::ECS::TaskDefinition")]
    told = [
        {variable["Name"]: variable["Value"] for variable in container["Environment"]}
        for containers in shapes
        for container in containers
        if any(variable["Name"] == "CLOUD_BUCKET" for variable in container.get("Environment", []))
    ]
    assert len(told) > 4
    assert {one["CLOUD_PUBLIC_URL"] for one in told} == {f"https://{place.domain}"}


def test_a_report_of_cfn_guard_is_read_to_the_resource() -> None:
    path = {"path": "/Resources/Media1/Properties/BucketEncryption"}
    broken = {"Rule": {"name": "s3_check", "messages": {"custom_message": "[CT.S3.PR.2]: Require"}, "checks": [path]}}
    report = {"name": "/build/kestrel-storage.template.json", "not_compliant": [broken]}
    assert guard.read([report]) == [nag.Finding("CT.S3.PR.2", "kestrel-storage/Media1", "")]


def test_a_row_for_cfn_guard_names_a_rule_and_says_why() -> None:
    rows = nag.acceptances(guard.ACCEPTED)
    assert all(row.rule.startswith("CT.") and len(row.reason) >= 25 for row in rows)
