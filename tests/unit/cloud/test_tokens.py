"""Access tokens: what verifies, what does not, and what the refusal says."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt import PyJWK

from cloud.tokens import Claims, Issuer, Verifier
from contracts.errors import NotAuthenticated, Unavailable
from contracts.vocabulary import Role

ISSUER, AUDIENCE = "http://issuer.test/oidc", "kestrel"
KEYS: dict[str, Any] = {
    "EC": ec.generate_private_key(ec.SECP256R1()),
    "RSA": rsa.generate_private_key(public_exponent=65537, key_size=2048),
}


def issuer(kind: str = "EC") -> Issuer:
    return Issuer(KEYS[kind], ISSUER, AUDIENCE)


def verifier() -> Verifier:
    return Verifier(issuer(), ISSUER, AUDIENCE)


def forged(key: Any = None, algorithm: str = "ES256", kid: str | None = None, **changes: Any) -> str:
    now_s = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "mallory", "exp": now_s + 60, "roles": ["admin"]} | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    headers = {"kid": kid or issuer().key_id}
    return jwt.encode(claims, key or KEYS["EC"], algorithm=algorithm, headers=headers)


@pytest.mark.parametrize("kind", ["EC", "RSA"])
def test_a_minted_token_verifies(kind: str) -> None:
    made = issuer(kind)
    claims = Verifier(made, ISSUER, AUDIENCE).verify(made.mint("ann", frozenset({Role.ANALYST, Role.VIEWER})))
    assert claims == Claims("ann", frozenset({Role.ANALYST, Role.VIEWER}), None)


def test_the_published_key_set_verifies_too() -> None:
    made = issuer()
    [key] = made.jwks["keys"]
    assert "d" not in key, "the private part must not be published"
    token = made.mint("ann", frozenset({Role.VIEWER}))
    assert jwt.decode(token, PyJWK(key), algorithms=["ES256"], audience=AUDIENCE, issuer=ISSUER)["sub"] == "ann"


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (lambda: "", "not valid"),
        (lambda: "a.b.c", "not valid"),
        (lambda: forged(exp=int(time.time()) - 60), "expired"),
        (lambda: forged(aud="others"), "not valid"),
        (lambda: forged(iss="http://elsewhere"), "not valid"),
        (lambda: forged(exp=None), "not valid"),
        (lambda: forged(sub=None), "not valid"),
        (lambda: forged(ec.generate_private_key(ec.SECP256R1())), "not valid"),
        (lambda: forged(kid="unknown"), "not valid"),
        (lambda: forged("secret" * 8, "HS256"), "not valid"),
        (lambda: forged(KEYS["RSA"], "RS256"), "not valid"),
        (lambda: jwt.encode({"sub": "x"}, cast("Any", None), algorithm="none"), "not valid"),
        (lambda: forged()[:-4] + "AAAA", "not valid"),
    ],
    ids=[
        "empty", "garbage", "expired", "audience", "issuer", "no-expiry", "no-subject",
        "other-key", "unknown-key", "symmetric", "other-algorithm", "none", "cut",
    ],
)  # fmt: skip
def test_what_is_refused(token: Callable[[], str], said: str) -> None:
    with pytest.raises(NotAuthenticated) as caught:
        verifier().verify(token())
    assert said in caught.value.message


def test_unknown_roles_are_dropped_and_cognito_groups_count() -> None:
    assert verifier().verify(forged(roles=["admin", "emperor"])).roles == {Role.ADMIN}
    cognito = cast("Any", {"roles": None, "cognito:groups": ["operator"]})
    assert verifier().verify(forged(**cognito)).roles == {Role.OPERATOR}
    assert verifier().verify(forged(roles="admin")).roles == frozenset()


def test_without_an_issuer_every_token_is_refused() -> None:
    with pytest.raises(NotAuthenticated):
        Verifier(None, ISSUER, AUDIENCE).verify(forged())


def test_an_issuer_that_does_not_answer_is_unavailable() -> None:
    class Away:
        def get_signing_key_from_jwt(self, token: str) -> Any:
            raise jwt.exceptions.PyJWKClientConnectionError("no route")

    with pytest.raises(Unavailable):
        Verifier(Away(), ISSUER, AUDIENCE).verify(forged())


@pytest.mark.parametrize(
    ("claim", "seen"),
    [(["north", "south"], {"north", "south"}), ("north south", {"north", "south"}), ([], set()), (7, set())],
)
def test_a_claim_of_sites_limits_and_one_of_another_shape_shows_none(claim: object, seen: set[str]) -> None:
    claims = Verifier(issuer(), ISSUER, AUDIENCE).verify(forged(sites=claim))
    assert claims.sites == frozenset(seen)
