"""How ``kestrel-vision`` speaks: the options its verbs share, progress on a terminal, a failure in one line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import InvalidInput, PlatformError

Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
Model = Annotated[Path | None, typer.Option(help="Detector weights (ONNX); default: the shipped ones.")]
Threads = Annotated[int, typer.Option(min=1, help="Processor threads.")]
Engine = Annotated[str, typer.Option(help="auto, openvino or onnxruntime.")]
_OF_TRAIN = {"pycocotools", "matplotlib", "torch", "ultralytics", "onnx", "imagehash", "PIL", "scipy"}


@contextmanager
def spoken(*, as_json: bool) -> Iterator[None]:
    """Say a failure in one line and end with 75 where trying again may help, else with 1."""
    try:
        yield
    except PlatformError as error:
        told = {"error": error.code, "message": error.message, "hint": error.hint, "field": error.field}
        said = json.dumps({key: value for key, value in told.items() if key != "field" or value})
        typer.echo(said if as_json else f"{error.message} {error.hint}".strip(), err=True)
        raise typer.Exit(75 if error.retryable else 1) from error


@contextmanager
def needing_train() -> Iterator[None]:
    """Say what to install where a package of the extra ``train`` is missing.

    Raises:
        InvalidInput: It is.

    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in _OF_TRAIN:
            raise
        hint = "Install the extra train: make setup-train."
        raise InvalidInput(f"This needs {error.name}, which is not installed.", hint=hint) from error


def meter(done: int, total: int, what: str = "key frames") -> None:
    """Draw progress on a terminal's stderr."""
    if sys.stderr.isatty():
        filled = round(24 * done / max(total, 1))
        end = "\n" if done >= total else ""
        sys.stderr.write(f"\r{what} [{'#' * filled}{'.' * (24 - filled)}] {done}/{total}{end}")
        sys.stderr.flush()
