"""`kestrel backup`: one moment of the database, then every object, the routes, the keys and the configuration."""

from __future__ import annotations

import importlib.metadata
import io
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from infra.local import broker, table
from infra.local.backup import database, manifest
from infra.local.backup.manifest import Manifest, Member
from infra.local.backup.parcel import Writer, written
from infra.local.backup.stores import Stores
from infra.local.postgres import Postgres
from infra.local.stack import Stack

Progress = Callable[[str], None]
"""Told in a few words what is being done."""
_TOLD_EVERY = 100


def take(stack: Stack, target: Path, progress: Progress) -> Manifest:
    """Write a backup of a running instance; `target` is a folder, or a file when it ends in ``.tar``.

    Raises:
        Conflict: ``target`` exists, or an object changed while it was read.
        NotFound: The folder that shall hold it does not exist.
        Unavailable: Postgres or the stores do not answer. Nothing is left behind.

    """
    server = table.database_of(stack.layout, stack.instance)
    stores = Stores(stack.ports["emulator"], stack.instance.aws_secret)
    with written(target) as writer:
        with database.snapshot(server) as taken:
            progress(f"database: {taken.rows():,} rows as of {taken.at:%H:%M:%S} UTC")
            dumped = _dump(server, taken, target.parent, writer)
        keys = stores.keys()
        progress(f"objects: {len(keys):,}")
        objects = stores.save_objects(keys, writer, every(progress, "objects", len(keys)))
        routes, count = stores.save_routes(writer)
        made = Manifest(
            format=manifest.FORMAT,
            kestrel_version=importlib.metadata.version("kestrel"),
            schema_version=taken.schema_version,
            postgres_version=taken.postgres_version,
            snapshot_at=taken.at,
            finished_at=datetime.now(UTC),
            roles=taken.roles,
            tables=taken.tables,
            members=(dumped, routes, *_configuration(stack, writer)),
            objects=tuple(objects),
            routes=count,
        )
        text = made.model_dump_json(indent=1).encode()
        writer.add(manifest.NAME, io.BytesIO(text), len(text))
    return made


def every(progress: Progress, what: str, total: int) -> Callable[[int], None]:
    """Return what tells ``progress`` now and then how many are done."""

    def told(done: int) -> None:
        if done % _TOLD_EVERY == 0 or done == total:
            progress(f"{what}: {done:,} of {total:,}")

    return told


def _dump(server: Postgres, taken: database.Snapshot, beside: Path, writer: Writer) -> Member:
    # A tar must know a member's size before its first byte.
    with tempfile.TemporaryFile(dir=beside) as spooled:
        database.dump(server, taken, spooled)
        size_bytes = spooled.seek(0, io.SEEK_END)
        spooled.seek(0)
        return writer.add(manifest.DATABASE, spooled, size_bytes)


def _configuration(stack: Stack, writer: Writer) -> list[Member]:
    """Write the ports and passwords, the quarantined drones, the authority and every key."""
    folder = stack.keys.folder
    files = {manifest.KEYS + path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.*"))}
    files[manifest.INSTANCE] = stack.layout.instance_file
    rules = broker.rules_file(stack.layout.of("mosquitto"))
    if rules.exists():
        files[manifest.RULES] = rules
    contents = {name: path.read_bytes() for name, path in files.items()}
    return [writer.add(name, io.BytesIO(content), len(content)) for name, content in contents.items()]
