"""The model a drone was given: weights and the card beside them, taken only when they are exactly what is expected."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from contracts.errors import InvalidInput, NotFound
from contracts.vocabulary import DefectKind

_FIELD = "first_look_model"
_INSTALL = "Copy the .onnx file and the .json card beside it to the drone again."


class Model(NamedTuple):
    """A detector as its card describes it."""

    weights: bytes
    sha256: str
    kinds: tuple[DefectKind, ...]
    accept: tuple[float, ...]
    """The least confidence of each kind, as the card accepts it: what is below is not worth a message ahead."""


def load_model(weights: Path, sha256: str) -> Model:
    """Read a detector; the bytes that are checked are the bytes that are returned.

    Args:
        weights: The ONNX file; its card has the same name with ``.json``.
        sha256: What the drone was told to expect of the weights.

    Raises:
        NotFound: The weights or their card are missing.
        InvalidInput: The weights are others, or the card is another model's or malformed.

    """
    card_file = weights.with_suffix(".json")
    for path in (weights, card_file):
        if not path.is_file():
            raise NotFound(f"{path} is missing.", hint=_INSTALL, field=_FIELD)
    content = weights.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise InvalidInput(
            f"{weights} has SHA-256 {found[:12]}, EDGE_FIRST_LOOK_SHA256 says {sha256[:12]}.",
            hint=_INSTALL,
            field=_FIELD,
        )
    try:
        card = json.loads(card_file.read_bytes())
        kinds = tuple(DefectKind(kind) for kind in card["kinds"])
        named, general = dict(card.get("accept_by_kind") or {}), float(card["accept"])
        model = Model(content, found, kinds, tuple(float(named.get(kind.value, general)) for kind in kinds))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"{card_file} is no model card: {error!r}.", hint=_INSTALL, field=_FIELD) from error
    if card.get("sha256") != found:
        raise InvalidInput(f"{card_file} is the card of other weights.", hint=_INSTALL, field=_FIELD)
    return model
