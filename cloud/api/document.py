"""The OpenAPI 3.1 document: what routers say of themselves, plus the manners that every operation shares.

A router describes what it returns when all goes well. Which problems an operation may answer follows from its shape
(a path parameter may name nothing, a body may be too large), so it is derived here, once, and no router can forget it.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from cloud.problems import MEDIA_TYPE, Problem, type_of

JSON = dict[str, Any]
VERSION = "1.0.0"
DESCRIPTION = """Plan, fly, see, grade, ticket, prove.

Every error is `application/problem+json` (RFC 9457) with a stable `code` and a `hint`. Lists are cursor pages. A `GET`
has an `ETag`; send it back as `If-None-Match` and get 304, or as `If-Match` with a change and get 412 when somebody
was faster. `Idempotency-Key` makes a `POST` safe to repeat for 48 hours. `docs/api.md` tells it at length."""

EXAMPLES: dict[int, tuple[str, str, str, str]] = {
    401: ("No valid proof of who asks", "not_authenticated", "The access token has expired.", "Ask for a new one."),
    403: ("The role or the key's scopes do not allow it", "forbidden", "ana may not do this.", "It takes operator."),
    404: ("No such thing", "not_found", "No flight 'flt-1'.", "List flights with GET /v1/flights."),
    409: ("Its state forbids it", "conflict", "The flight flt-1 is landed.", "Only a planned flight can be approved."),
    412: (
        "It has changed since it was read",
        "precondition_failed",
        "It changed since.",
        "Read it again, then decide.",
    ),
    413: ("The body is too large", "too_large", "The body is over 262144 bytes.", "Send less per request."),
    415: ("The body's media type is not taken", "unsupported_media_type", "text/plain is not taken.", "Send JSON."),
    416: ("The range lies outside", "range_not_satisfiable", "It has 10 bytes.", "Ask for a range inside."),
    422: ("A field breaks a rule; `field` names it", "invalid_input", "limit: must be at most 200.", "Ask for less."),
    429: ("Too many requests", "too_many_requests", "600 requests a minute are over.", "Wait 12 s."),
    502: ("A system behind refused", "sap_rejected", "SAP refused the notification.", "Read its reason."),
    503: ("Something behind does not answer", "unavailable", "The database does not answer.", "Try again."),
}
"""status -> (description, code, detail, hint) of the problem that documents it."""

_ALWAYS = (422, 429, 503)
_UNSAFE = frozenset({"post", "put", "patch", "delete"})
_HEADERS: dict[str, tuple[str, JSON]] = {
    "X-Request-Id": ("names this exchange in the log; a sane one you send is kept", {"type": "string"}),
    "RateLimit-Limit": ("requests a minute", {"type": "integer"}),
    "RateLimit-Remaining": ("requests left at this moment", {"type": "integer"}),
    "RateLimit-Reset": ("seconds until all of them are left again", {"type": "integer"}),
    "Retry-After": ("seconds to wait", {"type": "integer"}),
    "ETag": ("this representation's version", {"type": "string"}),
}
_SCHEMES: JSON = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "an access token of the issuer, or an API key (`ksk_...`)",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "kestrel_session",
        "description": "a browser's session; unsafe methods also need the X-Kestrel-CSRF header",
    },
}
_OPEN = ("/healthz", "/readyz", "/oidc/")
"""Paths that ask for no proof."""


def install(app: FastAPI) -> None:
    """Make ``app.openapi()`` return the finished document."""

    def openapi() -> JSON:
        if app.openapi_schema is None:
            app.openapi_schema = finished(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def finished(app: FastAPI) -> JSON:
    """Return the document of ``app``."""
    document = get_openapi(
        title="Kestrel", version=VERSION, openapi_version="3.1.0", description=DESCRIPTION, routes=app.routes
    )
    document["servers"] = [{"url": "/"}]
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _problem_schema(components["schemas"])
    components["responses"] = {f"Problem{status}": _problem(status) for status in EXAMPLES}
    components["headers"] = {name: {"description": text, "schema": schema} for name, (text, schema) in _HEADERS.items()}
    components["securitySchemes"] = _SCHEMES
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _finish(path, method, operation)
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    return document


def _finish(path: str, method: str, operation: JSON) -> None:
    is_open = path.startswith(_OPEN)
    responses = operation["responses"]
    named = {int(status) for status in responses if int(status) in EXAMPLES and not _answers(responses[status])}
    for status in sorted(named | statuses(path, method, operation)):
        if not _answers(responses.get(str(status), {})):
            responses[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    for status, response in responses.items():
        if status.startswith(("2", "3")):
            response.setdefault("headers", {}).update(_refs("X-Request-Id"))
            if path.startswith("/v1/"):
                response["headers"].update(_refs("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"))
    if (
        method == "get"
        and path.startswith("/v1/")
        and "application/json" in responses.get("200", {}).get("content", {})
    ):
        responses["200"]["headers"].update(_refs("ETag"))
        responses["304"] = {"description": "It has not changed since `If-None-Match`", "headers": _refs("ETag")}
        _parameter(operation, "If-None-Match", "the `ETag` you have")
    operation["security"] = [] if is_open else [{"bearer": []}, {"session": []}]
    operation["responses"] = dict(sorted(responses.items()))


def statuses(path: str, method: str, operation: JSON) -> set[int]:
    """Return the problems that an operation of this shape may answer, beside those its router names."""
    found = set() if path in {"/healthz", "/readyz"} else set(_ALWAYS)
    names = {(item["in"], item["name"]) for item in operation.get("parameters", ())}
    if not path.startswith(_OPEN):
        found |= {401, 403}
    if (
        any(place == "path" or name.endswith("_id") for place, name in names)
        or "requestBody" in operation
        or path.startswith("/oidc/")
    ):
        found.add(404)
    if ("header", "If-Match") in names:
        found.add(412)
    if method in _UNSAFE:
        found |= {413}
        if not path.startswith("/oidc/"):
            found.add(409)
    if "requestBody" in operation:
        found |= {415, 401}
    return found


def _answers(response: JSON) -> bool:
    """Return whether a router documents this status as an answer of its own, not as a problem."""
    content = response.get("content", {})
    return bool(content) and MEDIA_TYPE not in content and "HTTPValidationError" not in str(content)


def _parameter(operation: JSON, name: str, text: str) -> None:
    parameters = operation.setdefault("parameters", [])
    if not any(item["name"] == name for item in parameters):
        schema = {"type": "string"}
        parameters.append({"name": name, "in": "header", "required": False, "description": text, "schema": schema})


def _refs(*names: str) -> JSON:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _problem(status: int) -> JSON:
    text, code, detail, hint = EXAMPLES[status]
    example = Problem(
        type=type_of(code),
        title=code.replace("_", " ").capitalize(),
        status=status,
        detail=detail,
        code=code,
        hint=hint,
        retryable=status in {429, 503},
        request_id="5f0c6e2f7a1b4c3d",
    )
    headers = _refs("X-Request-Id", "Retry-After") if status == 429 else _refs("X-Request-Id")
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example.model_dump()}}
    return {"description": text, "headers": headers, "content": content}


def _problem_schema(schemas: JSON) -> JSON:
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    return schema
