"""S3 by low-level boto3 calls, so that a multipart upload can be resumed; vendor errors stop here."""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Callable
from typing import Any, TypeVar

import boto3
from awscrt import checksums
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from contracts.errors import Forbidden, InvalidInput, PlatformError, Unavailable
from edge.backends.credentials import RoleAlias
from edge.sender import Part, UploadGone

_Result = TypeVar("_Result")
_TYPES = {"mp4": "video/mp4", "json": "application/json", "jpg": "image/jpeg"}
_REFUSED = (401, 403)
_STALE = ("ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired", "InvalidAccessKeyId")
_WHOLE = "whole:"
"""Marks uploads whose store checks the whole object; the others check part by part only."""

Pace = Callable[[int], None]


class S3Objects:
    """One bucket. Where it is comes from the standard AWS_* variables; so do the rights, unless ``rights`` lends them.

    ``pace`` is asked before bytes go on the wire. ``checksum`` is CRC64NVME, or CRC32 for a store that computes the
    former in slow motion; S3 checks either over the whole object.
    """

    def __init__(
        self, bucket: str, *, pace: Pace | None = None, rights: RoleAlias | None = None, checksum: str = "CRC64NVME"
    ) -> None:
        self._bucket = bucket
        self._checksum = checksum
        self._field = f"Checksum{checksum}"
        self._pace = pace
        self._rights = rights
        config = Config(
            retries={"max_attempts": 2, "mode": "standard"},
            connect_timeout=5,
            read_timeout=60,
            s3={"addressing_style": "path"},
        )
        session = boto3.Session()
        if rights is not None:
            session = boto3.Session(botocore_session=rights.session())
        self._s3: Any = session.client("s3", config=config)
        self._s3.meta.events.register("before-send.s3", _start)

    def crc(self, body: bytes, before: int = 0) -> int:
        """Return the CRC of what came before, followed by ``body``."""
        return zlib.crc32(body, before) if self._checksum == "CRC32" else int(checksums.crc64nvme(body, before))

    def put(self, key: str, body: bytes) -> None:
        """Store a whole object."""
        checked = {self._field: self._base64(self.crc(body))}
        self._call(key, lambda: self._s3.put_object(**self._at(key), Body=self._paced(body), **checked, **_type(key)))

    def begin(self, key: str) -> str:
        """Start a multipart upload."""
        answer = self._call(
            key,
            lambda: self._s3.create_multipart_upload(
                **self._at(key), ChecksumAlgorithm=self._checksum, ChecksumType="FULL_OBJECT", **_type(key)
            ),
        )
        mark = _WHOLE if answer.get("ChecksumType") == "FULL_OBJECT" else ""
        return f"{mark}{answer['UploadId']}"

    def part(self, key: str, upload_id: str, number: int, body: bytes) -> Part:
        """Store a part."""
        crc = self.crc(body)
        answer = self._call(
            key,
            lambda: self._s3.upload_part(
                **self._at(key),
                UploadId=upload_id.removeprefix(_WHOLE),
                PartNumber=number,
                Body=self._paced(body),
                **{self._field: self._base64(crc)},
            ),
        )
        return Part(str(answer["ETag"]), crc)

    def parts(self, key: str, upload_id: str) -> dict[int, str]:
        """Return number and tag of the stored parts."""
        where = {**self._at(key), "UploadId": upload_id.removeprefix(_WHOLE)}
        pages = self._s3.get_paginator("list_parts").paginate(**where)
        listed = self._call(key, lambda: [part for page in pages for part in page.get("Parts", [])])
        return {int(part["PartNumber"]): str(part["ETag"]) for part in listed}

    def complete(self, key: str, upload_id: str, parts: dict[int, Part], crc: int) -> None:
        """Make the object of its parts."""
        listed = [
            {"PartNumber": number, "ETag": part.etag, self._field: self._base64(part.crc)}
            for number, part in sorted(parts.items())
        ]
        whole = {self._field: self._base64(crc), "ChecksumType": "FULL_OBJECT"}
        self._call(
            key,
            lambda: self._s3.complete_multipart_upload(
                **self._at(key),
                UploadId=upload_id.removeprefix(_WHOLE),
                MultipartUpload={"Parts": listed},
                **(whole if upload_id.startswith(_WHOLE) else {}),
            ),
        )

    def reachable(self) -> str:
        """Say that the bucket exists and lets us in.

        Raises:
            PlatformError: Why not.

        """
        self._call("", lambda: self._s3.head_bucket(Bucket=self._bucket))
        return f"s3://{self._bucket} answers."

    def _paced(self, body: bytes) -> bytes | _PacedBody:
        return body if self._pace is None else _PacedBody(body, self._pace)

    def _base64(self, crc: int) -> str:
        return base64.b64encode(crc.to_bytes(4 if self._checksum == "CRC32" else 8, "big")).decode()

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": key}

    def _call(self, key: str, call: Callable[[], _Result]) -> _Result:
        where = f"s3://{self._bucket}/{key}"
        try:
            return call()
        except ClientError as error:
            if self._rights is not None and _code(error) in _STALE:
                self._rights.renew()
                raise Unavailable(f"{where}: {_code(error)}.", hint="The rights are fetched anew.") from error
            raise _translated(where, error) from error
        except BotoCoreError as error:
            raise Unavailable(f"{where}: {error}.", hint="Is the object store reachable?") from error


class _PacedBody(io.BytesIO):
    """Bytes that ask before they go: not while they are only hashed for the signature, but once they are sent."""

    def __init__(self, body: bytes, pace: Pace) -> None:
        super().__init__(body)
        self._pace = pace
        self.on_the_wire = False

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        if self.on_the_wire and piece:
            self._pace(len(piece))
        return piece


def _start(request: Any, **_: Any) -> None:
    if isinstance(request.body, _PacedBody):
        request.body.on_the_wire = True


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _translated(where: str, error: ClientError) -> PlatformError:
    code = _code(error)
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code == "NoSuchUpload":
        return UploadGone(f"{where}: the store has forgotten the upload.", hint="It starts again from the first part.")
    if status in _REFUSED:
        return Forbidden(f"{where}: refused ({code}).", hint="Check the drone's credentials and its bucket policy.")
    if status >= 500 or status in (0, 404, 408, 429) or code in ("SlowDown", "RequestTimeout", "BadDigest"):
        return Unavailable(f"{where}: {code or status}.", hint="Is the object store healthy?")
    return InvalidInput(f"{where}: {code}: {error}.")


def _type(key: str) -> dict[str, str]:
    return {"ContentType": _TYPES.get(key.rpartition(".")[2], "application/octet-stream")}
