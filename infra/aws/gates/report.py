"""Every gate on every size, and the table at the end."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from infra.aws.gates import actions, cost, guard, iam, invariants, mutations, nag, picture, scan, snapshot
from infra.aws.gates.templates import Templates
from infra.aws.place import Place, place_of

LINT_IGNORED = ("W3005", "W3010")
"""A dependency named twice (the CDK is careful), and zones named in the template (synthesis asks no account)."""
MUTATIONS_TO_CATCH = 28
DOCS = Path(__file__).resolve().parents[3] / "docs"


class Row(NamedTuple):
    """One gate of one size."""

    gate: str
    size: str
    passed: bool
    said: str
    findings: tuple[str, ...] = ()


def _row(gate: str, place: Place, found: list[str], looked_at: str) -> Row:
    return Row(gate, place.size.name, not found, f"{len(found)} findings in {looked_at}", tuple(found))


def lint(folder: Path, place: Place) -> Row:
    """Run cfn-lint."""
    files = [str(path) for path in sorted(folder.glob("*.template.json"))]
    command = [str(Path(sys.executable).with_name("cfn-lint")), "-i", *LINT_IGNORED, "--format", "parseable"]
    done = subprocess.run(
        [*command, "--regions", place.region, "--", *files], capture_output=True, text=True, check=False
    )
    found = done.stdout.splitlines() or (done.stderr.splitlines()[-3:] if done.returncode else [])
    return _row("cfn-lint", place, found, f"{len(files)} templates")


def mutation(templates: Templates, place: Place) -> Row:
    """Put each regression in; count what the gates catch."""
    verdicts = [mutations.judge(templates, place, one) for one in mutations.of_size(place.size.name)]
    missed = tuple(f"slipped through: {one.mutation.name}" for one in verdicts if not one.findings)
    caught = len(verdicts) - len(missed)
    enough = caught >= MUTATIONS_TO_CATCH
    return Row("mutations", place.size.name, enough, f"{caught} of {len(verdicts)} caught", missed)


def gates(folder: Path, place: Place) -> Iterator[Row]:
    """Run every gate on the templates of one place, which a synthesis with ``--nag`` left in ``folder``."""
    templates = Templates.read(folder)
    resources = sum(1 for _ in templates.all())
    yield Row("synth", place.size.name, resources > 0, f"{len(templates.stacks)} stacks, {resources} resources")
    yield lint(folder, place)
    found = nag.findings(folder / "validation-report.json")
    yield _row("cdk-nag", place, nag.unaccepted(found, nag.acceptances()), f"{len(found)}, the others accepted")
    policies = len(list(iam.statements(templates)))
    yield _row("IAM", place, [*iam.findings(templates), *actions.findings(templates)], f"{policies} statements")
    yield _row("invariants", place, invariants.findings(templates, place), f"{len(invariants.RULES)} rules")
    yield mutation(templates, place)
    yield _row("cost", place, cost.findings(templates, place), "idle and in use, as docs/cost.md says")


def repeated(folder: Path) -> Row:
    """Write a size's templates once more: one that differs by itself would change with each deployment."""
    with tempfile.TemporaryDirectory() as again:
        command = [sys.executable, "-m", "infra.aws", "synth", "-c", f"size={folder.name}", "--out", again]
        subprocess.run(command, check=True, capture_output=True)
        first, second = _bytes(folder), _bytes(Path(again))
    found = tuple(f"{name} differs" for name in sorted({*first, *second}) if first.get(name) != second.get(name))
    return Row("written twice", folder.name, bool(first) and not found, f"{len(first)} templates, byte by byte", found)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.glob("*.template.json")}


def pictured(folders: list[Path]) -> Row:
    """Compare what the templates of all sizes hold with what is kept of it."""
    now = snapshot.merged({folder.name: snapshot.pictured(Templates.read(folder)) for folder in folders})
    kept = snapshot.read()
    found = snapshot.findings(now, kept)
    if found:
        found.append("meant? `make infra-snapshot`, and read its diff")
    return Row("snapshots", "all", not found, f"{sum(map(len, kept.values()))} resources as kept", tuple(found))


def drawn(folders: list[Path]) -> Row:
    """Compare the bill and the picture in docs/ with what the templates give now."""
    read = {folder.name: Templates.read(folder) for folder in folders}
    now = {
        "cost.md": cost.page({size: (templates, place_of({"size": size})) for size, templates in read.items()}),
        "aws.svg": picture.svg(read["fleet"]),
    }
    found = tuple(f"docs/{name} is old" for name, text in now.items() if (DOCS / name).read_text("utf-8") != text)
    return Row("pages", "all", not found, f"{', '.join(now)} as the templates give them", found)


def stale(folders: list[Path], place: Place) -> Row:
    """Say which accepted findings no size has any more."""
    found = [one for folder in folders for one in nag.findings(folder / "validation-report.json")]
    rows = nag.acceptances()
    return _row("accepted findings", place, nag.stale(found, rows), f"{len(rows)} rows")._replace(size="all")


def scanned(folders: list[Path], place: Place) -> Iterator[Row]:
    """Scan all sizes and the Dockerfiles at once: checkov takes longer to start than to read a size."""
    found, passed = scan.scan(folders)
    linted = scan.linted()
    rows = nag.acceptances(scan.ACCEPTED)
    looked_at = f"{len(found)}, the others accepted; {passed} checks passed"
    yield _row("checkov", place, nag.unaccepted(found, rows), looked_at)._replace(size="all")
    looked_at = f"{len(linted)} in {len(scan.dockerfiles())} Dockerfiles, the others accepted"
    yield _row("hadolint", place, nag.unaccepted(linted, rows), looked_at)._replace(size="all")
    both = [*found, *linted]
    yield _row("accepted by scan", place, nag.stale(both, rows), f"{len(rows)} rows")._replace(size="all")


def guarded(folder: Path, place: Place) -> Iterator[Row]:
    """Run cfn-guard on the biggest size, which has every stack: it takes longer than all the other gates of a size."""
    found, rows = guard.scan(folder), nag.acceptances(guard.ACCEPTED)
    looked_at = f"{len(found)}, the others accepted"
    yield _row("cfn-guard", place, nag.unaccepted(found, rows), looked_at)
    yield _row("accepted by guard", place, nag.stale(found, rows), f"{len(rows)} rows")


def table(rows: list[Row], write: Callable[[str], object]) -> None:
    """Write what failed, then the table."""
    for row in rows:
        for finding in row.findings:
            write(f"{row.gate} ({row.size}): {finding}\n")
    write(f"\n{'gate':<18} {'size':<11} {'':<7} \n")
    for row in rows:
        write(f"{row.gate:<18} {row.size:<11} {'ok' if row.passed else 'FAILED':<7} {row.said}\n")
