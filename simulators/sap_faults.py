"""Faults on demand: a JSON file that is read again at every request, so that a test can change it at any time."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.errors import InvalidInput


class Faults(BaseModel):
    """What goes wrong next. Counts run down in the file as they are used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fail_next_posts: int = Field(default=0, ge=0)
    status: int = Field(default=503, ge=400, le=599)
    lose_response_after_commit: bool | int = False
    """True: every time while it stands; a number: that many times."""
    delay_s: float = Field(default=0.0, ge=0, le=600)


class FaultFile:
    """Reads faults and counts them down."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def read(self) -> Faults:
        """Return what is to go wrong now; nothing where there is no file.

        Raises:
            InvalidInput: The file is not a set of faults.

        """
        if self._path is None:
            return Faults()
        try:
            return Faults.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return Faults()
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise InvalidInput(
                f"{self._path}: {'.'.join(map(str, first['loc']))}: {first['msg']}.",
                hint="Known faults: " + ", ".join(Faults.model_fields),
                field="fault_file",
            ) from error

    def take_failure(self) -> int | None:
        """Return the status the next POST fails with, None to let it through."""
        faults = self.read()
        if faults.fail_next_posts == 0:
            return None
        self._write(faults.model_copy(update={"fail_next_posts": faults.fail_next_posts - 1}))
        return faults.status

    def take_loss(self) -> bool:
        """Return whether the answer to a committed POST gets lost."""
        faults = self.read()
        lose = faults.lose_response_after_commit
        if not isinstance(lose, bool) and lose > 0:
            self._write(faults.model_copy(update={"lose_response_after_commit": lose - 1}))
        return bool(lose)

    def _write(self, faults: Faults) -> None:
        if self._path is not None:
            draft = self._path.with_name(self._path.name + ".new")
            draft.write_text(faults.model_dump_json())
            draft.replace(self._path)
