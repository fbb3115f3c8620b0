"""The composition root: the only place in the cloud where backends meet the code that uses them."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from cloud.alerts.rounds import Channel
from cloud.backends.broker_door import BrokerDoor
from cloud.backends.broker_rules import BrokerRules
from cloud.backends.certificates import AwsIotCertificates
from cloud.backends.database_token import DatabaseToken
from cloud.backends.hooks import HookChannel, HttpPost
from cloud.backends.jira import JiraTracker
from cloud.backends.keys import KmsSigner
from cloud.backends.language_model import BedrockConverse
from cloud.backends.link import Credentials, MqttLink
from cloud.backends.mail import SmtpMail
from cloud.backends.maximo import MaximoOslc
from cloud.backends.notify import SnsTopic, TopicChannel
from cloud.backends.objects import S3Objects
from cloud.backends.queues import SqsQueues
from cloud.backends.routes import DynamoRoutes
from cloud.backends.sap import SapOData
from cloud.backends.workflows import StepFunctions
from cloud.db import Database
from cloud.maintenance import MaintenanceSystem
from cloud.model_turns import Models
from cloud.quarantine import Gate
from cloud.rates import Rates
from cloud.readiness import BROKER, OBJECT_STORE
from cloud.services import Services
from cloud.settings import Settings
from cloud.signing import Signer
from cloud.tokens import Issuer, Verifier, external_keys
from contracts.errors import InvalidInput
from contracts.topics import PLATFORM_IDENTITY
from evidence.signatures import BundleSigner, LocalSigner


def open_database(settings: Settings) -> Database:
    """Return the configured database."""
    url = settings.database_url.get_secret_value()
    return Database(url, password=DatabaseToken(url) if settings.database_iam else None)


def build_services(settings: Settings) -> Services:
    """Connect backends to the services."""
    key_file = settings.issuer_key_file
    issuer = Issuer.from_file(key_file, settings.issuer, settings.audience) if key_file else None
    keys = external_keys(settings.jwks_url) if settings.jwks_url else issuer
    signing = settings.command_signing_key_file
    large = language_model(settings, settings.bedrock_model_id)
    objects = S3Objects(settings.bucket)
    return Services(
        settings=settings,
        database=open_database(settings),
        objects=objects,
        routes=DynamoRoutes(),
        queues=SqsQueues(),
        workflows=StepFunctions(),
        maintenance=_maintenance(settings),
        channels=_channels(settings),
        language_model=large,
        asks=Rates(settings.assistant_asks_per_minute),
        models=Models(small=language_model(settings, settings.bedrock_small_model_id), large=large),
        signer=Signer.from_file(signing, settings.command_key_id) if signing else None,
        issuer=issuer,
        verifier=Verifier(keys, settings.issuer, settings.audience),
        session_key=settings.session_key_file.read_bytes() if settings.session_key_file else secrets.token_bytes(32),
        rates=Rates(settings.rate_limit_per_minute),
        evidence_signer=_evidence_signer(settings),
        certificates=AwsIotCertificates() if settings.aws_iot else None,
        gate=_gate(settings),
        reach={OBJECT_STORE: objects.reach} | _door(settings),
    )


def _door(settings: Settings) -> dict[str, Callable[[], None]]:
    return {BROKER: BrokerDoor(settings.mqtt_url, _credentials(settings)).reach} if settings.mqtt_url else {}


def _gate(settings: Settings) -> Gate | None:
    if settings.aws_iot:
        return AwsIotCertificates()
    rules, pid = settings.broker_rules_file, settings.broker_pid_file
    return BrokerRules(rules, pid) if rules and pid else None


def _maintenance(settings: Settings) -> MaintenanceSystem:
    if settings.maintenance_system == "jira":
        return JiraTracker(
            settings.jira_url,
            settings.jira_token.get_secret_value(),
            project=settings.jira_project,
            issue_type=settings.jira_issue_type,
            order_type=settings.jira_order_type,
        )
    if settings.maintenance_system == "maximo":
        return MaximoOslc(
            settings.maximo_url,
            settings.maximo_api_key.get_secret_value(),
            site=settings.maximo_site,
            reported_by=settings.maximo_reported_by,
        )
    password = settings.sap_password.get_secret_value()
    return SapOData(settings.sap_url, settings.sap_user, password, page=settings.sap_page)


def _channels(settings: Settings) -> dict[str, Channel]:
    post = HttpPost(private=settings.webhook_private_targets)
    found: dict[str, Channel] = {"topic": TopicChannel(SnsTopic()), "webhook": HookChannel(post)}
    if settings.smtp_host:
        found["email"] = SmtpMail(
            settings.smtp_host,
            settings.smtp_port,
            settings.smtp_sender,
            user=settings.smtp_user,
            password=settings.smtp_password.get_secret_value(),
            security=settings.smtp_security,
        )
    return found


def _evidence_signer(settings: Settings) -> BundleSigner | None:
    if settings.evidence_kms_key_id:
        return KmsSigner(settings.evidence_kms_key_id)
    key_file = settings.evidence_signing_key_file
    return LocalSigner.from_file(key_file) if key_file else None


def language_model(settings: Settings, model_id: str) -> BedrockConverse | None:
    """Return a Bedrock model; None without an id."""
    if not model_id:
        return None
    identifier, _, version = settings.bedrock_guardrail.rpartition(":")
    guardrail = (identifier, version) if identifier else None
    return BedrockConverse(model_id, fast=settings.bedrock_fast, guardrail=guardrail)


def build_link(settings: Settings) -> MqttLink:
    """Return the connection to the broker, not yet started.

    Raises:
        InvalidInput: The broker's address or the platform's certificate is not configured.

    """
    if not settings.mqtt_url:
        raise InvalidInput("CLOUD_MQTT_URL is not set.", hint="Give mqtts://host:port.", field="mqtt_url")
    member = f"-{secrets.token_hex(4)}" if settings.shared_group else ""
    return MqttLink(
        settings.mqtt_url,
        f"{PLATFORM_IDENTITY}-ingest{member}",
        _credentials(settings),
        shared_group=settings.shared_group,
        aws_iot=settings.aws_iot,
    )


def _credentials(settings: Settings) -> Credentials | None:
    if settings.ca_file and settings.cert_file and settings.key_file:
        return Credentials(settings.ca_file, settings.cert_file, settings.key_file)
    return None
