"""Takes secrets out of text that leaves the machine: those we know by heart, and whatever has the shape of one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from infra.local.stack import Stack

HIDDEN = "(not shown)"
_SHORTEST = 6
"""Shorter values are words: hiding them would make holes everywhere, and protect nobody."""
_NAMED = r"(?:passw(?:or)?d|passwd|secret|token|api[_-]?key|private[_-]?key|session[_-]?key|credential|cookie)[\w.-]*"
_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    # A key in PEM, whole or cut off, its lines real or written as \n in JSON.
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
    (re.compile(r"(?i)\b(authorization|cookie|set-cookie|x-csrf-token)(\"?\s*[:=]\s*\"?)[^\"\r\n]+"), rf"\1\2{HIDDEN}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), rf"\1 {HIDDEN}"),
    (re.compile(rf"(?i)({_NAMED}[\"']?\s*[:=]\s*)([\"'])(?:\\.|(?!\2).)*\2"), rf"\1\2{HIDDEN}\2"),
    (re.compile(rf"(?i)({_NAMED}[\"']?\s*[:=]\s*)[^\s,;&\"'}}\]]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(\w+://)[^\s/@:\"']*:[^\s@\"']+@"), rf"\1{HIDDEN}@"),
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?"), HIDDEN),
    (re.compile(r"\b(?:ksk|whs|whsec|ghp|xox[abp]|sk)[_-][\w-]{8,}"), HIDDEN),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), HIDDEN),
    (re.compile(r"(?i)(x-amz-(?:signature|credential|security-token)=)[^&\s\"']+"), rf"\1{HIDDEN}"),
    (re.compile(r"(/crew/)[^\s\"'?]+"), rf"\1{HIDDEN}"),
)
_NOT_SECRET = re.compile(r"(?i)_(file|dir|id|url|port|host)$")
_SECRET_NAME = re.compile(r"(?i)passw|secret|token|(^|_)key($|_)|credential")


class Redactor:
    """Knows some secrets, and the shape of others."""

    def __init__(self, known: Iterable[str]) -> None:
        literals = sorted({value for value in known if len(value) >= _SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, literals))) if literals else None

    def clean(self, text: str) -> str:
        """Return the text without secrets."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        for shape, instead in _SHAPES:
            text = shape.sub(instead, text)
        return text


def is_secret_name(name: str) -> bool:
    """Return whether a setting of this name holds a secret itself, not the place of one."""
    return bool(_SECRET_NAME.search(name)) and not _NOT_SECRET.search(name)


def known_secrets(stack: Stack, environments: Iterable[dict[str, str]]) -> set[str]:
    """Return every secret of an instance: its passwords, the lines of its private keys, settings that are secret."""
    chosen = stack.instance
    found = {chosen.database_password, chosen.aws_secret, chosen.sap_password}
    for path in stack.keys.folder.rglob("*.key"):
        text = path.read_text(errors="replace")
        found |= {text.strip(), *(line for line in text.splitlines() if not line.startswith("-----"))}
    for environment in environments:
        found |= {value for name, value in environment.items() if is_secret_name(name)}
    return found
