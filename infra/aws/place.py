"""Where and what is deployed: account, region, size, and the names that follow from them.

Names are the ones of ``contracts.resources``, because the programs look resources up by name. Only the bucket gets the
account's number: bucket names are unique in the world. Addresses (ARNs) are written out, so that a policy can be read.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from contracts import resources
from contracts.errors import InvalidInput
from infra.aws.sizes import SIZES, Size

LAKE = "kestrel-lake"
"""S3: the raw telemetry and events, as they came from the drones, for Athena."""
RULE_ERRORS_QUEUE = "kestrel-rule-errors"
"""SQS: messages for which an action of an IoT rule failed."""
TOKENS_ONLY = "/mcp"
"""The one path of the platform that takes neither a key nor a session: the gateway can check its tokens."""
PROVISIONING_TEMPLATE = "kestrel-fleet"
ROLE_ALIAS = "kestrel-drone"
PLATFORM_GROUP = "ingest"
"""Name of the shared subscription of the ingest tasks."""


class Place(NamedTuple):
    """One deployment."""

    size: Size
    account: str
    region: str
    replica_region: str
    domain: str
    """Host name of the API; ``certificate`` is issued for it."""
    certificate: str
    alarm_email: str
    bedrock_model: str
    """Empty: summaries come from templates and the assistant from its planner alone."""
    quicksight_user: str
    """ARN of the QuickSight user who owns data source and dashboard."""
    image_tag: str
    """Immutable tag of the images in ECR."""
    sap_url: str
    iot_endpoint: str
    """The account's own prefix of AWS IoT Core's address (``aws iot describe-endpoint``, type ``iot:Data-ATS``)."""

    audit_account: str
    """Where the trail lies (size enterprise); the platform's own account: beside it."""
    analyst_account: str
    """Whose people read the published views (size enterprise); the platform's own account: nobody's."""
    detect: bool
    """Device Defender Detect: AWS gives it to no new customer since 2026-08-31; the audit is there for everybody."""
    accelerate: bool
    """S3 Transfer Acceleration for sites far from the region; each GB costs more."""

    @property
    def bucket(self) -> str:
        """Return the name of the media bucket."""
        return f"{resources.BUCKET}-{self.account}"

    @property
    def audit_apart(self) -> bool:
        """Return whether the trail lies in an account of its own."""
        return self.size.accounts and self.audit_account != self.account

    @property
    def analysts_apart(self) -> bool:
        """Return whether analysts come from an account of their own."""
        return self.size.accounts and self.analyst_account != self.account

    @property
    def trail(self) -> str:
        """Return the address of the trail."""
        return self.arn("cloudtrail", "trail/kestrel")

    @property
    def trail_bucket(self) -> str:
        """Return the name of the bucket where the trail lies."""
        return f"kestrel-trail-{self.audit_account if self.audit_apart else self.account}"

    @property
    def replica_bucket(self) -> str:
        """Return the name of the media bucket's copy."""
        return f"{resources.BUCKET}-{self.account}-copy"

    @property
    def lake(self) -> str:
        """Return the name of the lake's bucket."""
        return f"{LAKE}-{self.account}"

    def arn(self, service: str, what: str) -> str:
        """Return the address of something in this account and region."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{what}"

    def objects(self, prefix: str = "") -> str:
        """Return the address of the media bucket, or of all objects below a prefix."""
        return f"arn:aws:s3:::{self.bucket}" + (f"/{prefix}*" if prefix else "")

    def queue(self, name: str) -> str:
        """Return a queue's address."""
        return self.arn("sqs", name)

    @property
    def table(self) -> str:
        """Return the address of the table of routes."""
        return self.arn("dynamodb", f"table/{resources.ROUTES_TABLE}")

    @property
    def topic(self) -> str:
        """Return the address of the engineers' topic."""
        return self.arn("sns", resources.ENGINEERS_TOPIC)

    @property
    def broker(self) -> str:
        """Return the host name of AWS IoT Core as this account has it."""
        return f"{self.iot_endpoint}.iot.{self.region}.amazonaws.com"

    def machine(self, name: str) -> str:
        """Return a state machine's address."""
        return self.arn("states", f"stateMachine:{name}")

    @property
    def executions(self) -> tuple[str, ...]:
        """Return the addresses of every execution of our machines."""
        return tuple(self.arn("states", f"execution:{name}:*") for name in resources.STATE_MACHINES)

    @property
    def models(self) -> tuple[str, ...]:
        """Return the addresses of the Bedrock model: the profile of several regions, and the model in each of them."""
        if not self.bedrock_model:
            return ()
        area, _, model = self.bedrock_model.partition(".")
        if area not in {"eu", "us", "apac"}:
            return (f"arn:aws:bedrock:{self.region}::foundation-model/{self.bedrock_model}",)
        profile = self.arn("bedrock", f"inference-profile/{self.bedrock_model}")
        return (profile, f"arn:aws:bedrock:*::foundation-model/{model}")


_ACCOUNT = re.compile(r"^\d{12}$")
_REGION = re.compile(r"^[a-z]{2}(-[a-z]+)+-\d$")
DEFAULTS = {
    "size": "pilot",
    "account": "111111111111",
    "region": "eu-central-1",
    "replica_region": "eu-west-1",
    "domain": "kestrel.example.com",
    "certificate": "",
    "alarm_email": "operations@example.com",
    "bedrock_model": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "quicksight_user": "",
    "image_tag": "0.1.0",
    "sap_url": "https://sap.example.com/sap/opu/odata/sap",
    "iot_endpoint": "a00000000000000-ats",
    "audit_account": "222222222222",
    "analyst_account": "333333333333",
    "detect": "true",
    "accelerate": "false",
}
"""Context of the app; ``--context size=fleet`` and the like replace them. The accounts are nobody's."""


def place_of(context: dict[str, str]) -> Place:
    """Return the deployment that a context asks for.

    Raises:
        InvalidInput: An unknown key or size, or an account, region or choice of the wrong shape.

    """
    for key in context:
        if key not in DEFAULTS:
            raise InvalidInput(f"No context {key!r}.", hint=f"Known: {', '.join(DEFAULTS)}.", field=key)
    said = {**DEFAULTS, **context}
    if said["size"] not in SIZES:
        raise InvalidInput(f"No size {said['size']!r}.", hint=f"One of {', '.join(SIZES)}.", field="size")
    for key in ("account", "audit_account", "analyst_account"):
        if not _ACCOUNT.match(said[key]):
            raise InvalidInput(f"{said[key]!r} is no account number.", hint="Twelve digits.", field=key)
    for key in ("region", "replica_region"):
        if not _REGION.match(said[key]):
            raise InvalidInput(f"{said[key]!r} is no region.", hint="Such as eu-central-1.", field=key)
    detect, accelerate = (_choice(key, said[key]) for key in ("detect", "accelerate"))
    at = f"{said['region']}:{said['account']}"
    certificate = said["certificate"] or f"arn:aws:acm:{at}:certificate/00000000-0000-0000-0000-000000000000"
    owner = said["quicksight_user"] or f"arn:aws:quicksight:{at}:user/default/kestrel"
    apart = {"size", "certificate", "quicksight_user", "detect", "accelerate"}
    rest = {key: said[key] for key in DEFAULTS if key not in apart}
    return Place(
        size=SIZES[said["size"]],
        certificate=certificate,
        quicksight_user=owner,
        detect=detect,
        accelerate=accelerate,
        **rest,
    )


def _choice(key: str, said: str) -> bool:
    if said not in {"true", "false"}:
        raise InvalidInput(f"{key} is {said!r}.", hint="true or false.", field=key)
    return said == "true"
