"""A deployment: the images are there, the ground, the migration, the programs, and a look from outside.

The stacks are deployed by the CDK's CLI from the templates that ``synth`` wrote and the gates have judged.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from contracts.errors import Conflict, NotFound
from infra.aws.operations import migration
from infra.aws.operations.account import Account, Say

CLI = "aws-cdk@2.1148.1"
"""npm's ``latest`` is an accident that does not read these templates."""
GROUND = ("kestrel-security", "kestrel-network", "kestrel-storage", "kestrel-data", "kestrel-iot")
PROGRAMS = ("kestrel-ingest", "kestrel-vision", "kestrel-workflow", "kestrel-ml", "kestrel-insight", "kestrel-api",
            "kestrel-observe")  # fmt: skip
REPLICA = "kestrel-replica"
IMAGES = ("kestrel/cloud", "kestrel/vision", "kestrel/trainer")
Cdk = Callable[[Sequence[str]], None]


def cdk(folder: Path) -> Cdk:
    """Return what runs the CDK's CLI on a folder of templates."""

    def run(arguments: Sequence[str]) -> None:
        command = ["npx", "--yes", CLI, *arguments, "--app", str(folder)]
        if (code := subprocess.run(command, check=False).returncode) != 0:
            raise Conflict(f"cdk {arguments[0]} ended with {code}.", hint="Its output says why; nothing else was done.")

    return run


def deploy(account: Account, run: Cdk, say: Say) -> None:
    """Deploy a place.

    Raises:
        NotFound: An image of this version is missing; no program was touched.
        Conflict: A step failed; those after it were not taken.

    """
    _images(account)
    first = [REPLICA] if account.place.size.replica else []
    _stacks(run, [*first, *GROUND])
    _images(account)
    before = migration.migrate(account, say)
    _stacks(run, PROGRAMS)
    if before is None:
        revision = account.ecs.describe_task_definition(taskDefinition=migration.FAMILY)
        migration.run(account, str(revision["taskDefinition"]["taskDefinitionArn"]), [], what="migration")
        say("first deployment: fill the secrets kestrel/…, enter drones and people, then `canary` (docs/aws.md)")
        return
    say(look(account))


def _images(account: Account) -> None:
    for name in IMAGES:
        try:
            account.ecr.describe_images(repositoryName=name, imageIds=[{"imageTag": account.place.image_tag}])
        except account.ecr.exceptions.RepositoryNotFoundException:
            return  # the storage stack makes them: at the first deployment, images are pushed after the ground
        except account.ecr.exceptions.ImageNotFoundException as error:
            hint = "Build and push it (infra/aws/images), then deploy again."
            raise NotFound(f"No image {name}:{account.place.image_tag} in ECR.", hint=hint) from error


def _stacks(run: Cdk, names: Sequence[str]) -> None:
    run(["deploy", *names, "--exclusively", "--require-approval", "broadening", "--progress", "events"])


def look(account: Account) -> str:
    """Let the probe look from outside; return what it says of a sound platform.

    Raises:
        Conflict: It does not see what it should.

    """
    answer = account.functions.invoke(FunctionName="kestrel-canary", Payload=b"{}")
    said = json.loads(answer["Payload"].read())
    failed = said.get("failed") if "FunctionError" not in answer else said
    if failed:
        hint = "Go back: deploy the version before (image_tag); docs/runbooks.md#canary."
        raise Conflict(f"The probe from outside fails: {json.dumps(failed)}.", hint=hint)
    return f"the probe from outside sees a sound platform ({said['ms']} ms)"


def releases(account: Account) -> list[tuple[str, str, str]]:
    """Return the API's last releases: when, in what state, and why."""
    found = account.ecs.list_service_deployments(cluster=migration.CLUSTER, service="kestrel-api", maxResults=10)
    rows = found["serviceDeployments"]
    return [(str(row["createdAt"]), str(row["status"]), str(row.get("statusReason", ""))) for row in rows]
