"""An OIDC provider that is not ours, over HTTP: its key set is fetched, kept, and fetched again when keys change."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from cloud.tokens import Issuer, Verifier, external_keys
from contracts.errors import NotAuthenticated, Unavailable
from contracts.vocabulary import Role

NAME, AUDIENCE = "https://login.customer.test/tenant", "kestrel"
ROLES = frozenset({Role.ANALYST})


class Provider:
    """A second issuer with a web server of its own: keys come and go, it breaks and goes away."""

    def __init__(self) -> None:
        self.signers = [self._signer()]
        self.broken: bytes | None = None
        self.status, self.asked = 200, 0
        around = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                around.asked += 1
                keys = [key for signer in around.signers for key in signer.jwks["keys"]]
                body = around.broken or json.dumps({"keys": keys}).encode()
                self.send_response(around.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server.server_port}/keys"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @staticmethod
    def _signer() -> Issuer:
        return Issuer(rsa.generate_private_key(public_exponent=65537, key_size=2048), NAME, AUDIENCE)

    def rotate(self, *, keep_old: bool) -> None:
        """Sign with a new key from now on."""
        self.signers = [self._signer(), *(self.signers if keep_old else [])]

    def token(self, name: str = "ann") -> str:
        """Return a token signed with the newest key."""
        return self.signers[0].mint(name, ROLES)


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def verifier(provider: Provider) -> Verifier:
    return Verifier(external_keys(provider.url, unknown_keys_every_s=0.0), NAME, AUDIENCE)


def test_its_tokens_let_people_in_and_its_keys_are_fetched_once(provider: Provider, verifier: Verifier) -> None:
    for name in ("ann", "ben", "cid"):
        assert verifier.verify(provider.token(name))[:2] == (name, ROLES)
    assert provider.asked == 1


def test_a_new_key_is_known_with_its_first_token_and_the_old_ones_stay_good(
    provider: Provider, verifier: Verifier
) -> None:
    old = provider.token()
    verifier.verify(old)
    provider.rotate(keep_old=True)
    assert verifier.verify(provider.token()).subject == "ann"
    assert verifier.verify(old).subject == "ann"
    assert provider.asked == 2


def test_a_withdrawn_keys_token_is_refused_once_the_new_set_is_known(provider: Provider, verifier: Verifier) -> None:
    old = provider.token()
    verifier.verify(old)
    provider.rotate(keep_old=False)
    verifier.verify(provider.token())
    with pytest.raises(NotAuthenticated, match="not valid"):
        verifier.verify(old)


def test_a_token_of_a_key_that_it_never_had_is_refused(provider: Provider, verifier: Verifier) -> None:
    with pytest.raises(NotAuthenticated, match="not valid"):
        verifier.verify(Provider._signer().mint("mallory", frozenset({Role.ADMIN})))


def test_strangers_tokens_do_not_make_it_ask_the_provider_each_time(provider: Provider) -> None:
    verifier = Verifier(external_keys(provider.url), NAME, AUDIENCE)
    verifier.verify(provider.token())
    for _ in range(3):
        with pytest.raises(NotAuthenticated):
            verifier.verify(Provider._signer().mint("mallory", frozenset({Role.ADMIN})))
    assert provider.asked == 1


def test_a_token_signed_with_its_public_key_as_a_secret_is_refused(provider: Provider, verifier: Verifier) -> None:
    head = {"kid": provider.signers[0].key_id}
    claims = jwt.decode(provider.token(), options={"verify_signature": False})
    secret = provider.signers[0].jwks["keys"][0]["n"]  # PyJWT itself signs with no secret that looks like a key
    forged = jwt.encode(claims, secret, algorithm="HS256", headers=head)
    with pytest.raises(NotAuthenticated, match="not valid"):
        verifier.verify(forged)


def test_whoever_is_known_stays_in_while_the_provider_is_away(provider: Provider, verifier: Verifier) -> None:
    verifier.verify(provider.token())
    provider.status = 503
    assert verifier.verify(provider.token("ben")).subject == "ben"
    provider.rotate(keep_old=True)
    with pytest.raises(Unavailable, match="cannot be fetched"):
        verifier.verify(provider.token())


@pytest.mark.parametrize("answer", [b"<html>sign in</html>", b"[]", b"null", b'{"keys": []}', b'{"keys": 7}', b"\xff"])
def test_an_answer_that_is_no_key_set_lets_nobody_in(provider: Provider, verifier: Verifier, answer: bytes) -> None:
    provider.broken = answer
    with pytest.raises((NotAuthenticated, Unavailable)):
        verifier.verify(provider.token())
