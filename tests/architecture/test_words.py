"""Words that may not stand in this repository: paths of one machine, grab-bag names, unfinished work, secrets."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
GRAB_BAGS = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "base", "misc", "shared", "lib"}
TEXT_SUFFIXES = {".py", ".md", ".toml", ".json", ".html", ".js", ".css", ".yaml", ".yml", ".sh", ".txt", ".sql", ""}
# Written in pieces, so that this file does not hold what it forbids.
FORBIDDEN = {
    "a path of one machine": r"(?<![\w./-])/(" + "work|" + r"root|home/\w+)/\w",
    "unfinished work": r"\b(" + "TO" + "DO|FIX" + r"ME|X" + r"XX)\b",
    "a stub": r"raise NotImplemented" + "Error",
    "a private key": "-----BEGIN " + "(EC |RSA )?PRIVATE KEY-----",
}
FROM_OTHERS = ("cloud/web/static/vendor/", "edge/backends/mavlink_dialect.py", "LICENSE")


@cache
def tracked() -> tuple[Path, ...]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    names = [name for name in done.stdout.split("\0") if name and not name.startswith(FROM_OTHERS)]
    return tuple(REPOSITORY / name for name in names if (REPOSITORY / name).is_file())


def test_no_module_is_a_grab_bag() -> None:
    found = [p for p in tracked() if p.suffix == ".py" and GRAB_BAGS & {p.stem, p.parent.name}]
    assert [str(path.relative_to(REPOSITORY)) for path in found] == []


def test_forbidden_words_are_absent() -> None:
    found = []
    for path in tracked():
        if path.suffix in TEXT_SUFFIXES and path.stat().st_size < 1_000_000:
            text = path.read_text(errors="ignore")
            for reason, pattern in FORBIDDEN.items():
                found += [f"{path.relative_to(REPOSITORY)}: {reason}: {m[0]}" for m in re.finditer(pattern, text)]
    assert found == []


def test_nothing_big_is_committed() -> None:
    limit = 15_000_000
    assert [path.name for path in tracked() if path.stat().st_size > limit] == []
