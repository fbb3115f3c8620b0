"""The language a reader is spoken to in: their own choice, else the first of the browser's that we know, else English.

Pages speak it, and so do messages to people, who are in no exchange: `speaking` says which language for those.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from http.cookies import SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING

from babel.messages.pofile import read_po
from markupsafe import Markup
from starlette.datastructures import Headers

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

SOURCE = "en"
LANGUAGES = {"en": "English", "de": "Deutsch"}
"""Those with a complete catalogue, each in its own words; a test holds the catalogues complete."""
COOKIE = "kestrel_language"
CATALOGUES = Path(__file__).parent / "web" / "catalogues"
_spoken: ContextVar[str] = ContextVar("spoken", default=SOURCE)


class Language:
    """Middleware: chooses the language of an exchange."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one exchange in its language."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            _spoken.set(choose(headers.get("cookie", ""), headers.get("accept-language", "")))
        await self._app(scope, receive, send)


def choose(cookies: str, accepted: str) -> str:
    """Return a language for a Cookie and an Accept-Language header, however malformed they are."""
    kept = SimpleCookie(cookies).get(COOKIE) if COOKIE in cookies else None
    wanted = [] if kept is None else [(2.0, kept.value)]
    for part in accepted.split(",")[:20]:
        tag, _, quality = part.partition(";q=")
        wanted.append((_number(quality), tag.strip()[:2].lower()))
    known = [code for weight, code in sorted(wanted, key=lambda w: -w[0]) if weight > 0 and code in LANGUAGES]
    return known[0] if known else SOURCE


def _number(text: str) -> float:
    try:
        return min(1.0, float(text)) if text else 1.0
    except ValueError:
        return 0.0


def spoken() -> str:
    """Return the code of the language of this exchange."""
    return _spoken.get()


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Speak a language for a while; one without a catalogue is English."""
    token = _spoken.set(language if language in LANGUAGES else SOURCE)
    try:
        yield
    finally:
        _spoken.reset(token)


def _(text: str, *values: object) -> str:
    """Return a text in the language of this exchange, ``{0}`` and so on filled; white space round it stays."""
    said = _translated(text)
    return said.format(*values) if values else said


def phrase(text: str, *values: object) -> Markup:
    """Return a piece of a template in the language of this exchange; values are escaped unless they are markup."""
    said = Markup(_translated(text))  # noqa: S704 - from our own templates and catalogues
    return said.format(*values) if values else said


def message(text: str) -> str:
    """Mark a text that is translated where it is shown; returns it as it is."""
    return text


def page_words() -> Markup:
    """Return what the page's modules say, as JSON by English text; empty for English."""
    return Markup(_for_modules(spoken()))  # noqa: S704 - JSON without <


def _translated(text: str) -> str:
    known = catalogue(spoken())
    core = text.strip()
    return text.replace(core, known.get(core) or core, 1) if known and core else text


@cache
def catalogue(language: str) -> dict[str, str]:
    """Return a language's texts by the English ones; none for English."""
    return {} if language == SOURCE else {str(m.id): str(m.string) for m in _entries(language)}


def stands_in(language: str, file: Callable[[str], bool]) -> list[tuple[str, str]]:
    """Return (English, translation) of the texts that stand in certain files."""
    return [(str(m.id), str(m.string)) for m in _entries(language) if any(file(p) for p, _line in m.locations)]


@cache
def _for_modules(language: str) -> str:
    if language == SOURCE:
        return ""
    of_modules = {str(m.id): m.string for m in _entries(language) if any(p.endswith(".js") for p, _ in m.locations)}
    return json.dumps(of_modules, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _entries(language: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 - babel's iterator of messages
    with (CATALOGUES / f"{language}.po").open("rb") as file:
        return [m for m in read_po(file, locale=language) if m.id]
