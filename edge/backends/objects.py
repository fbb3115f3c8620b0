"""S3 by low-level boto3 calls, so that a multipart upload can be resumed; vendor errors stop here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from contracts.errors import Forbidden, InvalidInput, PlatformError, Unavailable
from edge.uploader import Part, UploadGone

_Result = TypeVar("_Result")
_TYPES = {"mp4": "video/mp4", "json": "application/json", "jpg": "image/jpeg"}
_REFUSED = (401, 403)


class S3Objects:
    """One bucket. Where it is and with which rights comes from the standard AWS_* variables."""

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket
        config = Config(
            retries={"max_attempts": 2, "mode": "standard"},
            connect_timeout=5,
            read_timeout=60,
            s3={"addressing_style": "path"},
        )
        self._s3: Any = boto3.client("s3", config=config)

    def put(self, key: str, body: bytes, checksum: str) -> None:
        """Store a whole object."""
        self._call(key, lambda: self._s3.put_object(**self._at(key), Body=body, ChecksumSHA256=checksum, **_type(key)))

    def begin(self, key: str) -> str:
        """Start a multipart upload."""
        answer = self._call(
            key, lambda: self._s3.create_multipart_upload(**self._at(key), ChecksumAlgorithm="SHA256", **_type(key))
        )
        return str(answer["UploadId"])

    def part(self, key: str, upload_id: str, number: int, body: bytes, checksum: str) -> str:
        """Store a part."""
        answer = self._call(
            key,
            lambda: self._s3.upload_part(
                **self._at(key), UploadId=upload_id, PartNumber=number, Body=body, ChecksumSHA256=checksum
            ),
        )
        return str(answer["ETag"])

    def parts(self, key: str, upload_id: str) -> dict[int, Part]:
        """Return the stored parts."""
        pages = self._s3.get_paginator("list_parts").paginate(**self._at(key), UploadId=upload_id)
        listed = self._call(key, lambda: [part for page in pages for part in page.get("Parts", [])])
        return {int(p["PartNumber"]): Part(str(p["ETag"]), str(p.get("ChecksumSHA256", ""))) for p in listed}

    def complete(self, key: str, upload_id: str, parts: dict[int, Part]) -> None:
        """Make the object of its parts."""
        listed = [
            {"PartNumber": number, "ETag": part.etag, "ChecksumSHA256": part.checksum}
            for number, part in sorted(parts.items())
        ]
        self._call(
            key,
            lambda: self._s3.complete_multipart_upload(
                **self._at(key), UploadId=upload_id, MultipartUpload={"Parts": listed}
            ),
        )

    def reachable(self) -> str:
        """Say that the bucket exists and lets us in.

        Raises:
            PlatformError: Why not.

        """
        self._call("", lambda: self._s3.head_bucket(Bucket=self._bucket))
        return f"s3://{self._bucket} answers."

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": key}

    def _call(self, key: str, call: Callable[[], _Result]) -> _Result:
        try:
            return call()
        except ClientError as error:
            raise _translated(f"s3://{self._bucket}/{key}", error) from error
        except BotoCoreError as error:
            raise Unavailable(f"s3://{self._bucket}/{key}: {error}.", hint="Is the object store reachable?") from error


def _translated(where: str, error: ClientError) -> PlatformError:
    code = str(error.response.get("Error", {}).get("Code", ""))
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
