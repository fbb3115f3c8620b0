"""HTTP requests to S3 under AWS Signature Version 4: signed by awscrt, sent by the standard library, tried again.

Signature: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html; the payload's SHA-256 is
always part of it. What can pass is tried three times with full jitter. Connections are kept and used again.
"""

from __future__ import annotations

import hashlib
import http.client
import random
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote, urlsplit

from awscrt import auth
from awscrt.http import HttpHeaders, HttpRequest
from defusedxml import ElementTree

from contracts.errors import Unavailable
from edge import logbook

Pace = Callable[[int], None]
_CONNECT_S, _ANSWER_S = 5.0, 60.0
_PIECE_BYTES = 16 * 1024
_ATTEMPTS = 3
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 5.0
_IDLE_S = 15.0
"""A connection that rested longer is not used again: servers close them after 20 s and more."""
_MOST_IDLE = 4
_MOST_ANSWER_BYTES = 4 * 1024 * 1024
_PASSING = (429, 500, 502, 503, 504)
_PASSING_CODES = ("SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "RequestTimeTooSkewed")
_SKEWED = "RequestTimeTooSkewed"
_UNRESERVED = "-_.~"


class Keys(NamedTuple):
    """What requests are signed with."""

    access_key: str
    secret_key: str
    token: str | None


class Rights(Protocol):
    """Who lends the keys."""

    def keys(self) -> Keys:
        """Return keys that are good now; Unavailable when there are none."""


class Request(NamedTuple):
    """One request; ``path`` and ``query`` are not encoded yet."""

    method: str
    path: str
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Answer(NamedTuple):
    """What came back; header names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def tree(self) -> Any:
        """Return the body as XML without namespaces; None where there is none."""
        try:
            tree = ElementTree.fromstring(self.body)
        except (ElementTree.ParseError, ValueError):
            return None
        for element in tree.iter():
            element.tag = element.tag.rpartition("}")[2]
        return tree

    @property
    def code(self) -> str:
        """Return S3's word for what is wrong, empty when nothing is: a 200 may carry an error as well."""
        if self.status < 300 and b"<Error" not in self.body[:400]:
            return ""
        tree = self.tree()
        said = tree.findtext("Code") if tree is not None and tree.tag == "Error" else None
        return said or ("" if self.status < 300 else str(self.status))


def target_of(request: Request) -> str:
    """Return path and query as they are sent and signed: each byte but the unreserved ones in percent form, once."""
    path = quote(request.path, safe=f"/{_UNRESERVED}")
    query = sorted((quote(k, safe=_UNRESERVED), quote(v, safe=_UNRESERVED)) for k, v in request.query.items())
    return path + ("?" + "&".join(f"{key}={value}" for key, value in query) if query else "")


def signed_headers(request: Request, host: str, region: str, keys: Keys, at: datetime) -> dict[str, str]:
    """Return the headers of a request with its signature."""
    digest = hashlib.sha256(request.body).hexdigest()
    plain = {"host": host, **request.headers}
    signable = HttpRequest(request.method, target_of(request), HttpHeaders(list(plain.items())))
    config = auth.AwsSigningConfig(
        auth.AwsSigningAlgorithm.V4,
        auth.AwsSignatureType.HTTP_REQUEST_HEADERS,
        auth.AwsCredentialsProvider.new_static(keys.access_key, keys.secret_key, keys.token),
        region,
        "s3",
        at,
        use_double_uri_encode=False,
        should_normalize_uri_path=False,
        signed_body_value=digest,
        signed_body_header_type=auth.AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256,
    )
    signed = auth.aws_sign_request(signable, config).result(_CONNECT_S)
    return {name.lower(): value for name, value in signed.headers}


class SignedHttp:
    """One endpoint. Thread-safe."""

    def __init__(self, endpoint: str, region: str, rights: Rights, ca_file: str | None = None) -> None:
        parts = urlsplit(endpoint)
        self._host, self._name, self._port = parts.netloc, parts.hostname or "", parts.port
        self._base = parts.path.rstrip("/")
        self._tls = ssl.create_default_context(cafile=ca_file) if parts.scheme == "https" else None
        self._region, self._rights = region, rights
        self._lock = threading.Lock()
        self._idle: list[tuple[http.client.HTTPConnection, float]] = []
        weakref.finalize(self, _close_all, self._idle)
        self._ahead = timedelta()
        """How far the store's clock is ahead of ours, as far as it has complained."""

    def send(self, request: Request, pace: Pace | None = None) -> Answer:
        """Return the store's answer; ``pace`` is asked before bytes of the body go on the wire.

        Raises:
            Unavailable: No answer came, however often it was tried.

        """
        request = request._replace(path=self._base + request.path)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = self._once(request, pace)
            except (OSError, http.client.HTTPException) as error:
                if attempt == _ATTEMPTS:
                    raise Unavailable(
                        f"{self._host}: {type(error).__name__}: {error}.", hint="Is the object store reachable?"
                    ) from error
            else:
                if attempt == _ATTEMPTS or not _passes(answer):
                    return answer
                self._set_clock(answer)
            time.sleep(random.uniform(0, min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt)))
        raise AssertionError("unreachable")  # pragma: no cover - the last attempt returns or raises

    def _once(self, request: Request, pace: Pace | None) -> Answer:
        headers = signed_headers(request, self._host, self._region, self._rights.keys(), self._now())
        while True:
            connection, used = self._connection()
            try:
                answer, kept = _exchange(connection, request, headers, pace)
            except (ConnectionError, http.client.BadStatusLine):
                connection.close()
                if not used:
                    raise
                continue  # a kept connection that the store had closed meanwhile: nothing of it was answered
            except BaseException:
                connection.close()
                raise
            self._keep(connection, kept=kept)
            return answer

    def _now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def _set_clock(self, answer: Answer) -> None:
        """Sign by the store's clock where it says that ours is too far off."""
        if answer.code != _SKEWED or "date" not in answer.headers:
            return
        self._ahead = parsedate_to_datetime(answer.headers["date"]) - datetime.now(UTC)
        logbook.warn("store_clock_differs", ahead_s=round(self._ahead.total_seconds()))

    def _connection(self) -> tuple[http.client.HTTPConnection, bool]:
        """Return a connection, and whether it was in use before."""
        with self._lock:
            while self._idle:
                connection, since_s = self._idle.pop()
                if time.monotonic() - since_s < _IDLE_S:
                    return connection, True
                connection.close()
        if self._tls is not None:
            made: http.client.HTTPConnection = http.client.HTTPSConnection(
                self._name, self._port, timeout=_CONNECT_S, context=self._tls
            )
        else:
            made = http.client.HTTPConnection(self._name, self._port, timeout=_CONNECT_S)
        made.connect()
        made.sock.settimeout(_ANSWER_S)
        return made, False

    def _keep(self, connection: http.client.HTTPConnection, *, kept: bool) -> None:
        with self._lock:
            if kept and len(self._idle) < _MOST_IDLE:
                self._idle.append((connection, time.monotonic()))
                return
        connection.close()


def _close_all(idle: list[tuple[http.client.HTTPConnection, float]]) -> None:
    for connection, _ in idle:
        connection.close()


def _exchange(
    connection: http.client.HTTPConnection, request: Request, headers: Mapping[str, str], pace: Pace | None
) -> tuple[Answer, bool]:
    """Send and read whole; return the answer and whether the connection may be used again."""
    connection.putrequest(request.method, target_of(request), skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.putheader("content-length", str(len(request.body)))
    connection.endheaders()
    broken = False
    try:
        for start in range(0, len(request.body), _PIECE_BYTES):
            piece = request.body[start : start + _PIECE_BYTES]
            if pace is not None:
                pace(len(piece))
            connection.send(piece)
    except ConnectionError:
        broken = True  # a store that refuses may hang up before it has everything; what it says is worth more
    with connection.getresponse() as response:
        body = response.read(_MOST_ANSWER_BYTES)
        named = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, named, body), response.isclosed() and not (broken or response.will_close)


def _passes(answer: Answer) -> bool:
    return answer.status in _PASSING or answer.code in _PASSING_CODES
