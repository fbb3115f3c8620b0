"""S3: video in, pictures and batches out. botocore's errors become ours here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from contracts.errors import NotFound, Unavailable
from vision.worker import Fetched

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
    except (BotoCoreError, OSError) as error:
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

    def fetch(self, key: str, path: Path) -> Fetched:
        """Write an object to a file; return its SHA-256 and version."""
        digest = hashlib.sha256()
        with _translated(key):
            answer = self._s3.get_object(Bucket=self._bucket, Key=key)
            with path.open("wb") as out:
                for piece in answer["Body"].iter_chunks(_PIECE_BYTES):
                    digest.update(piece)
                    out.write(piece)
        return Fetched(digest.hexdigest(), answer.get("VersionId", ""))

    def get(self, key: str) -> bytes:
        """Return a whole object."""
        with _translated(key):
            return bytes(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read())

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Store an object; the same again changes nothing."""
        with _translated(key):
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=content_type)

    def exists(self, key: str) -> bool:
        """Tell whether an object is there."""
        try:
            with _translated(key):
                self._s3.head_object(Bucket=self._bucket, Key=key)
        except NotFound:
            return False
        return True
