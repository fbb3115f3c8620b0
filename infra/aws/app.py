"""The app: every stack of one place, in the order of how seldom they change."""

from __future__ import annotations

import json
from pathlib import Path

import aws_cdk as cdk
import cdk_nag

from infra.aws.place import Place
from infra.aws.stacks.api import ApiStack
from infra.aws.stacks.audit import AuditStack
from infra.aws.stacks.data import DataStack
from infra.aws.stacks.ingest import IngestStack
from infra.aws.stacks.insight import InsightStack
from infra.aws.stacks.iot import IotStack
from infra.aws.stacks.ml import MlStack
from infra.aws.stacks.network import NetworkStack
from infra.aws.stacks.observe import ObserveStack
from infra.aws.stacks.programs import Floor
from infra.aws.stacks.replica import ReplicaStack
from infra.aws.stacks.security import SecurityStack
from infra.aws.stacks.storage import StorageStack
from infra.aws.stacks.vision import VisionStack
from infra.aws.stacks.workflow import WorkflowStack

_UNTAGGED = ["AWS::RDS::DBProxyTargetGroup"]
"""Resources that take no tags, whatever the CDK thinks."""


def flags() -> dict[str, object]:
    """Return the CDK's feature flags, so that a run from Python and one from the CLI give the same templates."""
    return dict(json.loads((Path(__file__).parent / "cdk.json").read_text())["context"])


def build_app(place: Place, folder: Path, *, nag: bool = False) -> cdk.App:
    """Return the app of one place; ``synth()`` writes its templates into ``folder``."""
    app = cdk.App(outdir=str(folder), context=flags(), analytics_reporting=False)
    if nag:
        cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app), cdk_nag.NIST80053R5Checks(app))
    if place.audit_apart:
        AuditStack(app, place)
    if place.size.replica:
        ReplicaStack(app, place)
    security = SecurityStack(app, place)
    network = NetworkStack(app, place, security.logs_key)
    storage = StorageStack(app, place, security)
    data = DataStack(app, place, network, security)
    floor = Floor(network, security, storage, data)
    IotStack(app, place, security)
    ingest = IngestStack(app, place, floor)
    api = ApiStack(app, place, floor)
    VisionStack(app, place, floor)
    workflow = WorkflowStack(app, place, floor)
    MlStack(app, place, floor)
    InsightStack(app, place, floor)
    ObserveStack(app, place, floor, api, ingest, workflow)
    cdk.Tags.of(app).add("kestrel:size", place.size.name, exclude_resource_types=_UNTAGGED)
    return app
