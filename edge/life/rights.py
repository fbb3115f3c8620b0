"""Root's hands in another user's folder: with no more rights than that user has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def rights_of(folder: Path) -> Iterator[None]:
    """Act as a folder's owner while the block runs.

    Where others may put links, what root writes, creates or hands over could be theirs to choose; as their user, a link
    leads nowhere they could not go themselves. Whoever is not root acts as himself. For programs of one thread: the
    rights are the process's.
    """
    if os.geteuid() != 0:
        yield
        return
    owner, groups = folder.stat(), os.getgroups()
    os.setgroups([owner.st_gid])
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
