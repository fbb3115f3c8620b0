"""Templates and static files: escaped output, one version in every static address, cached for good."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import posixpath
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from cloud import language, places, reviews
from cloud.reporting import signed
from cloud.web import advice, labels
from cloud.web.wording import Wording
from contracts.errors import PlatformError

STATIC_DIR = Path(__file__).parent / "static"
_ZIPPABLE = frozenset({".js", ".mjs", ".css", ".svg"})
_files = StaticFiles(directory=STATIC_DIR)


@cache
def version() -> str:
    """Return a hash over all static files: a new build has new addresses."""
    digest = hashlib.sha256()
    for path in sorted(p for p in STATIC_DIR.rglob("*") if p.is_file()):
        digest.update(path.relative_to(STATIC_DIR).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


@cache
def _zipped(path: str) -> bytes:
    return gzip.compress((STATIC_DIR / path).read_bytes(), 9)


def warm() -> None:
    """Compile every template and compress every static file: a second of work that else falls on who asks first."""
    version()
    for name in environment().list_templates(extensions=["html"]):
        environment().get_template(name)
    for path in STATIC_DIR.rglob("*"):
        if path.suffix in _ZIPPABLE:
            _zipped(path.relative_to(STATIC_DIR).as_posix())


async def static_response(request: Request, path: str) -> Response:
    """Return a static file; its address holds the version, so it may be kept for a year."""
    response = await _files.get_response(path, request.scope)
    path = posixpath.normpath(path)  # one entry per file in the cache, however it is spelt
    if Path(path).suffix in _ZIPPABLE and "gzip" in request.headers.get("accept-encoding", ""):
        response = Response(_zipped(path), media_type=response.media_type, headers={"Content-Encoding": "gzip"})
        response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


@cache
def environment() -> Environment:
    """Return the templates' environment."""
    made = Environment(
        loader=PackageLoader("cloud.web"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.add_extension(Wording)
    made.globals |= {"static": lambda path: f"/static/{version()}/{path}", "_": language._, "phrase": language.phrase}
    made.globals |= {"spoken": language.spoken, "page_words": language.page_words, "languages": language.LANGUAGES}
    made.globals["language_cookie"] = language.COOKIE
    made.filters |= {
        "advice": advice.advice,
        "plain": advice.plain,
        "told": advice.told,
        "iso": _iso,
        "utc": _utc,
        "kind": labels.kind,
        "side": labels.side,
        "part_place": labels.part_place,
        "short_place": labels.short_place,
        "changed": signed.in_words,
        "points_off": labels.points_off,
        "as_found": places.as_found,
        "state": reviews.state_of,
        "severity": labels.severity,
        "words": labels.words,
        "inline": labels.inline,
        "dated": labels.dated,
        "duration": _duration,
    }
    return made


def render(template: str, context: Mapping[str, Any]) -> str:
    """Return a filled template."""
    return environment().get_template(template).render(**context)


def page(template: str, context: Mapping[str, Any], status: int = 200) -> HTMLResponse:
    """Return a page or fragment that is never stored by caches."""
    return HTMLResponse(render(template, context), status, headers={"Cache-Control": "no-store"})


def data(request: Request, found: Mapping[str, Any]) -> Response:
    """Return what a page draws as JSON, compressed for who can read that, never stored by caches."""
    body = json.dumps(found, separators=(",", ":")).encode()
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["Content-Encoding"] = gzip.compress(body, 5), "gzip"
    return Response(body, media_type="application/json", headers=headers)


def problem(error: PlatformError, quoted: str = "") -> HTMLResponse:
    """Return an error as a fragment people can act on; ``quoted`` is the id that support finds it by."""
    return page("_problem.html", {"error": error, "quoted": quoted}, error.http_status)


def _iso(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _utc(value: datetime, style: str = "%H:%M:%S") -> str:
    return labels.dated(value.astimezone(UTC), style)


def _duration(seconds: float) -> str:
    """Return seconds as people say them: ``8 s``, ``4 min 12 s``, ``3 h 5 min``."""
    whole = math.floor(max(0.0, seconds) + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
