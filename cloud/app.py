"""The HTTP application: every router and every middleware, in order."""

from __future__ import annotations

import functools
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.routing import BaseRoute

from cloud import problems
from cloud.api import (
    alerts,
    assets,
    assistant,
    auth,
    blind_audits,
    candidates,
    captures,
    commands,
    comparisons,
    crew_reports,
    dead_letters,
    decisions,
    defects,
    detectors,
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
    repair_stock,
    repairs,
    reviews,
    routes,
    schedules,
    security_events,
    sensorthings,
    streams,
    suggestions,
    telemetry,
    tickets,
    uploads,
    webhooks,
)
from cloud.composition import build_services
from cloud.conditions import Conditional
from cloud.intrusion.census import Census
from cloud.language import Language
from cloud.mcp import http as mcp_http
from cloud.measures import Measured
from cloud.middleware import BodyLimit, Envelope
from cloud.services import Services
from cloud.settings import Settings
from cloud.web import (
    assets_room,
    assistant_room,
    blind_room,
    crew_page,
    desk,
    detectors_room,
    failures,
    fleet_room,
    flight_room,
    fragments,
    insights_room,
    link_question,
    live,
    pages,
    plan_room,
    policies_room,
    repairs_room,
    security_room,
    settings_room,
    tickets_room,
    webhooks_room,
    work_room,
)
from cloud.web.in_words import InWords

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
    blind_audits.router,
    candidates.router,
    defects.router,
    comparisons.router,
    suggestions.router,
    policies.router,
    outlook.router,
    tickets.router,
    decisions.router,
    detectors.router,
    alerts.router,
    repair_stock.router,
    repairs.router,
    crew_reports.router,
    assistant.router,
    dead_letters.router,
    security_events.router,
    keys.router,
    webhooks.router,
    pages.router,
    desk.router,
    blind_room.router,
    crew_page.router,
    assets_room.router,
    link_question.router,
    work_room.router,
    plan_room.router,
    flight_room.router,
    insights_room.router,
    assistant_room.router,
    tickets_room.router,
    repairs_room.router,
    fleet_room.router,
    settings_room.router,
    policies_room.router,
    detectors_room.router,
    security_room.router,
    webhooks_room.router,
    fragments.router,
    live.router,
)
"""The order is the order of the OpenAPI document."""
SENT_AS_IS = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "application/*")
"""What is text is compressed. JSON is not: its strong ETag names the bytes that are sent."""


def create_app(settings: Settings, services: Services | None = None) -> FastAPI:
    """Return the HTTP application. Tests pass their own services."""
    app = _routed()
    app.state.services = services or build_services(settings)
    app.state.readiness = health.readiness_of(app.state.services)
    mcp_http.install(app, app.state.services, settings.address)
    problems.install(app)
    failures.install(app)
    app.add_middleware(Conditional)
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5, exclude_content_types=SENT_AS_IS)
    app.add_middleware(Census, database=app.state.services.database)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes, answer=failures.of_platform_error)
    app.add_middleware(Language)
    app.add_middleware(Envelope, answer=failures.of_unexpected)
    app.add_middleware(InWords)
    app.add_middleware(Measured)
    return app


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document; needs neither settings nor services."""
    return _routed().openapi()


def _routed() -> FastAPI:
    app = _bare()
    app.router.routes.extend(_routes())
    document.install(app)
    return app


def _bare() -> FastAPI:
    return FastAPI(docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json", generate_unique_id_function=_name_of)


@functools.cache
def _routes() -> tuple[BaseRoute, ...]:
    """Return the routes, which know no app: to read their signatures takes 0.3 s, once for all apps."""
    owner, own = _bare(), len(_bare().routes)
    for router in ROUTERS:
        owner.include_router(router)
    return tuple(owner.router.routes[own:])


def _name_of(route: APIRoute) -> str:
    """Return an operation's id: the endpoint's name, which a client's method is called by too."""
    return route.name
