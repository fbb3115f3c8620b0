"""What a page says when it cannot be shown: not found, not allowed, not now, an address that asks for nonsense."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from cloud import problems
from cloud.web.language import _, message
from cloud.web.rendering import page, problem
from contracts.errors import InvalidInput, NotAuthenticated, NotFound, PlatformError

_TITLES = {
    403: message("Not for you"),
    404: message("Not found"),
    422: message("Not understood"),
    429: message("Too much at once"),
}


def install(app: FastAPI) -> None:
    """Answer who reads pages with a page; programs keep their problems. After ``problems.install``."""
    app.add_exception_handler(PlatformError, _of_platform_error)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, _of_validation)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _of_http)  # type: ignore[arg-type]


def _of_platform_error(request: Request, error: PlatformError) -> Response:
    if isinstance(error, NotAuthenticated):
        return problems.of_platform_error(request, error)
    if _is_piece(request):
        return problem(error)
    return _page(error) if problems.is_page(request) else problems.of_platform_error(request, error)


def _of_validation(request: Request, error: RequestValidationError) -> Response:
    if not _is_piece(request) and not problems.is_page(request):
        return problems.of_validation(request, error)
    first = error.errors()[0]
    name = str(first["loc"][-1])
    said = f"{name.replace('_', ' ')}: {first['msg']}."
    if _is_piece(request):
        return problem(InvalidInput(said, field=name))
    return _page(InvalidInput(said, hint="Take it out of the address.", field=name))


def _of_http(request: Request, error: HTTPException) -> Response:
    if error.status_code != 404 or not problems.is_page(request):
        return problems.of_http(request, error)
    return _page(NotFound(f"There is nothing at {request.url.path}."))


def _is_piece(request: Request) -> bool:
    """Return whether htmx asks, which shows what is wrong beside the form."""
    return request.headers.get("hx-request") == "true"


def _page(error: PlatformError) -> Response:
    title = _TITLES.get(error.http_status, message("Not now"))
    return page("error.html", {"error": error, "title": _(title)}, error.http_status)
