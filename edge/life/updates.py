"""A new version of the agent: verified, made beside the one in use, checked, and put into use on trial."""

from __future__ import annotations

import base64
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import ValidationError

from contracts.errors import Conflict, Forbidden, InvalidInput, Unavailable
from contracts.updates import UPDATE_PREFIX, SignedUpdate, UpdateOrder
from edge.files import sha256_of
from edge.life.slots import Slots
from edge.signatures import PublicKey

_BUILD_S, _CHECK_S = 900.0, 120.0
_KEY = "Bring the key that the release was signed with, from where it is published."
_AGAIN = "The version in use stays. Mend what it names and run this again."
Build = Callable[[Path], None]
Check = Callable[[Path], None]
"""Raise PlatformError when a slot cannot be made or is not fit."""


def verified(signed_file: Path, keys_dir: Path) -> UpdateOrder:
    """Return the order of a signed file.

    Raises:
        InvalidInput: It is not one.
        Forbidden: It was not signed by a release key in ``keys_dir``.

    """
    try:
        signed = SignedUpdate.model_validate_json(signed_file.read_bytes())
        key = PublicKey((keys_dir / f"{signed.key_id}.pem").read_bytes())
        signature = base64.b64decode(signed.signature_b64, validate=True)
        if not key.fits(signature, UPDATE_PREFIX + signed.payload.encode()):
            raise ValueError("the signature does not fit")  # noqa: TRY301 - refused like every other that is not good
        return UpdateOrder.model_validate_json(signed.payload)
    except ValidationError as error:
        said = error.errors(include_url=False)[0]["msg"]
        raise InvalidInput(f"{signed_file.name} is no signed order: {said}.", hint="Take the release's own.") from error
    except (ValueError, FileNotFoundError) as error:
        raise Forbidden(f"{signed_file.name} is not signed by a release key in {keys_dir}.", hint=_KEY) from error


def require_newer(order: UpdateOrder, slots: Slots) -> None:
    """Refuse an older version: what it had mended would be open again.

    Raises:
        Conflict: The version in use is newer.

    """
    current = slots.current()
    if current is not None and order.order() < tuple(int(part) for part in current.split(".")):
        raise Conflict(f"Version {current} is in use; {order.version} is older.", hint="Release it under a new number.")


def install(package: Path, order: UpdateOrder, slots: Slots, build: Build, check: Check) -> bool:
    """Make a version, check it and put it into use; tells whether anything changed. May be repeated after any end.

    Raises:
        InvalidInput: The package is not the one that was signed.
        PlatformError: It cannot be made, or is not fit.

    """
    require_newer(order, slots)
    if slots.current() == order.version:
        return False
    if not slots.whole(order.version):
        size = package.stat().st_size
        if size != order.size_bytes or sha256_of(package) != order.sha256:
            raise InvalidInput(f"{package.name} is not the package that was signed.", hint="Download it again.")
        slots.make(order.version, build)
    check(slots.place(order.version))
    slots.use(order.version)
    return True


def wheels_into(package: Path, version: str) -> Build:
    """Return how to make a slot from a zip of wheels, without a network."""

    def build(place: Path) -> None:
        with TemporaryDirectory() as folder, zipfile.ZipFile(package) as archive:
            for name in archive.namelist():
                if name.endswith(".whl"):
                    (Path(folder) / Path(name).name).write_bytes(archive.read(name))
            _run([sys.executable, "-m", "venv", str(place)], _BUILD_S)
            pip = [str(place / "bin" / "python"), "-m", "pip", "install", "-q", "--no-index", "--find-links", folder]
            _run([*pip, f"kestrel[edge]=={version}"], _BUILD_S)

    return build


def checks(place: Path) -> None:
    """Let the new version say whether this drone is fit, with the settings of this environment."""
    _run([str(place / "bin" / "kestrel-edge"), "check", "--json"], _CHECK_S)


def _run(command: list[str], timeout_s: float) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{command[0]}: {error}.", hint=_AGAIN) from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout)[-300:].strip()
        raise Unavailable(f"{' '.join(command[:4])} failed: {said}.", hint=_AGAIN)
