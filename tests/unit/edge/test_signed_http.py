"""S3's signature as AWS publishes it and botocore makes it; refusals, lost connections, wrong clocks on a socket."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.errors import Forbidden, InvalidInput, PlatformError, Unavailable
from edge.backends import signed_http
from edge.backends.objects import S3Objects
from edge.backends.signed_http import Keys, Request, SignedHttp, signed_headers, target_of
from edge.sender import Part, UploadGone

EXAMPLE = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None)
AT = datetime(2013, 5, 24, tzinfo=UTC)
HOST = "examplebucket.s3.amazonaws.com"


@pytest.mark.parametrize(
    ("request_", "signature"),
    [
        (
            Request("GET", "/test.txt", headers={"range": "bytes=0-9"}),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            Request(
                "PUT",
                "/test$file.text",
                headers={"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
                body=b"Welcome to Amazon S3.",
            ),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            Request("GET", "/", {"lifecycle": ""}),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            Request("GET", "/", {"max-keys": "2", "prefix": "J"}),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_the_signature_is_the_one_aws_publishes(request_: Request, signature: str) -> None:
    """The examples of "Signature Calculations for the Authorization Header", Amazon S3 API reference."""
    signed = signed_headers(request_, HOST, "us-east-1", EXAMPLE, AT)
    assert signed["authorization"].rpartition("Signature=")[2] == signature


def _by_botocore(request: Request, keys: Keys) -> str:
    url = f"http://{HOST}{target_of(request)}"  # over https botocore leaves the payload unsigned
    made = AWSRequest(request.method, url, headers={"host": HOST, **request.headers}, data=request.body)
    signer = botocore.auth.S3SigV4Auth(Credentials(*keys), "s3", "eu-west-1")
    signer.add_auth(made)
    return str(made.headers["Authorization"])


odd = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(key=odd, upload=odd, token=st.none() | st.just("a/token+with=signs"), body=st.binary(max_size=50))
def test_it_signs_odd_keys_and_queries_as_botocore_does(
    monkeypatch: pytest.MonkeyPatch, key: str, upload: str, token: str | None, body: bytes
) -> None:
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: AT.replace(tzinfo=None))
    digest = hashlib.sha256(body).hexdigest()
    request = Request(
        "PUT", f"/{key}", {"partNumber": "3", "uploadId": upload}, {"x-amz-checksum-crc64nvme": "AAAAAAAAAAA="}, body
    )
    keys = EXAMPLE._replace(token=token)
    ours = signed_headers(request, HOST, "eu-west-1", keys, AT)
    theirs = _by_botocore(request, keys)
    assert ours["x-amz-content-sha256"] == digest
    assert ours.get("x-amz-security-token") == token
    assert _signature(ours["authorization"]) == _signature(theirs)


def _signature(authorization: str) -> list[str]:
    return re.findall(r"(?:Credential|SignedHeaders|Signature)=([^,]+)", authorization)


class Seen(NamedTuple):
    """One request as the store got it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


Say = Callable[[BaseHTTPRequestHandler, Seen], None]


def say(status: int, body: bytes = b"", **headers: str) -> Say:
    """Answer so."""

    def answer(handler: BaseHTTPRequestHandler, _: Seen) -> None:
        handler.send_response_only(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def hang_up(handler: BaseHTTPRequestHandler, _: Seen) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def then_hang_up(handler: BaseHTTPRequestHandler, seen: Seen) -> None:
    """Answer as if the connection were kept, and close it: what a store does to one that rests too long."""
    say(200)(handler, seen)
    hang_up(handler, seen)


def error(code: str) -> bytes:
    return f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>why</Message></Error>'.encode()


class Store:
    """A store on a real socket that answers by a script; the last line is said again and again."""

    def __init__(self) -> None:
        self.script: list[Say] = [say(200)]
        self.seen: list[Seen] = []
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers.get("content-length", "0")))
                seen = Seen(self.command, self.path, headers, body, self.client_address[1])
                store.seen.append(seen)
                line = store.script.pop(0) if len(store.script) > 1 else store.script[0]
                line(self, seen)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr("edge.backends.signed_http.random.uniform", lambda low, _high: low)
    made = Store()
    for name, value in {"ENDPOINT_URL": made.url, "REGION": "eu-west-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", EXAMPLE.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", EXAMPLE.secret_key)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    yield made
    made.close()


def test_one_connection_serves_many_requests(store: Store) -> None:
    objects = S3Objects("b")
    for _ in range(5):
        objects.put("k.json", b"{}")
    assert len({seen.connection for seen in store.seen}) == 1


def test_a_kept_connection_that_the_store_closed_is_opened_anew(store: Store) -> None:
    store.script = [then_hang_up]
    objects = S3Objects("b")
    for _ in range(3):
        objects.put("k.json", b"{}")
    assert len(store.seen) == 3


@pytest.mark.parametrize(
    "passing",
    [
        say(503, error("SlowDown")),
        say(500),
        say(400, error("RequestTimeout")),
        say(200, error("InternalError")),
        hang_up,
    ],
)
def test_what_passes_is_tried_three_times(store: Store, passing: Say) -> None:
    store.script = [passing, passing, say(200)]
    S3Objects("b").put("k.json", b"{}")
    assert len(store.seen) == 3
    store.script = [passing]
    with pytest.raises(Unavailable):
        S3Objects("b").put("k.json", b"{}")
    assert len(store.seen) == 6


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (say(403, error("AccessDenied")), Forbidden),
        (say(403), Forbidden),
        (say(404, error("NoSuchBucket")), Unavailable),
        (say(404, error("NoSuchUpload")), UploadGone),
        (say(400, error("BadDigest")), Unavailable),
        (say(400, error("InvalidPart")), InvalidInput),
        (say(301, error("PermanentRedirect")), InvalidInput),
    ],
)
def test_a_refusal_is_said_at_once_and_never_a_success(store: Store, answer: Say, kind: type[PlatformError]) -> None:
    store.script = [answer]
    with pytest.raises(kind):
        S3Objects("b").put("k.json", b"{}")
    assert len(store.seen) == 1


def test_a_store_whose_clock_differs_is_signed_for_by_its_clock(store: Store) -> None:
    theirs = datetime.now(UTC) + timedelta(hours=3)
    date = theirs.strftime("%a, %d %b %Y %H:%M:%S GMT")
    store.script = [say(403, error("RequestTimeTooSkewed"), date=date), say(200)]
    S3Objects("b").put("k.json", b"{}")
    at = datetime.strptime(store.seen[1].headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs(at - theirs) < timedelta(seconds=60)


def test_a_store_that_says_nothing_is_unavailable(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signed_http, "_ANSWER_S", 0.05)
    over = threading.Event()

    def say_nothing(_handler: BaseHTTPRequestHandler, _seen: Seen) -> None:
        over.wait(30)

    store.script = [say_nothing]
    with pytest.raises(Unavailable, match="timed out"):
        S3Objects("b").put("k.json", b"{}")
    over.set()


def test_what_a_refusing_store_says_is_heard_though_it_hangs_up(store: Store) -> None:
    sent: list[int] = []

    def refuse_early(handler: BaseHTTPRequestHandler, seen: Seen) -> None:
        say(403, error("AccessDenied"))(handler, seen)
        handler.close_connection = True

    store.script = [refuse_early]
    with pytest.raises(Forbidden, match="AccessDenied"):
        S3Objects("b", pace=sent.append).put("k.mp4", bytes(200_000))
    assert sum(sent) == 200_000


def test_a_part_carries_its_checksum_and_the_whole_the_list_of_parts(store: Store) -> None:
    objects = S3Objects("b")
    made = b'<CompleteMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><ETag>e</ETag></CompleteMultipartUploadResult>'
    store.script = [say(200, etag='"t1"'), say(200, made)]
    part = objects.part("k.mp4", "whole:u/1+", 1, b"123456789")
    objects.complete("k.mp4", "whole:u/1+", {1: part}, part.crc)
    put, done = store.seen
    assert (put.target, put.headers["x-amz-checksum-crc64nvme"]) == (
        "/b/k.mp4?partNumber=1&uploadId=u%2F1%2B",
        "rosUhgp5mIg=",
    )
    assert (done.target, done.headers["x-amz-checksum-type"]) == ("/b/k.mp4?uploadId=u%2F1%2B", "FULL_OBJECT")
    assert b'<ETag>"t1"</ETag><ChecksumCRC64NVME>rosUhgp5mIg=</ChecksumCRC64NVME>' in done.body


@pytest.mark.parametrize("body", [b"", b"<html>welcome</html>", error("InternalError")])
def test_a_whole_that_the_store_does_not_confirm_is_no_success(store: Store, body: bytes) -> None:
    store.script = [say(200, body)]
    with pytest.raises(Unavailable):
        S3Objects("b").complete("k.mp4", "u", {1: Part('"t"', 1)}, 1)


def test_a_long_list_of_parts_is_read_to_its_end(store: Store) -> None:
    def page(number: int, more: str) -> bytes:
        listed = f'<Part><PartNumber>{number}</PartNumber><ETag>"{number}"</ETag></Part>'
        rest = f"<IsTruncated>{more}</IsTruncated><NextPartNumberMarker>{number}</NextPartNumberMarker>"
        return f'<ListPartsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{rest}{listed}</ListPartsResult>'.encode()

    store.script = [say(200, page(1, "true")), say(200, page(2, "false"))]
    assert S3Objects("b").parts("k", "u") == {1: '"1"', 2: '"2"'}
    assert [re.findall("marker=([0-9]+)", seen.target) for seen in store.seen] == [["0"], ["1"]]


def test_without_rights_it_says_what_to_set(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(Unavailable, match="no rights") as refused:
        S3Objects("b").put("k", b"")
    assert "EDGE_CREDENTIALS_URL" in refused.value.hint


def test_two_threads_share_an_endpoint(store: Store) -> None:
    http = SignedHttp(store.url, "eu-west-1", _Fixed())
    threads = [threading.Thread(target=_send, args=(http, 10)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(store.seen) == 40
    assert len({seen.connection for seen in store.seen}) <= 8


def _send(http: SignedHttp, times: int) -> None:
    for number in range(times):
        assert http.send(Request("PUT", f"/b/{number}", body=b"x")).status == 200


class _Fixed:
    def keys(self) -> Keys:
        return EXAMPLE
