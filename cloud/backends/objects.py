"""S3: media objects. botocore's errors become ours here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cloud.services import ObjectInfo
from contracts.errors import NotFound, Unavailable

_PIECE_BYTES = 1 << 20
_MISSING = {"NoSuchKey", "404", "NotFound"}


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _MISSING:
            raise NotFound(f"No object {key!r} in the store.") from error
        raise Unavailable(f"The object store refused {key!r}: {code}.", hint="Try again.") from error
    except BotoCoreError as error:
        raise Unavailable(f"The object store did not answer for {key!r}: {error}.", hint="Try again.") from error


class S3Objects:
    """One bucket."""

    def __init__(self, bucket: str) -> None:
        config = Config(connect_timeout=3, read_timeout=30, retries={"mode": "standard", "max_attempts": 3})
        self._s3 = boto3.client("s3", config=config)
        at_once = Config(connect_timeout=1, read_timeout=2, retries={"max_attempts": 0})
        self._asked = boto3.client("s3", config=at_once)
        self._bucket = bucket

    def reach(self) -> None:
        """Ask for the bucket, once and briefly; Unavailable when it does not answer."""
        try:
            with _translated(self._bucket):
                self._asked.head_bucket(Bucket=self._bucket)
        except NotFound as error:
            raise Unavailable(f"The object store has no bucket {self._bucket!r}.") from error

    def get(self, key: str) -> bytes:
        """Return the whole object."""
        with _translated(key):
            return bytes(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read())

    def put(self, key: str, body: bytes, content_type: str) -> ObjectInfo:
        """Store an object."""
        with _translated(key):
            answer = self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=content_type)
        return ObjectInfo(key, len(body), answer.get("VersionId", ""))

    def head(self, key: str) -> ObjectInfo:
        """Return size and version."""
        with _translated(key):
            answer = self._s3.head_object(Bucket=self._bucket, Key=key)
        return ObjectInfo(key, answer["ContentLength"], answer.get("VersionId", ""))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield every object below a prefix."""
        with _translated(prefix):
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                for item in page.get("Contents", []):
                    yield ObjectInfo(item["Key"], item["Size"], "")

    def presign_get(self, key: str, expires_s: int = 900) -> str:
        """Return a link that reads the object for a while."""
        params = {"Bucket": self._bucket, "Key": key}
        return str(self._s3.generate_presigned_url("get_object", Params=params, ExpiresIn=expires_s))

    def sha256_stream(self, key: str) -> str:
        """Return the SHA-256 of the object's bytes."""
        digest = hashlib.sha256()
        with _translated(key):
            for piece in self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].iter_chunks(_PIECE_BYTES):
                digest.update(piece)
        return digest.hexdigest()

    def read_range(self, key: str, first: int, last: int) -> bytes:
        """Return bytes ``first``..``last``."""
        with _translated(key):
            answer = self._s3.get_object(Bucket=self._bucket, Key=key, Range=f"bytes={first}-{last}")
            return bytes(answer["Body"].read())
