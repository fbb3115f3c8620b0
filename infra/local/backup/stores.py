"""Objects and routes in a backup: read from and written to S3 and DynamoDB, wherever they answer.

Objects are copied after the database's snapshot was taken. A row is committed only when its object is stored, and
nothing deletes objects, so every object that the snapshot names is there; what came later is copied too, harmlessly.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from contracts.errors import Unavailable
from contracts.resources import BUCKET, ROUTES_TABLE
from infra.local import emulator
from infra.local.backup import manifest
from infra.local.backup.manifest import Member, StoredObject
from infra.local.backup.parcel import Parcel, Writer

_CONFIG = Config(connect_timeout=3, read_timeout=60, retries={"mode": "standard", "max_attempts": 3})
_PIECE_BYTES = 1 << 20
Told = Callable[[int], None]
"""Told how many objects are done."""


class Stores:
    """The bucket and the table of one instance."""

    def __init__(self, port: int, secret: str) -> None:
        where = emulator.client_environment(port, secret)
        self._s3, self._dynamo = (
            boto3.client(
                service,
                endpoint_url=where["AWS_ENDPOINT_URL"],
                region_name=where["AWS_REGION"],
                aws_access_key_id=where["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=where["AWS_SECRET_ACCESS_KEY"],
                config=_CONFIG,
            )
            for service in ("s3", "dynamodb")
        )

    def keys(self) -> list[str]:
        """Return the key of every object."""
        with _answered("the object store"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
            return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of every object, by key."""
        return {key: self._sha256(key) for key in self.keys()}

    def _sha256(self, key: str) -> str:
        digest = hashlib.sha256()
        with _answered(key):
            for piece in self._s3.get_object(Bucket=BUCKET, Key=key)["Body"].iter_chunks(_PIECE_BYTES):
                digest.update(piece)
        return digest.hexdigest()

    def save_objects(self, keys: list[str], writer: Writer, told: Told) -> list[StoredObject]:
        """Copy every object into a parcel."""
        done = []
        for number, key in enumerate(keys, start=1):
            with _answered(key):
                answer = self._s3.get_object(Bucket=BUCKET, Key=key)
                # By number: a key may hold what no file name may.
                member = writer.add(f"{manifest.OBJECTS}{number:08d}", answer["Body"], answer["ContentLength"])
            done.append(
                StoredObject(
                    key=key,
                    member=member,
                    content_type=answer.get("ContentType", ""),
                    metadata=answer.get("Metadata", {}),
                    version=answer.get("VersionId", ""),
                )
            )
            told(number)
        return done

    def load_objects(self, parcel: Parcel, told: Told) -> None:
        """Store every object of a parcel; each is stored whole or not at all."""
        for number, stored in enumerate(parcel.manifest.objects, start=1):
            with _answered(stored.key), parcel.open(stored.member.name) as body:
                self._s3.put_object(
                    Bucket=BUCKET,
                    Key=stored.key,
                    Body=body,
                    ContentLength=stored.member.size_bytes,
                    ContentType=stored.content_type,
                    Metadata=stored.metadata,
                )
            told(number)

    def save_routes(self, writer: Writer) -> tuple[Member, int]:
        """Copy the routes, one DynamoDB item a line."""
        with _answered("the routes table"):
            pages = self._dynamo.get_paginator("scan").paginate(TableName=ROUTES_TABLE)
            lines = [json.dumps(item, sort_keys=True) for page in pages for item in page["Items"]]
        text = "".join(line + "\n" for line in sorted(lines)).encode()
        return writer.add(manifest.ROUTES, io.BytesIO(text), len(text)), len(lines)

    def load_routes(self, text: bytes) -> None:
        """Store the routes of a parcel."""
        with _answered("the routes table"):
            for line in text.splitlines():
                self._dynamo.put_item(TableName=ROUTES_TABLE, Item=json.loads(line))


@contextmanager
def _answered(what: str) -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise Unavailable(f"{what}: {error}", hint="See `kestrel doctor`; then try again.") from error
