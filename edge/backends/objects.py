"""S3 by the handful of requests an upload takes, so that it can be resumed; what the store says stops here."""

from __future__ import annotations

import base64
import zlib
from contextlib import suppress
from xml.etree.ElementTree import Element, SubElement, tostring

from awscrt import checksums

from contracts.errors import Forbidden, InvalidInput, PlatformError, Unavailable
from edge.backends.credentials import RoleAlias
from edge.backends.signed_http import Answer, Keys, Pace, Request, SignedHttp
from edge.sender import Part, UploadGone
from edge.settings import StoreSettings

_TYPES = {"mp4": "video/mp4", "json": "application/json", "jpg": "image/jpeg"}
_REFUSED = (401, 403)
_STALE = ("ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired", "InvalidAccessKeyId")
_WHOLE = "whole:"
"""Marks uploads whose store checks the whole object; the others check part by part only."""
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class S3Objects:
    """One bucket. Where it is comes from the standard AWS_* variables; so do the rights, unless ``rights`` lends them.

    ``pace`` is asked before bytes go on the wire. ``checksum`` is CRC64NVME, or CRC32 for a store that computes the
    former in slow motion; S3 checks either over the whole object.
    """

    def __init__(
        self, bucket: str, *, pace: Pace | None = None, rights: RoleAlias | None = None, checksum: str = "CRC64NVME"
    ) -> None:
        where = StoreSettings()
        self._bucket = bucket
        self._checksum = checksum
        self._header = f"x-amz-checksum-{checksum.lower()}"
        self._pace = pace
        self._rights = rights
        self._http = SignedHttp(where.endpoint, where.region_name, rights or _Own(where), where.ca_bundle)

    def crc(self, body: bytes, before: int = 0) -> int:
        """Return the CRC of what came before, followed by ``body``."""
        return zlib.crc32(body, before) if self._checksum == "CRC32" else int(checksums.crc64nvme(body, before))

    def put(self, key: str, body: bytes) -> None:
        """Store a whole object."""
        checked = {self._header: self._base64(self.crc(body))}
        self._call(key, Request("PUT", self._path(key), headers=_type(key) | checked, body=body))

    def begin(self, key: str) -> str:
        """Start a multipart upload."""
        kept = {"x-amz-checksum-algorithm": self._checksum, "x-amz-checksum-type": "FULL_OBJECT"}
        answer = self._call(key, Request("POST", self._path(key), {"uploads": ""}, _type(key) | kept))
        mark = _WHOLE if answer.headers.get("x-amz-checksum-type") == "FULL_OBJECT" else ""
        return f"{mark}{self._text(key, answer, 'UploadId')}"

    def part(self, key: str, upload_id: str, number: int, body: bytes) -> Part:
        """Store a part."""
        crc = self.crc(body)
        query = {"partNumber": str(number), "uploadId": upload_id.removeprefix(_WHOLE)}
        headers = {self._header: self._base64(crc)}
        answer = self._call(key, Request("PUT", self._path(key), query, headers, body))
        if "etag" not in answer.headers:
            raise Unavailable(f"{self._where(key)}: part {number} was stored without a tag.")
        return Part(answer.headers["etag"], crc)

    def parts(self, key: str, upload_id: str) -> dict[int, str]:
        """Return number and tag of the stored parts."""
        listed: dict[int, str] = {}
        marker, more = "0", True
        while more:
            query = {"uploadId": upload_id.removeprefix(_WHOLE), "part-number-marker": marker}
            answer = self._call(key, Request("GET", self._path(key), query))
            tree = answer.tree()
            if tree is None or not tree.tag.startswith("ListParts"):  # stand-ins name it their way
                raise Unavailable(f"{self._where(key)}: the store lists its parts as nothing that is known.")
            for part in tree.iter("Part"):
                listed[int(part.findtext("PartNumber"))] = str(part.findtext("ETag"))
            more = tree.findtext("IsTruncated") == "true"
            before, marker = marker, tree.findtext("NextPartNumberMarker") or ""
            if more and marker in ("", before):
                raise Unavailable(f"{self._where(key)}: the store's list of parts has no next page.")
        return listed

    def complete(self, key: str, upload_id: str, parts: dict[int, Part], crc: int) -> None:
        """Make the object of its parts."""
        whole = {self._header: self._base64(crc), "x-amz-checksum-type": "FULL_OBJECT"}
        request = Request(
            "POST",
            self._path(key),
            {"uploadId": upload_id.removeprefix(_WHOLE)},
            {"content-type": "application/xml"} | (whole if upload_id.startswith(_WHOLE) else {}),
            self._list_of(parts),
        )
        answer = self._call(key, request)
        self._text(key, answer, "ETag")

    def reachable(self, folder: str) -> str:
        """Say that the bucket takes uploads into ``folder``: a drone's rights are for its own, not for the bucket.

        An upload that nobody began is asked for. Who has no right to it is refused before he is told so.

        Raises:
            PlatformError: Why not.

        """
        with suppress(UploadGone):
            self.parts(f"{folder}/check", "none")
        return f"s3://{self._bucket}/{folder} answers."

    def _list_of(self, parts: dict[int, Part]) -> bytes:
        root = Element("CompleteMultipartUpload", xmlns=_NAMESPACE)
        for number, part in sorted(parts.items()):
            listed = SubElement(root, "Part")
            named = {"PartNumber": str(number), "ETag": part.etag, f"Checksum{self._checksum}": self._base64(part.crc)}
            for name, value in named.items():
                SubElement(listed, name).text = value
        return tostring(root)

    def _base64(self, crc: int) -> str:
        return base64.b64encode(crc.to_bytes(4 if self._checksum == "CRC32" else 8, "big")).decode()

    def _path(self, key: str) -> str:
        return f"/{self._bucket}/{key}"

    def _where(self, key: str) -> str:
        return f"s3://{self._bucket}/{key}"

    def _text(self, key: str, answer: Answer, name: str) -> str:
        tree = answer.tree()
        found = tree.findtext(name) if tree is not None else None
        if not found:
            raise Unavailable(f"{self._where(key)}: the store's answer has no {name}.", hint="Is it an object store?")
        return str(found)

    def _call(self, key: str, request: Request) -> Answer:
        answer = self._http.send(request, self._pace)
        if answer.status < 300 and not answer.code:
            return answer
        if self._rights is not None and answer.code in _STALE:
            self._rights.renew()
            raise Unavailable(f"{self._where(key)}: {answer.code}.", hint="The rights are fetched anew.")
        raise _translated(self._where(key), answer)


class _Own:
    """The rights of the standard AWS_* variables."""

    def __init__(self, where: StoreSettings) -> None:
        self._where = where

    def keys(self) -> Keys:
        where = self._where
        if not (where.access_key_id and where.secret_access_key):
            raise Unavailable(
                "The drone has no rights to the object store.",
                hint="Set EDGE_CREDENTIALS_URL, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
            )
        return Keys(where.access_key_id, where.secret_access_key.get_secret_value(), where.session_token)


def _translated(where: str, answer: Answer) -> PlatformError:
    code, status = answer.code, answer.status
    if code == "NoSuchUpload":
        return UploadGone(f"{where}: the store has forgotten the upload.", hint="It starts again from the first part.")
    if code == "RequestTimeTooSkewed":
        return Unavailable(f"{where}: {code}.", hint="Set the drone's clock.")
    if status in _REFUSED:
        return Forbidden(f"{where}: refused ({code}).", hint="Check the drone's credentials and its bucket policy.")
    if (
        status < 300
        or status >= 500
        or status in (404, 408, 429)
        or code in ("SlowDown", "RequestTimeout", "BadDigest")
    ):
        return Unavailable(f"{where}: {code}.", hint="Is the object store healthy?")
    tree = answer.tree()
    said = tree.findtext("Message") if tree is not None else ""
    return InvalidInput(f"{where}: {code}: {said or status}.")


def _type(key: str) -> dict[str, str]:
    return {"content-type": _TYPES.get(key.rpartition(".")[2], "application/octet-stream")}
