"""Any bytes become a mission or a refusal that says what is wrong: never another exception, never a bomb."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from contracts.errors import InvalidInput, PlatformError, TooLarge
from interchange import conversion, formats, text
from interchange.altitudes import Aircraft, Given
from interchange.formats import Format
from tests.unit.interchange import samples, wpml_samples
from tests.unit.interchange.test_round_trips import LONG

FUZZ = settings(
    max_examples=LONG or 60,
    derandomize=not LONG,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.generate, Phase.shrink] if LONG else [Phase.generate],
)


def seeds() -> dict[Format, list[bytes]]:
    plan = samples.as_bytes(samples.DOCUMENTED)
    known = Given(geoid_separation_m=48.0, aircraft=Aircraft.M30)
    simple, _ = conversion.read(samples.as_bytes(samples.MAVSDK_SAMPLE), Format.QGC_PLAN)
    made = {target: [conversion.write(simple, target, known)[0]] for target in Format}
    made[Format.QGC_PLAN].append(plan)
    made[Format.QGC_WPL].append(samples.DEVGUIDE_WPL)
    made[Format.WPML] += [wpml_samples.WAYLINES, wpml_samples.TEMPLATE]
    made[Format.GEOJSON].append(conversion.convert(plan, Format.QGC_PLAN, Format.GEOJSON).content)
    return made


SEEDS = seeds()


def read_or_refuse(content: bytes, source: Format) -> None:
    try:
        mission, _ = conversion.read(content, source)
    except PlatformError as refusal:
        assert str(refusal)  # noqa: PT017 - a refusal is one of the two right answers
        return
    for target in (Format.GEOJSON, source):
        try:
            conversion.write(mission, target)
        except PlatformError as refusal:
            assert refusal.field  # noqa: PT017 - the same


@pytest.mark.parametrize("source", Format)
def test_random_bytes_are_refused_in_words(source: Format) -> None:
    @FUZZ
    @given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
    def holds(content: bytes) -> None:
        read_or_refuse(content, source)
        try:
            formats.of_content(content, "plan.bin")
        except InvalidInput as refusal:
            assert refusal.field == "format"  # noqa: PT017 - the same

    holds()


@st.composite
def damaged(draw: st.DrawFn, source: Format) -> bytes:
    """A real file with a few pieces changed, doubled or cut out."""
    body = bytearray(draw(st.sampled_from(SEEDS[source])))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(body) - 1, 0)))
        size = draw(st.integers(0, 12))
        piece = draw(
            st.binary(max_size=4)
            | st.sampled_from(
                [b"NaN", b"-1", b"1e999", b"null", b"[]", b"{}", b"9" * 30, b"</a>", b"\t", b'"', b",", b"0"]
            )
        )
        body[at : at + size] = piece
    return bytes(body)


@pytest.mark.parametrize("source", Format)
def test_damaged_files_are_read_or_refused(source: Format) -> None:
    @FUZZ
    @given(damaged(source))
    def holds(content: bytes) -> None:
        read_or_refuse(content, source)

    holds()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def spots(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    found = [path]
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        found += spots(inner, (*path, key))
    return found


@pytest.mark.parametrize(("source", "index"), [(Format.QGC_PLAN, 1), (Format.GEOJSON, 1)])
def test_any_json_in_any_place_is_read_or_refused(source: Format, index: int) -> None:
    seed = SEEDS[source][index]
    places = [path for path in spots(json.loads(seed)) if path]

    @FUZZ
    @given(st.sampled_from(places), JSON)
    def holds(path: tuple[object, ...], value: object) -> None:
        document = json.loads(seed)
        inner = document
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = value
        read_or_refuse(json.dumps(document).encode(), source)

    holds()


def archive(*files: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, body in files:
            made.writestr(name, body)
    return buffer.getvalue()


WAYLINES = ("wpmz/waylines.wpml", wpml_samples.WAYLINES)


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/passwd", "wpmz/../../x", "..\\x", "C:\\x", "\\x"], ids=repr)
@pytest.mark.parametrize("source", [Format.WPML, Format.KML])
def test_a_name_that_leads_out_of_the_archive_is_refused(name: str, source: Format) -> None:
    with pytest.raises(InvalidInput, match="leads out of the archive"):
        conversion.read(archive((name, b"x"), WAYLINES), source)


def test_a_zip_bomb_is_refused_before_it_is_expanded() -> None:
    bomb = archive(("wpmz/waylines.wpml", b" " * (text.MAX_BYTES + 1)))
    assert len(bomb) < 50_000
    with pytest.raises(TooLarge):
        conversion.read(bomb, Format.WPML)


def test_two_files_that_are_too_big_together_are_refused() -> None:
    half = b" " * (text.MAX_BYTES * 2 // 3)
    with pytest.raises(TooLarge):
        conversion.read(archive(("wpmz/template.kml", half), ("wpmz/waylines.wpml", half)), Format.WPML)


def test_a_lying_size_in_the_directory_does_not_help() -> None:
    bomb = bytearray(archive(("wpmz/waylines.wpml", b" " * (text.MAX_BYTES + 1))))
    at = bomb.index(b"PK\x01\x02")
    bomb[at + 24 : at + 28] = (100).to_bytes(4, "little")
    with pytest.raises(PlatformError):
        conversion.read(bytes(bomb), Format.WPML)


def test_too_many_members_are_refused() -> None:
    with pytest.raises(TooLarge):
        conversion.read(archive(*((f"res/{n}", b"") for n in range(2100)), WAYLINES), Format.WPML)


def test_a_name_twice_and_an_archive_without_a_route_are_refused() -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = archive(WAYLINES, WAYLINES)
    with pytest.raises(InvalidInput, match="twice"):
        conversion.read(twice, Format.WPML)
    with pytest.raises(InvalidInput, match="waylines"):
        conversion.read(archive(("a.txt", b"")), Format.WPML)


ENTITY = b'<!DOCTYPE kml [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><kml><name>&b;</name></kml>'
OUTSIDE = b'<!DOCTYPE kml [<!ENTITY a SYSTEM "file:///etc/passwd">]><kml><name>&a;</name></kml>'
DTD = b'<!DOCTYPE kml SYSTEM "http://example.org/kml.dtd"><kml/>'


@pytest.mark.parametrize("content", [ENTITY, OUTSIDE, DTD])
@pytest.mark.parametrize("source", [Format.KML, Format.WPML])
def test_entities_and_document_types_are_refused(content: bytes, source: Format) -> None:
    with pytest.raises(InvalidInput, match="document type or an entity"):
        conversion.read(content, source)


def test_deep_and_wide_xml_is_refused() -> None:
    with pytest.raises(InvalidInput, match="deeper"):
        conversion.read(b"<kml>" + b"<a>" * 100 + b"</a>" * 100 + b"</kml>", Format.KML)
    with pytest.raises(TooLarge, match="elements"):
        conversion.read(b"<kml>" + b"<a/>" * 200_001 + b"</kml>", Format.KML)


@pytest.mark.parametrize("source", Format)
def test_a_file_over_the_limit_is_refused(source: Format) -> None:
    start = b"PK\x03\x04" if source is Format.WPML else b""
    with pytest.raises(TooLarge):
        conversion.read(start + b" " * (text.MAX_BYTES + 1), source)


def test_an_error_in_xml_names_line_and_column() -> None:
    with pytest.raises(InvalidInput, match="line 2, column"):
        conversion.read(b"<kml>\n  <Document></kml>", Format.KML)
