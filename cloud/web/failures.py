"""What a page says when it cannot be shown: not found, not allowed, not now, nonsense asked for, or a fault of ours."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from cloud import problems
from cloud.language import _, message
from cloud.web.rendering import page, problem
from contracts.errors import InvalidInput, NotAuthenticated, NotFound, PlatformError

_TITLES = {
    403: message("Not for you"),
    404: message("Not found"),
    422: message("Not understood"),
    429: message("Too much at once"),
    500: message("A fault on our side"),
}


def install(app: FastAPI) -> None:
    """Answer who reads pages with a page; programs keep their problems. After ``problems.install``."""
    app.add_exception_handler(PlatformError, of_platform_error)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, _of_validation)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _of_http)  # type: ignore[arg-type]


def of_platform_error(request: Request, error: PlatformError) -> Response:
    """Answer a person with a page or a piece of one, a program with a problem."""
    for_people = _is_piece(request) or problems.is_page(request)
    if isinstance(error, NotAuthenticated) or not for_people:
        return problems.of_platform_error(request, error)
    return _said(request, error)


def of_unexpected(request: Request, error: Exception) -> Response:
    """Answer 500 without details; a person is told what failed, and under which id the log has it."""
    answer = problems.of_unexpected(request, error)
    if not _is_piece(request) and not problems.is_page(request):
        return answer
    if request.method == "GET":
        what = f"{request.url.path} cannot be shown: something went wrong on our side."
        hint = "Try again. If it stays so, tell support the number below."
    else:
        what = "Something went wrong on our side. It is not known whether this was done."
        hint = "Look before you try again. If it stays so, tell support the number below."
    return _said(request, PlatformError(what, hint=hint))


def _of_validation(request: Request, error: RequestValidationError) -> Response:
    if not _is_piece(request) and not problems.is_page(request):
        return problems.of_validation(request, error)
    first = error.errors()[0]
    name = str(first["loc"][-1])
    said = f"{name.replace('_', ' ')}: {first['msg']}."
    hint = "" if _is_piece(request) else "Take it out of the address."
    return _said(request, InvalidInput(said, hint=hint, field=name))


def _of_http(request: Request, error: HTTPException) -> Response:
    if error.status_code not in {404, 405} or not problems.is_page(request):
        return problems.of_http(request, error)
    # What takes no GET shows nothing either: its address was opened where a form sends to.
    return _said(request, NotFound(f"There is nothing at {request.url.path}."))


def _is_piece(request: Request) -> bool:
    """Return whether htmx asks, which shows what is wrong beside the form."""
    return request.headers.get("hx-request") == "true"


def _said(request: Request, error: PlatformError) -> Response:
    """Return a page, or the piece of one that was asked for; the request's id with what is no fault of the asker."""
    quoted = request.state.request_id if error.http_status >= 500 else ""
    if _is_piece(request):
        return problem(error, quoted)
    title = _TITLES.get(error.http_status, message("Not now"))
    return page("error.html", {"error": error, "title": _(title), "quoted": quoted}, error.http_status)
