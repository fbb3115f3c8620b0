"""Every error as ``application/problem+json`` (RFC 9457) with a code, a hint and the request's id."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from cloud.logbook import log_failure
from contracts.errors import InvalidInput, NotAuthenticated, PlatformError, TooManyRequests, UnsupportedMediaType

MEDIA_TYPE = "application/problem+json"
_FIRST_ERRORS = 5
_PATTERNS = ("blades", "tower", "orbit", "facade", "corridor", "line_towers", "right_of_way", "grid")
_KINDS = ("wind_turbine", "power_line", "telecom_tower", "pipeline")
_TAGS = frozenset([*(("params", pattern) for pattern in _PATTERNS), *(("geometry", kind) for kind in _KINDS)])
_STATUS_CODES = {
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: str
    message: str


class Problem(BaseModel):
    """The body of every error response."""

    type: str = Field(examples=["https://kestrel.invalid/problems/conflict"])
    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["The flight flt-1 is planned; it must be approved before take_off."])
    code: str = Field(examples=["conflict"])
    hint: str = Field(default="", examples=["Approve the flight first."])
    field: str | None = Field(default=None, examples=["kind"])
    retryable: bool = False
    errors: list[FieldProblem] = Field(default_factory=list)
    request_id: str = Field(default="", examples=["5f0c6e2f7a1b4c3d"])


RESPONSES: dict[int | str, dict[str, Any]] = {
    422: {"description": "A field breaks a rule; `field` names it", "content": {MEDIA_TYPE: {}}}
}
"""For ``APIRouter(responses=...)``. What else an operation may answer follows from its shape, in the document."""


def may_answer(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return ``responses=...`` for problems that an operation's shape does not tell (an SAP refusal, a range)."""
    return {status: {"description": "", "content": {MEDIA_TYPE: {}}} for status in statuses}


def type_of(code: str) -> str:
    """Return the problem type of an error code."""
    return f"https://kestrel.invalid/problems/{code.replace('_', '-')}"


def _response(request: Request, status: int, code: str, detail: str, **more: Any) -> JSONResponse:
    problem = Problem(
        type=type_of(code),
        title=code.replace("_", " ").capitalize(),
        status=status,
        detail=detail,
        code=code,
        request_id=getattr(request.state, "request_id", ""),
        **more,
    )
    headers = {"WWW-Authenticate": 'Bearer realm="kestrel"'} if status == 401 else None
    return JSONResponse(problem.model_dump(), status, headers=headers, media_type=MEDIA_TYPE)


def is_page(request: Request) -> bool:
    """Return whether a person's browser asks for a whole page."""
    api = request.url.path.startswith(("/v1/", "/oidc/"))
    return request.method == "GET" and not api and "text/html" in request.headers.get("accept", "")


def of_platform_error(request: Request, error: PlatformError) -> Response:
    """Answer with the error's own status; a page without a session goes to the sign-in page."""
    if isinstance(error, NotAuthenticated) and is_page(request):
        return RedirectResponse(f"/login?next={quote(request.url.path)}", status_code=303)
    response = _response(
        request,
        error.http_status,
        error.code,
        error.message,
        hint=error.hint,
        field=error.field,
        retryable=error.retryable,
    )
    if isinstance(error, TooManyRequests):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def of_validation(request: Request, error: RequestValidationError) -> Response:
    """Answer 422, naming the first few fields at fault; 415 where the body was not even sent as JSON."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given and not given.endswith("json") and any(item["loc"] == ("body",) for item in error.errors()):
        refused = UnsupportedMediaType(f"A body of type {given[:80]} is not taken here.", hint="Send application/json.")
        return of_platform_error(request, refused)
    problems = [
        FieldProblem(field=_field_name(item["loc"]), message=str(item["msg"]))
        for item in error.errors()[:_FIRST_ERRORS]
    ]
    first = problems[0]
    detail = f"{first.field}: {first.message}."
    return _response(request, 422, "invalid_input", detail, field=first.field, errors=problems)


def _field_name(location: tuple[int | str, ...]) -> str:
    parts = [str(part) for part in location if part not in ("body", "query", "path", "header")]
    # After params and geometry stands the tag of what they are, which is no field of the request.
    named = [part for before, part in zip(["", *parts], parts, strict=False) if (before, part) not in _TAGS]
    return ".".join(named) or "body"


def of_http(request: Request, error: HTTPException) -> Response:
    """Answer for routes and methods that do not exist."""
    if error.status_code == 400:
        unread = InvalidInput("The body cannot be read.", hint="Send JSON in UTF-8.", field="body")
        return of_platform_error(request, unread)
    code = _STATUS_CODES.get(error.status_code, "http_error")
    detail = {
        404: f"There is nothing at {request.url.path}.",
        405: f"{request.url.path} does not take {request.method}.",
    }.get(error.status_code, str(error.detail))
    response = _response(request, error.status_code, code, detail)
    response.headers.update(error.headers or {})
    if error.status_code == 405 and (methods := _methods(request)):
        response.headers["Allow"] = ", ".join(methods)
    return response


def _methods(request: Request) -> list[str]:
    """Return every method a path takes; the framework names those of the first route that has it."""
    paths: dict[str, Any] = request.app.openapi()["paths"]
    fitting = [t for t in paths if re.fullmatch(re.sub(r"\\{[^}]+\\}", "[^/]+", re.escape(t)), request.url.path)]
    # The more of a template is written out, the earlier it is tried.
    nearest = min(fitting, key=lambda template: template.count("{"), default=None)
    return sorted(method.upper() for method in paths[nearest]) if nearest else []


def of_unexpected(request: Request, error: Exception) -> Response:
    """Answer 500 without details; the log has them under the same request id."""
    request_id = getattr(request.state, "request_id", "")
    log_failure("request_failed", error, request_id=request_id, path=request.url.path)
    return _response(
        request, 500, "internal_error", "Something went wrong on our side.", hint=f"Quote request {request_id}."
    )


def install(app: FastAPI) -> None:
    """Make ``app`` answer every error as a problem."""
    app.add_exception_handler(PlatformError, of_platform_error)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, of_validation)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, of_http)  # type: ignore[arg-type]
