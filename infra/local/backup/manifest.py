"""What a backup holds, with the hash of every part: the last member written, so that a half backup has none."""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from contracts.errors import CorruptMedia

FORMAT = 1
NAME = "manifest.json"
DATABASE = "database.dump"
ROUTES = "routes.jsonl"
INSTANCE = "instance.json"
RULES = "broker/access.rules"
KEYS = "keys/"
OBJECTS = "objects/"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Member(_Frozen):
    """One file of the parcel."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,200}$")
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class StoredObject(_Frozen):
    """An object of the bucket and the member that holds its bytes."""

    key: str
    member: Member
    content_type: str
    metadata: dict[str, str]
    version: str
    """Its version id in the bucket it came from; a restored bucket numbers anew."""


class TableState(_Frozen):
    """A table in the snapshot. ``digest`` is the sum of its rows' hashes, whatever their order."""

    rows: int = Field(ge=0)
    digest: str


class Manifest(_Frozen):
    """The whole backup."""

    format: int
    kestrel_version: str
    schema_version: str
    postgres_version: str
    snapshot_at: AwareDatetime
    """The moment the database is shown at: what was committed later is not in it."""
    finished_at: AwareDatetime
    roles: tuple[str, ...]
    tables: dict[str, TableState]
    members: tuple[Member, ...]
    """Database, routes, keys and configuration."""
    objects: tuple[StoredObject, ...]
    routes: int = Field(ge=0)

    def every_member(self) -> tuple[Member, ...]:
        """Return all files, those of the objects too."""
        return (*self.members, *(stored.member for stored in self.objects))

    def size_bytes(self) -> int:
        """Return the size of all files."""
        return sum(member.size_bytes for member in self.every_member())

    def age_s(self, now: datetime) -> float:
        """Return how long ago the snapshot was taken."""
        return (now - self.snapshot_at).total_seconds()


def parse(text: bytes) -> Manifest:
    """Return the manifest of a parcel.

    Raises:
        CorruptMedia: It is none, or of a format this version does not know.

    """
    try:
        found = Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CorruptMedia(f"{NAME} cannot be read: {where}: {first['msg']}.", hint="Take another backup.") from error
    if found.format != FORMAT:
        raise CorruptMedia(
            f"The backup has format {found.format}, this version reads {FORMAT}.", hint="Restore with its own version."
        )
    return found
