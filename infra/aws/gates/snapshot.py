"""What the templates of all sizes hold, short enough to be read in a diff: kept in ``infra/aws/snapshots``.

A stack is a file. A resource is called by its id without the CDK's hash, and says what matters for security in plain
words (a statement of a policy is a line); everything else about it is one number, so that no change passes unseen.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from infra.aws.gates.templates import Resource, Templates, listed
from infra.aws.sizes import SIZES

FOLDER = Path(__file__).resolve().parents[1] / "snapshots"
Shown = dict[str, Any]
"""Of one resource: ``kept`` (what a deletion of the stack leaves), named properties, and ``rest``."""
Stacks = dict[str, dict[str, Shown]]
"""By stack, then by ``type id``."""

_TELLING = re.compile(
    r"Encrypt|K[Mm][Ss]|Public|Policy|Polic|Principal|Security|Cidr|Lock|Deletion|Protect|Retention|Versioning|MultiAZ|"
    r"Backup|Auth|M[Ff]a|Tls|TLS|Ssl|Ownership|Replica|Scheme|^Enable|Insights|Trail|Boundary|IsLogging|IsMultiRegion|"
    r"Rotation|^Features|^Roles?$|^Action|Vpc|^Port|FromPort|ToPort|IpProtocol|RuleAction|Features|AuditCheck|ErrorAction|"
    r"^Source|Redrive|^Services?Name|Immutab|Mutability|Threshold|Budget|^SSE"
)
_REST = {"PolicyName", "LifecyclePolicy"}
"""Names that sound telling and are not."""
_SILENT = {"Tags", "UserPoolTags", "BackupPlanTags", "BackupVaultTags", "TagSpecifications"}
_HASHED = re.compile(r"\b([A-Za-z0-9]*?[a-z][A-Za-z0-9]*?)[0-9A-F]{8}\b")
_ASSET = re.compile(r"\b[0-9a-f]{64}\b")


def pictured(templates: Templates) -> Stacks:
    """Return what one size's templates hold."""
    return {stack: dict(_resources(templates, stack)) for stack in sorted(templates.stacks)}


def _resources(templates: Templates, stack: str) -> Iterator[tuple[str, Shown]]:
    found = sorted((one for one in templates.all() if one.stack == stack), key=lambda one: (one.type, one.id))
    titles = Counter(_title(one) for one in found)
    for one in found:
        title = _title(one)
        # Two that differ in the hash only keep it.
        yield (title if titles[title] == 1 else f"{one.type} {one.id}"), _shown(templates, one)


def _title(resource: Resource) -> str:
    return f"{resource.type} {_unhashed(resource.id)}"


def _unhashed(text: str) -> str:
    return _HASHED.sub(r"\1", text)


def _shown(templates: Templates, resource: Resource) -> Shown:
    shown: Shown = {}
    if policy := resource.whole.get("DeletionPolicy"):
        shown["kept"] = policy
    rest = {}
    for name, value in sorted(resource.properties.items()):
        if name in _SILENT:
            continue
        told = plain(templates, value, resource.stack)
        if _TELLING.search(name) and name not in _REST:
            shown[name] = told
        else:
            rest[name] = told
    if rest:
        shown["rest"] = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:8]
    return shown


def plain(templates: Templates, value: Any, stack: str) -> Any:
    """Return a template's value with its references as ``${...}``, its statements of policies as sentences."""
    if isinstance(value, list):
        return [plain(templates, one, stack) for one in value]
    if isinstance(value, dict):
        return _plain(templates, value, stack)
    return _ASSET.sub("<asset>", value) if isinstance(value, str) else value


def _plain(templates: Templates, value: dict[str, Any], stack: str) -> Any:
    if len(value) == 1 and set(value) <= {"Ref", "Fn::GetAtt", "Fn::ImportValue"}:
        return f"${{{_unhashed(templates.resolved(value, stack).removeprefix(f'{stack}/'))}}}"
    if set(value) == {"Statement", "Version"}:
        return plain(templates, listed(value["Statement"]), stack)
    told = {name: plain(templates, one, stack) for name, one in value.items()}
    if set(value) == {"Fn::Join"}:
        glue, parts = told["Fn::Join"]
        return glue.join(map(str, parts)) if isinstance(parts, list) else str(parts)
    return _sentence(told) if value.get("Effect") in {"Allow", "Deny"} else told


def _sentence(said: Mapping[str, Any]) -> str:
    """Return a statement of a policy as a line."""
    words = [str(said["Effect"])]
    if who := said.get("Principal"):
        words.append(who if isinstance(who, str) else ", ".join(f"{k} {_row(v)}" for k, v in sorted(who.items())))
        words.append("to")
    words.append(_row(said.get("Action", "")))
    words += [f"{name} {_row(said[name])}" for name in ("NotAction", "NotPrincipal", "NotResource") if name in said]
    if "Resource" in said:
        words += ["on", _row(said["Resource"])]
    if conditions := said.get("Condition"):
        words += ["if", json.dumps(conditions, sort_keys=True)]
    return " ".join(words)


def _row(value: object) -> str:
    return " ".join(str(one) for one in listed(value))


def merged(sizes: Mapping[str, Stacks]) -> Stacks:
    """Return one picture of several sizes: what they share is said once, what differs under ``by size``."""
    whole: Stacks = {}
    for stack in sorted({name for one in sizes.values() for name in one}):
        titles = sorted({title for one in sizes.values() for title in one.get(stack, {})})
        whole[stack] = {title: _both({size: one.get(stack, {}).get(title) for size, one in sizes.items()})
                        for title in titles}  # fmt: skip
    return whole


def _both(found: Mapping[str, Shown | None]) -> Shown:
    there = {size: shown for size, shown in found.items() if shown is not None}
    names = sorted({name for shown in there.values() for name in shown}, key=lambda name: (name == "rest", name))
    whole: Shown = {} if len(there) == len(found) else {"only": list(there)}
    for name in names:
        values = {size: shown[name] for size, shown in there.items() if name in shown}
        first = next(iter(values.values()))
        same = len(values) == len(there) and all(value == first for value in values.values())
        whole[name] = first if same else {"by size": values}
    return whole


def telling(stacks: Stacks) -> Stacks:
    """Return a picture without the numbers that stand for the rest."""
    return {
        stack: {title: {k: v for k, v in shown.items() if k != "rest"} for title, shown in resources.items()}
        for stack, resources in stacks.items()
    }


def of_size(whole: Stacks, size: str) -> Stacks:
    """Return what a merged picture says of one size: the other way round of ``merged``."""
    return {
        stack: kept
        for stack, resources in whole.items()
        if (kept := {t: _one(shown, size) for t, shown in resources.items() if size in shown.get("only", SIZES)})
    }


def _one(shown: Shown, size: str) -> Shown:
    said = {}
    for name, value in shown.items():
        if name == "only":
            continue
        if isinstance(value, dict) and set(value) == {"by size"}:
            if size in value["by size"]:
                said[name] = value["by size"][size]
        else:
            said[name] = value
    return said


def write(whole: Stacks, folder: Path = FOLDER) -> None:
    """Write a file for each stack; files of stacks that are gone go too."""
    folder.mkdir(exist_ok=True)
    for file in folder.glob("*.yaml"):
        if file.stem not in whole:
            file.unlink()
    for stack, resources in whole.items():
        text = yaml.safe_dump(resources, sort_keys=False, width=1000, allow_unicode=True)
        (folder / f"{stack}.yaml").write_text(f"# Written by `make infra-snapshot`.\n{text}", encoding="utf-8")


def read(folder: Path = FOLDER) -> Stacks:
    """Read what ``write`` wrote."""
    return {file.stem: yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.yaml"))}


def findings(now: Stacks, kept: Stacks) -> list[str]:
    """Return what differs from the kept picture, a line for each resource."""
    found = []
    for stack in sorted({*now, *kept}):
        ours, theirs = now.get(stack, {}), kept.get(stack, {})
        for title in sorted({*ours, *theirs}):
            if title not in theirs:
                found.append(f"{stack}: {title} is new")
            elif title not in ours:
                found.append(f"{stack}: {title} is gone")
            elif ours[title] != theirs[title]:
                names = [name for name in {*ours[title], *theirs[title]}
                         if ours[title].get(name) != theirs[title].get(name)]  # fmt: skip
                found.append(f"{stack}: {title} has another {', '.join(sorted(names))}")
    return found
