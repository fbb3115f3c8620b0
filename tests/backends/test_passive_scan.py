"""What a passive scanner (of the class of ZAP's baseline) reads off answers: nothing, over every page and route."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from bs4 import BeautifulSoup, Tag

from cloud import users
from contracts.vocabulary import Role
from tests import platform
from tests.platform import Server
from tests.scenes import seed_live, utc_now
from tests.services import DatabaseServer

pytestmark = pytest.mark.backends
PASSWORD = "correct horse battery"
MOST_PAGES = 200
REQUIRED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
SPILT = {
    "a stack trace": r"Traceback \(most recent call last\)|File \"/[^\"]+\.py\", line \d",
    "a database error": r"psycopg2\.|sqlalchemy\.exc|syntax error at or near",
    "a path of the machine": r"(?<![\w/])/(?:home|root|var/lib|tmp|work)/\w",
    "a private address": r"(?<![\d.])(?:10\.\d+|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.\d{1,3}\.\d{1,3}(?![\d.])",
    "a secret": r"-----BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\$(?:argon2|scrypt|2b)\$",
}
LOADS_NOTHING = "default-src 'none'"
BAD_POLICY = re.compile(r"unsafe-|(?:^|[ ;])(?:\*|https?:)(?=[ ;]|$)")


def findings(answer: httpx.Response) -> Iterator[str]:
    """Yield what a passive scanner would report of an answer."""
    yield from in_headers(answer.headers)
    if is_private(answer) and not re.search("no-store|no-cache|private", answer.headers.get("cache-control", "")):
        yield "what only its reader may see may be kept by anyone"
    if is_text(answer):
        yield from (f"it shows {what}" for what, pattern in SPILT.items() if re.search(pattern, answer.text))
    if "html" in answer.headers.get("content-type", ""):
        yield from in_page(answer)


def in_headers(headers: httpx.Headers) -> Iterator[str]:
    yield from (f"{name} is not {value}" for name, value in REQUIRED.items() if headers.get(name) != value)
    policy = headers.get("content-security-policy", "unsafe-missing")
    if LOADS_NOTHING in policy:  # a report is one file with its own style, and no script runs in it
        policy = policy.replace("style-src 'unsafe-inline'; ", "")
    if BAD_POLICY.search(policy) or "frame-ancestors" not in policy or "form-action" not in policy:
        yield "the content policy lets too much in"
    if re.search(r"\d", headers.get("server", "")) or "x-powered-by" in headers:
        yield "the server tells its version"
    if headers.get("access-control-allow-origin") == "*":
        yield "any origin may read it"
    for cookie in headers.get_list("set-cookie"):
        yield from (f"a cookie without {flag}" for flag in ("HttpOnly", "SameSite") if flag not in cookie)


def is_private(answer: httpx.Response) -> bool:
    everyones = answer.url.path.startswith(("/healthz", "/readyz", "/oidc/", "/static/"))
    return answer.status_code == 200 and not everyones


def is_text(answer: httpx.Response) -> bool:
    kind = answer.headers.get("content-type", "")
    return kind.startswith("text/") or "json" in kind or "xml" in kind


def in_page(answer: httpx.Response) -> Iterator[str]:
    if "charset=" not in answer.headers["content-type"]:
        yield "a page without its charset"
    page, host = BeautifulSoup(answer.text, "lxml"), urlsplit(str(answer.url)).netloc
    own_style = LOADS_NOTHING in answer.headers.get("content-security-policy", "")
    for tag in page.find_all(True):
        assert isinstance(tag, Tag)
        yield from (f"<{tag.name}> with {name}" for name in tag.attrs if name.startswith("on"))
        if tag.name == ("script" if own_style else tag.name) and is_inline(tag):
            yield f"<{tag.name}> inline"
        for name in ("src", "action", "href" if tag.name in {"link", "base"} else "src"):
            if urlsplit(urljoin(str(answer.url), str(tag.get(name, "")))).netloc not in {host, ""}:
                yield f"<{tag.name}> from or to elsewhere: {tag[name]}"
        if tag.get("target") == "_blank" and "noopener" not in str(tag.get("rel", "")):
            yield "a new tab that may steer this one"
        if tag.name == "input" and tag.get("type") == "password" and not tag.get("autocomplete"):
            yield "a password field that does not say what it is"


def is_inline(tag: Tag) -> bool:
    return tag.name in {"script", "style"} and not tag.get("src") and tag.get("type") != "application/json"


def links(answer: httpx.Response) -> Iterator[str]:
    if "html" not in answer.headers.get("content-type", ""):
        return
    for tag in BeautifulSoup(answer.text, "lxml").find_all(True):
        assert isinstance(tag, Tag)
        for name in ("href", "src", "hx-get", "data-src"):
            there = urlsplit(urljoin(str(answer.url), str(tag.get(name) or "")))
            if there.scheme == "http" and there.netloc == answer.url.netloc.decode():
                yield there._replace(fragment="").geturl()


@contextmanager
def crawled(server: Server) -> Iterator[dict[str, httpx.Response]]:
    """Yield what everything that can be reached answers to an administrator, and what cannot be found."""
    with httpx.Client(base_url=server.url, timeout=30, headers={"Accept": "text/html"}) as http:
        door = http.get("/login")
        answer = http.post("/login", data={"username": Role.ADMIN.value, "password": PASSWORD})
        found = {"door": door, "sign in": answer, "nothing": http.get("/nothing"), "wrong method": http.delete("/")}
        found["bad"] = http.post("/v1/plans", content=b"{", headers={"content-type": "application/json"})
        paths = http.get("/v1/openapi.json").json()["paths"]
        plain = [path for path, item in paths.items() if "get" in item and "{" not in path and path != "/v1/events"]
        waiting = [server.url + path for path in ("/", "/login", *plain)]
        shapes: set[str] = set()
        while waiting and len(found) < MOST_PAGES:
            url = waiting.pop(0)
            shape = re.sub(r"[^/?&=]*\d[^/?&=]*", "1", re.sub(r"=[^&]*", "=", url.removeprefix(server.url)))
            if shape in shapes or "/stream" in url or "logout" in url:
                continue
            shapes.add(shape)
            found[url.removeprefix(server.url)] = answer = http.get(url)
            waiting += links(answer)
        yield found


@pytest.fixture(scope="module")
def answers(postgres_server: DatabaseServer) -> Iterator[dict[str, httpx.Response]]:
    with postgres_server.database(migrated=True) as url:
        built = platform.build(url)
        with built.database.session() as session:
            world = seed_live(session, utc_now())
            users.put_user(session, Role.ADMIN.value, PASSWORD, [Role.ADMIN])
        seen = dataclasses.replace(built, objects=world.objects, routes=world.routes)
        with Server(seen) as server, crawled(server) as found:
            yield found
        built.database.close()


def test_nothing_is_reported_of_any_page_or_route(answers: dict[str, httpx.Response]) -> None:
    reported = {where: list(findings(answer)) for where, answer in answers.items()}
    assert {where: said for where, said in reported.items() if said} == {}


def test_the_scan_has_seen_the_pages_and_the_routes(answers: dict[str, httpx.Response]) -> None:
    kinds = [answer.headers.get("content-type", "") for answer in answers.values() if answer.status_code == 200]
    assert sum("html" in kind for kind in kinds) >= 10
    assert sum("json" in kind for kind in kinds) >= 25


GOOD = {
    **REQUIRED,
    "content-security-policy": "default-src 'self'; form-action 'self'; frame-ancestors 'none'",
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
}


@pytest.mark.parametrize(
    ("headers", "text", "said"),
    [
        ({"x-content-type-options": ""}, "", "nosniff"),
        ({"content-security-policy": "default-src *; form-action 'self'; frame-ancestors 'none'"}, "", "policy"),
        (
            {"content-security-policy": "default-src 'none'; script-src 'unsafe-inline'; form-action; frame-ancestors"},
            "",
            "policy",
        ),
        ({"content-security-policy": "script-src 'unsafe-inline'; form-action; frame-ancestors"}, "", "policy"),
        ({"server": "uvicorn 0.38"}, "", "version"),
        ({"access-control-allow-origin": "*"}, "", "origin"),
        ({"cache-control": "max-age=60"}, "", "may be kept"),
        ({"set-cookie": "s=1; SameSite=strict"}, "", "HttpOnly"),
        ({"set-cookie": "s=1; HttpOnly"}, "", "SameSite"),
        ({"content-type": "text/html"}, "", "charset"),
        ({}, "Traceback (most recent call last):", "stack trace"),
        ({}, "psycopg2.errors.UndefinedTable", "database error"),
        ({}, "see /var/lib/kestrel/keys", "path of the machine"),
        ({}, "the broker at 192.168.1.7", "private address"),
        ({}, "$argon2$v=19$m=65536", "secret"),
        ({}, "<script>go()</script>", "inline"),
        ({}, "<p onclick='go()'>", "onclick"),
        ({}, "<script src='https://cdn.test/x.js'></script>", "elsewhere"),
        ({}, "<form action='https://evil.test/'></form>", "elsewhere"),
        ({}, "<a target=_blank href='https://x.test'>", "new tab"),
        ({}, "<input type=password>", "password"),
    ],
)
def test_the_scan_sees(headers: dict[str, str], text: str, said: str) -> None:
    request = httpx.Request("GET", "http://kestrel.test/findings")
    clean = httpx.Response(200, headers=GOOD, text="<p>Well.</p>", request=request)
    assert list(findings(clean)) == []
    answer = httpx.Response(200, headers=GOOD | headers, text=text or "<p>Well.</p>", request=request)
    assert any(said in one for one in findings(answer))
