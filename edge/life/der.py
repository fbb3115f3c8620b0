"""The little of X.509 that a drone needs, in DER: ask for a certificate, and read whose one is and how long.

A signing request is RFC 2986 with a common name (UTF-8) and ECDSA over SHA-256 (RFC 5758); a certificate is RFC 5280.
Who signed a certificate is TLS's to check, and the broker's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from edge import pem

_INTEGER, _BITS, _OID, _UTF8, _SEQUENCE, _SET = 0x02, 0x03, 0x06, 0x0C, 0x30, 0x31
_UTC_TIME, _TIME, _NO_ATTRIBUTES, _VERSION = 0x17, 0x18, 0xA0, 0xA0
_COMMON_NAME = bytes.fromhex("550403")
_ECDSA_SHA256 = bytes.fromhex("2a8648ce3d040302")
_TEXTS = {0x0C: "utf-8", 0x13: "ascii", 0x16: "ascii", 0x14: "latin-1", 0x1E: "utf-16-be"}


class Certificate(NamedTuple):
    """What a certificate says of itself."""

    common_names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    public_key: bytes
    """SubjectPublicKeyInfo, DER."""


def request(common_name: str, public_key: bytes, sign: Callable[[bytes], bytes]) -> str:
    """Return a signing request (PEM).

    Args:
        common_name: Whom the certificate is to name.
        public_key: SubjectPublicKeyInfo of a P-256 key, DER.
        sign: Returns the ECDSA signature (DER) over the SHA-256 of what it is given.

    """
    name = _tlv(_SEQUENCE, _tlv(_SET, _tlv(_SEQUENCE, _tlv(_OID, _COMMON_NAME), _tlv(_UTF8, common_name.encode()))))
    info = _tlv(_SEQUENCE, _tlv(_INTEGER, b"\0"), name, public_key, _tlv(_NO_ATTRIBUTES))
    how = _tlv(_SEQUENCE, _tlv(_OID, _ECDSA_SHA256))
    return pem.wrapped("CERTIFICATE REQUEST", _tlv(_SEQUENCE, info, how, _tlv(_BITS, b"\0" + sign(info)))).decode()


def certificate(text: bytes) -> Certificate:
    """Read the first certificate of a PEM file.

    Raises:
        ValueError: There is none, or it is malformed.

    """
    ((_, whole),) = _children(pem.unwrapped("CERTIFICATE", text), 1)
    (_, body), *_ = _children(whole, 3)
    fields = list(_children(body))
    if fields and fields[0][0] == _VERSION:
        fields = fields[1:]
    if len(fields) < 6:
        raise ValueError("a certificate has a serial number, issuer, validity, subject and key")
    _, _, _, (_, validity), (_, subject), (tag, key) = fields[:6]
    start, end = _children(validity, 2)
    return Certificate(tuple(_common_names(subject)), _time(*start), _time(*end), _tlv(tag, key))


def _common_names(subject: bytes) -> Iterator[str]:
    for _, one in _children(subject):
        for _, pair in _children(one):
            (_, kind), (tag, value) = _children(pair, 2)
            if kind == _COMMON_NAME:
                if tag not in _TEXTS:
                    raise ValueError(f"a common name of an unknown form (0x{tag:02x})")
                yield value.decode(_TEXTS[tag])


def _time(tag: int, value: bytes) -> datetime:
    """Read UTCTime, whose years are 1950 to 2049, or GeneralizedTime (RFC 5280, 4.1.2.5)."""
    text = value.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _TIME:
        raise ValueError(f"a time of an unknown form (0x{tag:02x})")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _tlv(tag: int, *parts: bytes) -> bytes:
    value = b"".join(parts)
    if len(value) < 0x80:
        return bytes([tag, len(value)]) + value
    size = len(value).to_bytes((len(value).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + value


def _children(der: bytes, least: int = 0) -> list[tuple[int, bytes]]:
    """Return tag and value of each element; ValueError for what breaks off, or for fewer than ``least``."""
    found, at = [], 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1 : at + 2], at + 2
        if not length or tag & 0x1F == 0x1F:
            raise ValueError("the DER breaks off, or has a tag no certificate has")
        size = length[0]
        if size & 0x80:
            count = size & 0x7F
            if not 1 <= count <= 4 or at + count > len(der):
                raise ValueError("the DER has a length no certificate has")
            size, at = int.from_bytes(der[at : at + count], "big"), at + count
        if at + size > len(der):
            raise ValueError("the DER breaks off")
        found.append((tag, der[at : at + size]))
        at += size
    if len(found) < least:
        raise ValueError(f"the DER has {len(found)} elements where {least} belong")
    return found
