"""Certificates of simulated drones, signed by the local authority as `kestrel` signs those of real ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from contracts.errors import InvalidInput
from simulators.fleet_drone import Identity

_DAYS = 2


@dataclass(frozen=True)
class Authority:
    """The certificate authority of one machine."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def read(cls, ca_file: Path, key_file: Path) -> Authority:
        """Read an authority's files.

        Raises:
            InvalidInput: They are not there, or hold something else.

        """
        try:
            certificate = x509.load_pem_x509_certificate(ca_file.read_bytes())
            key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        except (OSError, ValueError) as error:
            raise InvalidInput(f"No authority at {ca_file}: {error}.", hint="Start `kestrel up` once.") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise InvalidInput(f"{key_file} holds no EC key.", hint="Run `kestrel up` once: it issues them.")
        return cls(certificate, key)

    def issue(self, drone_id: str, folder: Path) -> Identity:
        """Write a drone's certificate (its common name is the drone's id) and key into a folder."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, drone_id)]))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=_DAYS))
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        )
        identity = Identity(folder / f"{drone_id}.pem", folder / f"{drone_id}.key")
        identity.cert_file.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        plain = serialization.NoEncryption()
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        identity.key_file.touch(0o600)
        identity.key_file.write_bytes(pem)
        return identity
