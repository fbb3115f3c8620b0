"""Under which licence a data set may be used: what states none, or forbids commerce, only evaluates."""

from __future__ import annotations

import json
import re
from pathlib import Path

from contracts.errors import InvalidInput

_FORBIDS = re.compile(r"\bnone\b|\bunknown\b|not (?:stated|checked)|non-?commercial|\bnc\b", re.IGNORECASE)


def source_to_train_on(root: Path) -> dict[str, object]:
    """Return the SOURCE.json of a set whose licence allows a detector made of it to be shipped.

    Raises:
        InvalidInput: There is none, it cannot be read, or its licence does not allow it.

    """
    path = root / "SOURCE.json"
    try:
        source = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        hint = "Write SOURCE.json beside data.yaml: repo, commit, license, attribution."
        raise InvalidInput(f"{root.name}: nothing says where it comes from.", hint=hint, field="license") from error
    except ValueError as error:
        raise InvalidInput(f"{path} is no JSON: {error}.", field="license") from error
    licence = str(source.get("license") or "") if isinstance(source, dict) else ""
    if not licence or _FORBIDS.search(licence):
        raise InvalidInput(
            f"{root.name} may only evaluate: its licence is {licence or 'not stated'!r}.",
            hint="Leave it out, or get leave from its owner and write that into SOURCE.json.",
            field="license",
        )
    return dict(source)
