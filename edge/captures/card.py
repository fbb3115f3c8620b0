"""A memory card, looked at file by file: what can be taken, what cannot and on which line, what is left out and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from contracts.captures import CAPTURE_PREFIX
from contracts.errors import InvalidInput, NotFound, PlatformError
from edge.captures import photo, srt
from edge.captures.photo import Photo
from edge.captures.srt import Track
from edge.captures.terms import Terms
from edge.captures.video import Films, Reel, reel_of
from edge.files import sha256_of

_VIDEOS = (".mp4", ".mov")
_PHOTOS = (".jpg", ".jpeg")
_LEFT_OUT = {
    ".lrf": "low-resolution copy of a video",
    ".lrv": "low-resolution copy of a video",
    ".thm": "thumbnail",
    ".scr": "thumbnail",
    ".dng": "raw photo; the JPEG beside it is taken",
    ".aac": "sound",
    ".wav": "sound",
}


class Outcome(StrEnum):
    """What becomes of a file."""

    TAKEN = "taken"
    REFUSED = "refused"
    SKIPPED = "skipped"


class Verdict(NamedTuple):
    """One file of the card."""

    path: str
    """Below the card, with forward slashes."""
    outcome: Outcome
    reason: str
    line: int | None = None
    hint: str = ""
    sha256: str = ""
    facts: dict[str, object] = {}  # noqa: RUF012 - a default of a NamedTuple; never changed


class FoundVideo(NamedTuple):
    """A video that can be taken."""

    name: str
    sha256: str
    subtitle_sha256: str | None
    reel: Reel

    @property
    def capture_id(self) -> str:
        """Return the id its content gives it."""
        return CAPTURE_PREFIX + self.sha256[:24]


class FoundPhoto(NamedTuple):
    """A photo that can be taken."""

    path: Path
    name: str
    sha256: str
    size_bytes: int
    photo: Photo


class Inventory(NamedTuple):
    """The whole card."""

    verdicts: tuple[Verdict, ...]
    videos: tuple[FoundVideo, ...]
    photos: tuple[FoundPhoto, ...]

    @property
    def refused(self) -> bool:
        """Tell whether anything on the card could not be read."""
        return any(v.outcome is Outcome.REFUSED for v in self.verdicts)


Known = Callable[[str], bool]
"""Whether content of this SHA-256 was taken before."""


class Inspector:
    """Reads a card; writes nothing to it."""

    def __init__(self, card: Path, films: Films, terms: Terms, known: Known) -> None:
        if not card.is_dir():
            raise NotFound(f"{card} is no folder.", hint="Name the folder where the card is mounted.")
        self._card = card
        self._films = films
        self._terms = terms
        self._known = known
        self._files = {self._name(path): path for path in sorted(card.rglob("*")) if _is_file(path)}
        lonely = {
            name for name, p in self._files.items() if p.suffix.lower() in _VIDEOS and not self._beside(p, ".srt")
        }
        self._order = [name for name in self._files if name not in lonely] + sorted(lonely)
        self.videos: list[FoundVideo] = []
        self.photos: list[FoundPhoto] = []
        self._seen: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._files)

    def verdicts(self) -> Iterator[Verdict]:
        """Judge each file, a video that has subtitles before a copy without; what can be taken gathers here."""
        for name in self._order:
            try:
                yield self._judge(name, self._files[name])
            except PlatformError as error:
                yield Verdict(name, Outcome.REFUSED, error.message, hint=error.hint)
            except OSError as error:
                yield Verdict(name, Outcome.REFUSED, f"it cannot be read: {error.strerror or error}")

    def inventory(self, told: Callable[[Verdict], None] = lambda _: None) -> Inventory:
        """Judge the whole card."""
        verdicts = []
        for verdict in self.verdicts():
            told(verdict)
            verdicts.append(verdict)
        return Inventory(tuple(verdicts), tuple(self.videos), tuple(self.photos))

    def _name(self, path: Path) -> str:
        return path.relative_to(self._card).as_posix()

    def _judge(self, name: str, path: Path) -> Verdict:
        suffix = path.suffix.lower()
        if (reason := _left_out(path)) is not None:
            return Verdict(name, Outcome.SKIPPED, reason)
        if suffix == ".srt":
            return self._subtitles(name, path)
        if path.stat().st_size == 0:
            return Verdict(name, Outcome.REFUSED, "the file is empty")
        return self._video(name, path) if suffix in _VIDEOS else self._photo(name, path)

    def _repeated(self, name: str, sha256: str) -> Verdict | None:
        if sha256 in self._seen:
            return Verdict(name, Outcome.SKIPPED, f"the same bytes as {self._seen[sha256]}", sha256=sha256)
        if self._known(sha256):
            return Verdict(name, Outcome.SKIPPED, "taken before", sha256=sha256)
        return None

    def _video(self, name: str, path: Path) -> Verdict:
        film = self._films.probe(path)
        subtitles = self._beside(path, ".srt")
        track = srt.read(subtitles) if subtitles else srt.parse(self._films.subtitles(path))
        sha256 = sha256_of(path)
        if (repeated := self._repeated(name, sha256)) is not None:
            return repeated
        reel = reel_of(path, film, track, self._terms)
        found = FoundVideo(name, sha256, sha256_of(subtitles) if subtitles else None, reel)
        self.videos.append(found)
        self._seen[sha256] = name
        facts = {
            "capture_id": found.capture_id,
            "bytes": path.stat().st_size,
            "codec": film.codec,
            "width_px": film.width_px,
            "height_px": film.height_px,
            "duration_s": round(film.duration_s, 3),
            "poses": len(reel.poses),
            "notes": list(reel.notes),
            **_facts(track),
        }
        return Verdict(name, Outcome.TAKEN, _placed(bool(reel.poses), reel.notes), sha256=sha256, facts=facts)

    def _photo(self, name: str, path: Path) -> Verdict:
        said = photo.read(path, self._terms)
        sha256 = sha256_of(path)
        if (repeated := self._repeated(name, sha256)) is not None:
            return repeated
        self.photos.append(FoundPhoto(path, name, sha256, path.stat().st_size, said))
        self._seen[sha256] = name
        facts: dict[str, object] = {
            "bytes": path.stat().st_size,
            "place": said.place and said.place.model_dump(mode="json"),
            "direction": said.direction and said.direction.model_dump(mode="json"),
            "captured_at": said.captured_at and said.captured_at.isoformat(),
            "notes": list(said.notes),
        }
        placed = said.place is not None and said.direction is not None
        return Verdict(name, Outcome.TAKEN, _placed(placed, said.notes), sha256=sha256, facts=facts)

    def _subtitles(self, name: str, path: Path) -> Verdict:
        track = srt.read(path)
        facts = {**_facts(track), "faults": [fault._asdict() for fault in track.faults]}
        if track.faults:
            first = track.faults[0]
            whole = f"; the {len(track.moments)} whole blocks are read" if track.moments else ""
            more = f" ({len(track.faults)} faults)" if len(track.faults) > 1 else ""
            return Verdict(name, Outcome.REFUSED, f"{first.reason}{more}{whole}", first.line, facts=facts)
        if self._beside(path, *_VIDEOS) is None:
            reason = f"no video beside it; {len(track.moments)} moments, {track.placed} with a position"
            return Verdict(name, Outcome.SKIPPED, reason, facts=facts)
        return Verdict(name, Outcome.TAKEN, f"with its video: {track.placed} positions", facts=facts)

    def _beside(self, path: Path, *suffixes: str) -> Path | None:
        wanted = {(path.stem + suffix).lower() for suffix in suffixes}
        same = (p for p in self._files.values() if p.parent == path.parent and p.name.lower() in wanted)
        return next(same, None)


def _left_out(path: Path) -> str | None:
    """Return why a file is not looked into; None when it is."""
    suffix = path.suffix.lower()
    if path.name.startswith("."):
        return "hidden file"
    if path.is_symlink():
        return "link: it may lead off the card"
    if suffix in (*_VIDEOS, *_PHOTOS, ".srt"):
        return None
    return _LEFT_OUT.get(suffix, "neither video, photo nor subtitles")


def _is_file(path: Path) -> bool:
    return path.is_symlink() or path.is_file()


def _facts(track: Track) -> dict[str, object]:
    return {"moments": len(track.moments), "positions": track.placed, "dialects": list(track.dialects)}


def _placed(placed: bool, notes: tuple[str, ...]) -> str:
    lacking = "; ".join(notes)
    if placed:
        return f"with pose{'; ' + lacking if lacking else ''}"
    return f"without pose: {lacking}" if lacking else "without pose"


def require_terms(terms: Terms) -> None:
    """Refuse to take captures for nobody.

    Raises:
        InvalidInput: The drone or the asset is not named.

    """
    for field, value in (("drone", terms.drone_id), ("asset", terms.asset_id)):
        if not value:
            raise InvalidInput(f"--{field} is missing.", hint=f"Name the {field} these captures are of.", field=field)
