"""The local certificate authority, and every key the platform and the drones hold (EC P-256; Ed25519 for commands)."""

from __future__ import annotations

import ipaddress
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pydantic import TypeAdapter, ValidationError

from contracts.errors import InvalidInput
from contracts.ids import DroneId
from contracts.topics import PLATFORM_IDENTITY
from infra.local.files import write_private

COMMAND_KEY_ID = "command-1"
_AUTHORITY_DAYS = 3650
_LEAF_DAYS = 825
_CLOCK_SLACK = timedelta(hours=1)
_DRONE_ID = TypeAdapter[str](DroneId)

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class Identity(NamedTuple):
    """A certificate with its key, and the authority that signed it."""

    ca_file: Path
    cert_file: Path
    key_file: Path


class Keys(NamedTuple):
    """Every file below one certificates folder."""

    folder: Path

    @property
    def ca_file(self) -> Path:
        """Return the authority's certificate."""
        return self.folder / "ca.pem"

    @property
    def ca_key_file(self) -> Path:
        """Return the authority's key."""
        return self.folder / "ca.key"

    @property
    def command_signing_key_file(self) -> Path:
        """Return the Ed25519 key that signs commands; its public half is in ``command_keys_dir``."""
        return self.folder / "command-signing.key"

    @property
    def command_keys_dir(self) -> Path:
        """Return the folder of ``<key id>.pem`` public keys that drones trust."""
        return self.folder / "command-keys"

    @property
    def evidence_signing_key_file(self) -> Path:
        """Return the Ed25519 key that signs evidence bundles."""
        return self.folder / "evidence-signing.key"

    @property
    def evidence_public_key_file(self) -> Path:
        """Return its public half: what `kestrel verify` trusts on this machine."""
        return self.folder / "evidence-signing.pub"

    @property
    def issuer_key_file(self) -> Path:
        """Return the EC key that signs the built-in issuer's tokens."""
        return self.folder / "issuer.key"

    @property
    def session_key_file(self) -> Path:
        """Return the secret (hex text) that signs browser sessions."""
        return self.folder / "session.key"

    def identity(self, name: str) -> Identity:
        """Return where the identity of a common name lies, issued or not."""
        return Identity(self.ca_file, self.folder / f"{name}.pem", self.folder / f"{name}.key")


def create(keys: Keys) -> None:
    """Create the authority, the broker's and the platform's certificates and the signing keys, where missing."""
    keys.command_keys_dir.mkdir(parents=True, exist_ok=True)
    keys.folder.chmod(0o700)
    keys.command_keys_dir.chmod(0o700)
    if not (keys.ca_file.exists() and keys.ca_key_file.exists()):
        _create_authority(keys)
    _issue(keys, "broker", server=True)
    _issue(keys, PLATFORM_IDENTITY, server=False)
    _signing_pair(keys.command_signing_key_file, keys.command_keys_dir / f"{COMMAND_KEY_ID}.pem")
    _signing_pair(keys.evidence_signing_key_file, keys.evidence_public_key_file)
    if not keys.issuer_key_file.exists():
        write_private(keys.issuer_key_file, _private_pem(ec.generate_private_key(ec.SECP256R1())))
    if not keys.session_key_file.exists():
        write_private(keys.session_key_file, secrets.token_hex(32))


def issue_drone(keys: Keys, drone_id: str) -> Identity:
    """Return a drone's identity (common name = drone id), issuing it at the first call.

    Raises:
        InvalidInput: ``drone_id`` is not an id, or is taken by the platform.

    """
    try:
        name = _DRONE_ID.validate_python(drone_id)
    except ValidationError as error:
        raise InvalidInput(
            f"{drone_id!r} cannot be a drone id.", hint="Use lower-case letters, digits and '-'.", field="drone_id"
        ) from error
    if name in {PLATFORM_IDENTITY, "broker", "ca"}:
        raise InvalidInput(f"{name!r} is the platform's own name.", field="drone_id")
    return _issue(keys, name, server=False)


def valid_until(cert_file: Path) -> datetime:
    """Return the end of a certificate's life."""
    return x509.load_pem_x509_certificate(cert_file.read_bytes()).not_valid_after_utc


def _signing_pair(private: Path, public: Path) -> None:
    if not (private.exists() and public.exists()):
        key = ed25519.Ed25519PrivateKey.generate()
        write_private(private, _private_pem(key))
        write_private(public, _public_pem(key))


def _create_authority(keys: Keys) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"Kestrel local authority {secrets.token_hex(4)}")
    builder = _builder(name, name, key.public_key(), _AUTHORITY_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(
        x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        ),
        critical=True,
    )
    write_private(keys.ca_key_file, _private_pem(key))
    write_private(keys.ca_file, builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def _issue(keys: Keys, name: str, *, server: bool) -> Identity:
    identity = keys.identity(name)
    if identity.cert_file.exists() and identity.key_file.exists():
        return identity
    authority = x509.load_pem_x509_certificate(keys.ca_file.read_bytes())
    authority_key = serialization.load_pem_private_key(keys.ca_key_file.read_bytes(), password=None)
    if not isinstance(authority_key, ec.EllipticCurvePrivateKey):
        raise InvalidInput(f"{keys.ca_key_file} holds no EC key.", hint="Remove the certificates folder.")
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_name(name), authority.subject, key.public_key(), _LEAF_DAYS)
    usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    if server:
        hosts = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    certificate = builder.sign(authority_key, hashes.SHA256())
    write_private(identity.key_file, _private_pem(key))
    write_private(identity.cert_file, certificate.public_bytes(serialization.Encoding.PEM))
    return identity


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SLACK)
        .not_valid_after(now + timedelta(days=days))
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _private_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _public_pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
