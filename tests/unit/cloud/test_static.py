"""What the browser loads: vendored files as locked, nothing from elsewhere, within the budget."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from pathlib import Path

from cloud.web.rendering import STATIC_DIR

REPOSITORY = Path(__file__).resolve().parents[3]
VENDOR = STATIC_DIR / "vendor"
BUDGET_BYTES = 600_000
COMPRESSED_ALREADY = {".woff2", ".jpg", ".png"}
NOT_LOADED = {"LICENSE", "LICENSE.txt", "vendor.lock"}


def locked() -> dict[str, str]:
    lock = json.loads((VENDOR / "vendor.lock").read_text())
    return {file["path"]: file["sha256"] for package in lock["packages"] for file in package["files"]}


def test_vendored_files_are_the_locked_ones() -> None:
    for path, digest in locked().items():
        assert hashlib.sha256((REPOSITORY / path).read_bytes()).hexdigest() == digest, path


def test_no_vendored_file_is_outside_the_lock() -> None:
    held = {p.relative_to(REPOSITORY).as_posix() for p in VENDOR.rglob("*") if p.is_file()}
    assert held - set(locked()) == {"cloud/web/static/vendor/vendor.lock"}


def test_each_vendored_package_brings_its_licence() -> None:
    for folder in (p for p in VENDOR.iterdir() if p.is_dir()):
        assert list(folder.glob("LICENSE*")), folder.name


def test_all_of_the_page_is_within_the_budget() -> None:
    sizes = {}
    for path in STATIC_DIR.rglob("*"):
        if path.is_file() and path.name not in NOT_LOADED:
            body = path.read_bytes()
            sizes[path.name] = len(body) if path.suffix in COMPRESSED_ALREADY else len(gzip.compress(body, 9))
    assert sum(sizes.values()) <= BUDGET_BYTES, sizes


def test_our_own_files_name_no_other_host() -> None:
    for path in [*STATIC_DIR.glob("*.js"), *STATIC_DIR.glob("*.css")]:
        addresses = set(re.findall(r"https?://[^\s\"'`]+", path.read_text()))
        assert addresses <= {"http://www.w3.org/2000/svg"}, path.name
