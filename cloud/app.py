"""The composition root: the only place in the cloud where backends meet the code that uses them."""

from __future__ import annotations

import secrets
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from cloud import problems
from cloud.api import (
    assets,
    assistant,
    auth,
    captures,
    commands,
    dead_letters,
    defects,
    document,
    drones,
    due,
    findings,
    flights,
    go_no_go,
    health,
    inspection_reports,
    interchange,
    keys,
    live_drones,
    media,
    outlook,
    places,
    policies,
    reviews,
    routes,
    schedules,
    sensorthings,
    streams,
    telemetry,
    tickets,
    uploads,
    webhooks,
)
from cloud.backends.keys import KmsSigner
from cloud.backends.language_model import BedrockConverse
from cloud.backends.link import Credentials, MqttLink
from cloud.backends.notify import SnsTopic
from cloud.backends.objects import S3Objects
from cloud.backends.queues import SqsQueues
from cloud.backends.routes import DynamoRoutes
from cloud.backends.sap import SapOData
from cloud.backends.workflows import StepFunctions
from cloud.conditions import Conditional
from cloud.db import Database
from cloud.middleware import BodyLimit, Envelope
from cloud.model_turns import Models
from cloud.rates import Rates
from cloud.services import Services
from cloud.settings import Settings
from cloud.signing import Signer
from cloud.tokens import Issuer, Verifier, external_keys
from cloud.web import desk, fragments, live, pages
from contracts.errors import InvalidInput
from contracts.topics import PLATFORM_IDENTITY
from evidence.signatures import BundleSigner, LocalSigner

ROUTERS = (
    auth.router,
    health.router,
    assets.router,
    places.router,
    go_no_go.router,
    drones.router,
    routes.router,
    interchange.router,
    flights.router,
    inspection_reports.router,
    commands.router,
    schedules.router,
    due.router,
    telemetry.router,
    streams.router,
    live_drones.router,
    sensorthings.router,
    media.router,
    uploads.router,
    captures.router,
    findings.router,
    reviews.router,
    defects.router,
    policies.router,
    outlook.router,
    tickets.router,
    assistant.router,
    dead_letters.router,
    keys.router,
    webhooks.router,
    pages.router,
    desk.router,
    fragments.router,
    live.router,
)
"""The order is the order of the OpenAPI document."""


def build_services(settings: Settings) -> Services:
    """Connect backends to the services."""
    key_file = settings.issuer_key_file
    issuer = Issuer.from_file(key_file, settings.issuer, settings.audience) if key_file else None
    keys = external_keys(settings.jwks_url) if settings.jwks_url else issuer
    signing = settings.command_signing_key_file
    large = language_model(settings, settings.bedrock_model_id)
    return Services(
        settings=settings,
        database=Database(settings.database_url.get_secret_value()),
        objects=S3Objects(settings.bucket),
        routes=DynamoRoutes(),
        queues=SqsQueues(),
        workflows=StepFunctions(),
        sap=SapOData(
            settings.sap_url, settings.sap_user, settings.sap_password.get_secret_value(), page=settings.sap_page
        ),
        notifier=SnsTopic(),
        language_model=large,
        asks=Rates(settings.assistant_asks_per_minute),
        models=Models(small=language_model(settings, settings.bedrock_small_model_id), large=large),
        signer=Signer.from_file(signing, settings.command_key_id) if signing else None,
        issuer=issuer,
        verifier=Verifier(keys, settings.issuer, settings.audience),
        session_key=settings.session_key_file.read_bytes() if settings.session_key_file else secrets.token_bytes(32),
        rates=Rates(settings.rate_limit_per_minute),
        evidence_signer=_evidence_signer(settings),
    )


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
    credentials = None
    if settings.ca_file and settings.cert_file and settings.key_file:
        credentials = Credentials(settings.ca_file, settings.cert_file, settings.key_file)
    member = f"-{secrets.token_hex(4)}" if settings.shared_group else ""
    return MqttLink(
        settings.mqtt_url,
        f"{PLATFORM_IDENTITY}-ingest{member}",
        credentials,
        shared_group=settings.shared_group,
        aws_iot=settings.aws_iot,
    )


def create_app(settings: Settings, services: Services | None = None) -> FastAPI:
    """Return the HTTP application. Tests pass their own services."""
    app = _routed()
    app.state.services = services or build_services(settings)
    from cloud.mcp import http as mcp_http  # noqa: PLC0415 - slow to load, and only the API serves it

    mcp_http.install(app, app.state.services, settings.issuer.removesuffix("/oidc"))
    problems.install(app)
    app.add_middleware(Conditional)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(Envelope)
    return app


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document; needs neither settings nor services."""
    return _routed().openapi()


def _routed() -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json", generate_unique_id_function=_name_of)
    for router in ROUTERS:
        app.include_router(router)
    document.install(app)
    return app


def _name_of(route: APIRoute) -> str:
    """Return an operation's id: the endpoint's name, which a client's method is called by too."""
    return route.name
