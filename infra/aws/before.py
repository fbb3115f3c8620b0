"""The templates of an earlier commit, written by that commit's own code."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from contracts.errors import NotFound
from infra.aws.gates.templates import Templates

TOUCHING = ("infra/aws", "contracts", "workflows", "requirements-aws.lock")
"""What the templates are made of."""
_KEPT = Path("build") / "aws-before"


def commit_of(base: str) -> str:
    """Return the commit that a name stands for.

    Raises:
        NotFound: git knows no such commit here (a shallow copy, perhaps).

    """
    done = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", f"{base}^{{commit}}"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotFound(f"git knows no commit {base!r}.", hint="Fetch it, or name another with BASE=…", field="base")
    return done.stdout.strip()


def touched(commit: str) -> bool:
    """Return whether anything that the templates are made of differs from a commit."""
    command = ["git", "diff", "--quiet", commit, "--", *TOUCHING]
    return subprocess.run(command, check=False).returncode != 0


def templates(commit: str, size: str) -> Templates:
    """Return a size's templates as that commit writes them; written once.

    Raises:
        NotFound: That commit's code cannot write them (it is too old, or broken).

    """
    kept = _KEPT / commit[:12] / size
    if (kept / "manifest.json").exists():
        return Templates.read(kept)
    with tempfile.TemporaryDirectory() as folder:
        _unpack(commit, Path(folder))
        return written(Path(folder), size, kept)


def written(code: Path, size: str, out: Path) -> Templates:
    """Let the code in a folder write a size's templates, and read them.

    Raises:
        NotFound: It cannot.

    """
    command = [sys.executable, "-m", "infra.aws", "synth", "-c", f"size={size}", "--out", str(out.resolve())]
    done = subprocess.run(command, cwd=code, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotFound(f"The code in {code} writes no templates.", hint=done.stderr.strip()[-300:])
    return Templates.read(out)


def _unpack(commit: str, folder: Path) -> None:
    command = ["git", "archive", "--format=tar", commit, "infra", "contracts", "workflows"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as archive:
        assert archive.stdout is not None  # noqa: S101 - a pipe was asked for
        with tarfile.open(fileobj=archive.stdout, mode="r|") as files:
            files.extractall(folder, filter="data")
    if archive.returncode:
        raise NotFound(f"git cannot unpack commit {commit[:12]}.")
