"""Access tokens (JWT): minted by the built-in issuer, verified the same way whoever issued them."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from contracts.errors import InvalidInput, NotAuthenticated, Unavailable
from contracts.vocabulary import Role

ALGORITHMS = ["ES256", "RS256"]
LIFETIME_S = 3600
_LEEWAY_S = 5


class Claims(NamedTuple):
    """What a verified token says."""

    subject: str
    roles: frozenset[Role]
    sites: frozenset[str] | None = None
    """Claim ``sites``: ids of the only sites the subject may see; without the claim all."""
    scopes: frozenset[str] | None = None
    """Claim ``scope``, split at blanks; None without it. MCP asks for ``kestrel:read``."""


class Keys(Protocol):
    """Where verification keys come from."""

    def get_signing_key_from_jwt(self, token: str) -> Any:
        """Return an object whose ``key`` verifies the token by its ``algorithm_name``; jwt.PyJWTError without one."""


class Issuer:
    """The built-in issuer: one EC P-256 or RSA key."""

    def __init__(self, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, issuer: str, audience: str) -> None:
        self._key = key
        self._algorithm = "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "RS256"
        self.issuer = issuer
        self.audience = audience
        shape = jwt.get_algorithm_by_name(self._algorithm).to_jwk(key.public_key(), as_dict=True)
        self.key_id = hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()[:16]
        self.jwks: dict[str, Any] = {"keys": [{**shape, "kid": self.key_id, "use": "sig", "alg": self._algorithm}]}

    @classmethod
    def from_file(cls, path: Path, issuer: str, audience: str) -> Issuer:
        """Read a PEM private key.

        Raises:
            InvalidInput: The file holds another kind of key.

        """
        key = load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
            raise InvalidInput(f"{path} is neither an EC nor an RSA private key.", field="issuer_key_file")
        return cls(key, issuer, audience)

    def mint(
        self,
        subject: str,
        roles: frozenset[Role],
        *,
        lifetime_s: int = LIFETIME_S,
        sites: frozenset[str] | None = None,
    ) -> str:
        """Return a signed access token; ``sites`` limits it to these."""
        now_s = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": subject,
            "iat": now_s,
            "exp": now_s + lifetime_s,
            "roles": sorted(role.value for role in roles),
        }
        if sites is not None:
            claims["sites"] = sorted(sites)
        return jwt.encode(claims, self._key, algorithm=self._algorithm, headers={"kid": self.key_id})

    def get_signing_key_from_jwt(self, token: str) -> Any:
        """Return the public key when the token names it (the same shape as an external key set's client)."""
        key_set = jwt.PyJWKSet.from_dict(self.jwks)
        return key_set[jwt.get_unverified_header(token).get("kid", "")]


class Verifier:
    """Checks signature, issuer, audience and expiry."""

    def __init__(self, keys: Keys | None, issuer: str, audience: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience

    def verify(self, token: str) -> Claims:
        """Return what a token says.

        Raises:
            NotAuthenticated: Malformed, forged, expired, or meant for others; the message says which.
            Unavailable: The external issuer's key set cannot be fetched.

        """
        if self._keys is None:
            raise NotAuthenticated("No issuer is configured.", hint="Set CLOUD_ISSUER_KEY_FILE or CLOUD_JWKS_URL.")
        try:
            key = _key_of(self._keys, token)
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[name for name in ALGORITHMS if name == key.algorithm_name],
                audience=self._audience,
                issuer=self._issuer,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.exceptions.PyJWKClientConnectionError as error:
            raise Unavailable("The token issuer's keys cannot be fetched.", hint="Try again.") from error
        except jwt.ExpiredSignatureError as error:
            raise NotAuthenticated("The access token has expired.", hint="Ask for a new one.") from error
        except (jwt.PyJWTError, KeyError) as error:
            raise NotAuthenticated(f"The access token is not valid: {error}.", hint="Ask for a new one.") from error
        roles = _known_roles(claims.get("roles", claims.get("cognito:groups", [])))
        sites = _sites(claims.get("sites", claims.get("custom:sites")))
        scope = claims.get("scope")
        return Claims(str(claims["sub"]), roles, sites, None if scope is None else frozenset(str(scope).split()))


def _key_of(keys: Keys, token: str) -> Any:
    """Return the key that a token names; Unavailable where the issuer answers with something that is no JSON."""
    try:
        return keys.get_signing_key_from_jwt(token)
    except ValueError as error:
        raise Unavailable(
            "The token issuer's answer is no key set.", hint="Check CLOUD_JWKS_URL; try again."
        ) from error


def _known_roles(values: object) -> frozenset[Role]:
    known = {role.value for role in Role}
    return frozenset(Role(v) for v in values if v in known) if isinstance(values, list) else frozenset()


def _sites(value: object) -> frozenset[str] | None:
    """Return the sites of a claim: a list, or a text with blanks between (Cognito); another shape is no site."""
    if value is None:
        return None
    parts = value.split() if isinstance(value, str) else value
    return frozenset(str(part) for part in parts) if isinstance(parts, list) else frozenset()


def external_keys(jwks_url: str, *, unknown_keys_every_s: float = 30.0) -> jwt.PyJWKClient:
    """Return the key set of an external issuer, cached for five minutes.

    A token of a key that is not in it has it fetched anew, but not more often than every ``unknown_keys_every_s``:
    strangers' tokens must not make us ask the issuer each time.
    """
    return jwt.PyJWKClient(
        jwks_url, cache_jwk_set=True, lifespan=300, timeout=5, cooldown_duration=unknown_keys_every_s
    )
