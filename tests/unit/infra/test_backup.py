"""A backup as a file or a folder: whole or absent, closed to others, every byte checked, nothing newer taken."""

from __future__ import annotations

import io
import stat
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.errors import Conflict, CorruptMedia, InvalidInput, NotFound
from infra.local import doctor
from infra.local.backup import manifest, restoration
from infra.local.backup.manifest import Manifest, StoredObject
from infra.local.backup.parcel import Parcel, Writer, written

PARTS = {
    manifest.DATABASE: b"rows" * 1000,
    manifest.ROUTES: b"",
    manifest.INSTANCE: b"{}",
    "keys/ca.key": b"secret",
    "keys/command-keys/command-1.pem": b"public",
}
NAMES = ["b.tar", "b"]


def quiet(_said: str) -> None:
    pass


def fill(writer: Writer, schema: str = "") -> Manifest:
    members = tuple(writer.add(name, io.BytesIO(text), len(text)) for name, text in PARTS.items())
    video = writer.add("objects/00000001", io.BytesIO(b"film" * 5000), 20_000)
    stored = StoredObject(key="flights/ü.mp4", member=video, content_type="video/mp4", metadata={}, version="v1")
    now = datetime.now(UTC)
    made = Manifest(
        format=manifest.FORMAT,
        kestrel_version="0",
        schema_version=schema or doctor.head(),
        postgres_version="18",
        snapshot_at=now,
        finished_at=now,
        roles=(),
        tables={},
        members=members,
        objects=(stored,),
        routes=0,
    )
    text = made.model_dump_json().encode()
    writer.add(manifest.NAME, io.BytesIO(text), len(text))
    return made


@pytest.fixture(params=NAMES)
def backup(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    target = tmp_path / str(request.param)
    with written(target) as writer:
        fill(writer)
    return target


def test_what_was_written_is_read_back(backup: Path, tmp_path: Path) -> None:
    with Parcel(backup) as parcel:
        found = restoration.check(parcel, quiet)
        assert parcel.extract(manifest.KEYS, tmp_path / "keys") == 2
    assert found.objects[0].key == "flights/ü.mp4"
    assert (tmp_path / "keys" / "command-keys" / "command-1.pem").read_bytes() == b"public"


def test_only_its_owner_may_read_it(backup: Path) -> None:
    for path in [backup, *backup.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


@pytest.mark.parametrize("name", NAMES)
def test_a_backup_that_fails_midway_leaves_nothing(tmp_path: Path, name: str) -> None:
    def fails() -> None:
        with written(tmp_path / name) as writer:
            writer.add("one", io.BytesIO(b"1"), 1)
            writer.add("two", io.BytesIO(b"short"), 500)

    with pytest.raises(Conflict, match="two: 5 bytes came, 500 were announced"):
        fails()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(backup: Path) -> None:
    with pytest.raises(Conflict, match="exists"), written(backup):
        pass
    with pytest.raises(NotFound, match="There is no folder"), written(backup.parent / "absent" / "b.tar"):
        pass


def _flip(backup: Path) -> None:
    path = backup if backup.is_file() else backup / "objects" / "00000001"
    whole = path.read_bytes()
    at = whole.index(b"filmfilm") + 9000
    path.write_bytes(whole[:at] + b"?" + whole[at + 1 :])


def _cut(backup: Path) -> None:
    path = backup if backup.is_file() else backup / manifest.NAME
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _lose(backup: Path) -> None:
    if backup.is_dir():
        (backup / manifest.DATABASE).unlink()
        return
    with tarfile.open(backup) as tar:
        kept = [(head, tar.extractfile(head)) for head in tar if head.name != manifest.DATABASE]
        bodies = [(head, body.read()) for head, body in kept if body]
    with tarfile.open(backup, "w") as tar:
        for head, text in bodies:
            tar.addfile(head, io.BytesIO(text))


def _empty(backup: Path) -> None:
    if backup.is_file():
        backup.write_bytes(b"")
    else:
        (backup / manifest.NAME).unlink()


@pytest.mark.parametrize("damage", [_flip, _cut, _lose, _empty])
def test_half_or_altered_is_refused_before_anything_is_made(
    backup: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    damage(backup)
    with pytest.raises(CorruptMedia) as refused:
        restoration.restore(backup, tmp_path / "state", quiet)
    assert refused.value.message
    assert not (tmp_path / "state").exists()


def test_a_newer_versions_backup_is_refused(tmp_path: Path) -> None:
    with written(tmp_path / "b.tar") as writer:
        fill(writer, schema="9999")
    with pytest.raises(InvalidInput, match=f"schema 9999 .* its newest is {doctor.head()}"):
        restoration.restore(tmp_path / "b.tar", tmp_path / "state", quiet)


def test_an_occupied_state_directory_is_left_alone(backup: Path, tmp_path: Path) -> None:
    mine = tmp_path / "state" / "mine"
    mine.parent.mkdir()
    mine.write_text("kept")
    with pytest.raises(Conflict, match="not empty"):
        restoration.restore(backup, mine.parent, quiet)
    assert mine.read_text() == "kept"


def test_no_member_leads_out_of_its_folder(tmp_path: Path) -> None:
    with written(tmp_path / "b") as writer:
        made = fill(writer)
    (tmp_path / "secret").write_text("outside")
    bad = made.members[0].model_copy(update={"name": "keys/../../secret"})
    (tmp_path / "b" / manifest.NAME).write_text(made.model_copy(update={"members": (bad,)}).model_dump_json())
    with Parcel(tmp_path / "b") as parcel, pytest.raises((NotFound, InvalidInput)):
        parcel.extract(manifest.KEYS, tmp_path / "keys")
    assert not (tmp_path / "keys").exists()
