"""`kestrel restore`: all is checked, rebuilt beside the place it goes to, compared, and moved there when whole."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path

from contracts.errors import Conflict, CorruptMedia, InvalidInput
from infra.local import broker, doctor, supervisor, table
from infra.local.backup import database, manifest
from infra.local.backup.capture import Progress, every
from infra.local.backup.manifest import Manifest
from infra.local.backup.parcel import Parcel
from infra.local.backup.stores import Stores
from infra.local.files import write_private
from infra.local.layout import Layout
from infra.local.stack import Stack

_STORES = ["postgres", "emulator", "resources"]
_REVISION = re.compile(r"^revision\b[^=]*=\s*[\"'](\w+)[\"']", re.MULTILINE)


def check(parcel: Parcel, progress: Progress) -> Manifest:
    """Read a backup through and compare every hash.

    Raises:
        CorruptMedia: A part is missing or differs.

    """
    found = parcel.manifest
    needed = {manifest.DATABASE, manifest.ROUTES, manifest.INSTANCE, f"{manifest.KEYS}ca.key"}
    if missing := sorted(needed - {member.name for member in found.members}):
        raise CorruptMedia(f"{parcel.path} lacks {', '.join(missing)}.", hint="Take another backup.")
    members = found.every_member()
    told = every(progress, "checked", len(members))
    for number, member in enumerate(members, start=1):
        parcel.check(member)
        told(number)
    return found


def restore(path: Path, state_dir: Path, progress: Progress) -> Manifest:
    """Rebuild an instance in an empty state directory; it is down afterwards. Killed midway, nothing is there.

    Raises:
        Conflict: The state directory is not empty, or lives.
        InvalidInput: The backup is of a newer version than this one.
        CorruptMedia: The backup is not whole, or the database it gave differs from it.

    """
    target = Stack(state_dir).layout
    _refuse_occupied(target)
    with Parcel(path) as parcel:
        refuse_newer(parcel.manifest)
        found = check(parcel, progress)
        aside = Stack(target.state_dir.with_name(f".{target.state_dir.name}.restoring-{os.getpid()}"))
        try:
            _rebuild(parcel, aside, progress)
            aside.down()
            _refuse_occupied(target)
            aside.layout.state_dir.rename(target.state_dir)
        finally:
            _clear(aside)
    return found


def refuse_newer(found: Manifest) -> None:
    """Let pass a backup whose schema this code has or can migrate.

    Raises:
        InvalidInput: It comes from a newer version.

    """
    known = {revision for path in doctor.MIGRATIONS.glob("*.py") for revision in _REVISION.findall(path.read_text())}
    if found.schema_version not in {*known, ""}:
        raise InvalidInput(
            f"The backup has schema {found.schema_version} of Kestrel {found.kestrel_version}."
            f" This version does not know it: its newest is {doctor.head()}.",
            hint="Install that version or a newer one, and restore with it.",
            field="schema_version",
        )


def _refuse_occupied(target: Layout) -> None:
    if target.state_dir.exists() and any(target.state_dir.iterdir()):
        running = supervisor.holder(target)
        what = f"an instance lives there (supervisor {running})" if running else "it is not empty"
        raise Conflict(
            f"Nothing is restored into {target.state_dir}: {what}.",
            hint="Name an empty --state-dir, or stop the instance and move its folder away.",
        )


def _rebuild(parcel: Parcel, stack: Stack, progress: Progress) -> None:
    found, layout = parcel.manifest, stack.layout
    layout.create()
    parcel.extract(manifest.KEYS, layout.certificates)
    by_name = {member.name: member for member in found.members}
    write_private(layout.instance_file, parcel.read(by_name[manifest.INSTANCE]))
    if manifest.RULES in by_name:
        rules = broker.rules_file(layout.of("mosquitto"))
        rules.parent.mkdir(mode=0o700)
        write_private(rules, parcel.read(by_name[manifest.RULES]))
    progress("starting the stores")
    stack.up(_STORES)
    server = table.database_of(layout, stack.instance)
    progress("database")
    with parcel.open(manifest.DATABASE) as dump:
        database.load(server, dump, found.roles)
    database.compare(server, found.tables)
    if found.schema_version:
        database.move_command_numbers(server)
    stores = Stores(stack.ports["emulator"], stack.instance.aws_secret)
    stores.load_objects(parcel, every(progress, "objects", len(found.objects)))
    stores.load_routes(parcel.read(by_name[manifest.ROUTES]))
    if found.schema_version != doctor.head():
        progress(f"migrating from {found.schema_version or 'nothing'} to {doctor.head()}")
        stack.up([*_STORES, "migrate"])


def _clear(aside: Stack) -> None:
    """End and remove what a failed restore left; after a good one there is only the folder of its sockets."""
    if aside.layout.state_dir.exists():
        with contextlib.suppress(OSError):
            aside.down()
        shutil.rmtree(aside.layout.state_dir, ignore_errors=True)
    shutil.rmtree(aside.layout.sockets(), ignore_errors=True)
