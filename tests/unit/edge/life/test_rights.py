"""Root works in the agent's folder with the agent's rights: a link there leads to nothing that is not the agent's."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.life.jobs import JobFolder
from edge.life.slots import Slots

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
NOBODY = 65534


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder everybody may enter, unlike pytest's own: root's secrets, and the state of an agent's user."""
    made = Path(tempfile.mkdtemp(prefix="kr"))
    made.chmod(0o755)
    (made / "secrets").mkdir(mode=0o700)
    (made / "secrets" / "order").write_text("root's own")
    (made / "state").mkdir(mode=0o700)
    os.chown(made / "state", NOBODY, NOBODY)
    yield made
    shutil.rmtree(made)


def slots_at(place: Path) -> Slots:
    slots = Slots(place / "slots", place / "state")
    for version in ("1.0.0", "1.1.0"):
        slots.make(version, lambda _place: None)
    return slots


def test_what_root_puts_into_use_belongs_to_the_agents_user(place: Path) -> None:
    slots = slots_at(place)
    slots.use("1.0.0")
    slots.use("1.1.0")
    assert slots.current() == "1.1.0"
    update = place / "state" / "update"
    assert {path.lstat().st_uid for path in (update, *update.iterdir())} == {NOBODY}
    assert os.geteuid() == os.getegid() == 0


def test_a_link_in_place_of_the_folder_leads_nowhere(place: Path) -> None:
    (place / "state" / "update").symlink_to(place / "secrets")
    with pytest.raises(PermissionError):
        slots_at(place).use("1.0.0")
    assert (place / "secrets").stat().st_uid == 0, "given to nobody"
    assert [path.name for path in (place / "secrets").iterdir()] == ["order"]
    assert os.geteuid() == 0


def test_a_link_in_place_of_the_answer_leads_nowhere(place: Path) -> None:
    job = place / "state" / "update" / "job"
    job.mkdir(parents=True)
    for folder in (job, job.parent):
        os.chown(folder, NOBODY, NOBODY)
    (job / "result.json.part").symlink_to(place / "secrets" / "order")
    JobFolder(place / "state" / "update").answer("no")
    assert (place / "secrets" / "order").read_text() == "root's own"
    assert (job / "result.json").lstat().st_uid == NOBODY
