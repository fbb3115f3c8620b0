"""A whole platform, with its flight, film, findings and tickets, restored from a backup that was taken while it ran."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - it is a class

from infra.local import table
from infra.local.backup import database
from infra.local.backup.parcel import Parcel
from infra.local.backup.stores import Stores
from infra.local.stack import Stack
from tests.journeys.conftest import KESTREL, Flown

pytestmark = pytest.mark.journey


def kestrel(*words: str) -> dict[str, object]:
    done = subprocess.run([str(KESTREL), *words, "--json"], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_a_restored_platform_holds_what_the_running_one_did(flown: Flown, tmp_path: Path) -> None:
    here, there = flown.stack, Stack(tmp_path / "there")
    backup = tmp_path / "backup.tar"
    said = kestrel("backup", str(backup), "--state-dir", str(here.layout.state_dir))
    again = kestrel("restore", str(backup), "--state-dir", str(there.layout.state_dir))
    assert said["rows"] == again["rows"]
    assert again["snapshot_at"] == said["snapshot_at"]
    assert {p.name: p.read_bytes() for p in there.keys.folder.glob("*.*")} == {
        p.name: p.read_bytes() for p in here.keys.folder.glob("*.*")
    }
    there.up(["postgres", "emulator"])
    try:
        with Parcel(backup) as parcel, database.connected(table.database_of(there.layout, there.instance)) as cursor:
            _compare(parcel, cursor, Stores(there.ports["emulator"], there.instance.aws_secret), flown)
    finally:
        there.down()
    assert not list(tmp_path.glob(".*")), "nothing is left beside"


def _compare(parcel: Parcel, cursor: Cursor, stores: Stores, flown: Flown) -> None:
    made = parcel.manifest
    found = database.states(cursor)
    assert {n: s for n, s in found.items() if n != "public.drones"} == {
        n: s for n, s in made.tables.items() if n != "public.drones"
    }
    [numbers] = database.one(cursor, "SELECT min(command_seq) FROM drones")
    assert numbers >= database.COMMAND_NUMBERS_APART, "drones take the next command"
    [findings] = database.one(cursor, "SELECT count(*) FROM findings")
    assert findings >= len(flown.report["tickets"]) > 0
    assert stores.hashes() == {stored.key: stored.member.sha256 for stored in made.objects}
    assert any(stored.key.endswith(".mp4") for stored in made.objects)
