"""What the API says of a problem comes to a page in the reader's language, with its values as they were."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

import pytest

from cloud import language
from cloud.planning.verdicts import Row, Verdict
from cloud.planning.wishes import Pattern
from cloud.web import rendering
from cloud.web.advice import advice, told
from cloud.web.in_words import in_words
from cloud.web.sentences import translated
from contracts import vocabulary
from contracts.errors import Conflict
from scripts import sentences

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def in_german() -> Iterator[None]:
    token = language._spoken.set("de")
    yield
    language._spoken.reset(token)


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("Approve the flight first.", "Geben Sie den Flug zuerst frei."),
        ("The drone m-1 is flying flt-2.", "Die Drohne m-1 fliegt gerade flt-2."),
        ("The drone m-1 was last heard 81 s ago.", "Die Drohne m-1 hat sich zuletzt vor 81 s gemeldet."),
        ("take_off: the flight flt-1 is landed.", "„Starten“ geht nicht, Zustand des Fluges flt-1: Gelandet."),
        (
            "The plan is blocked: The forecast wind is 14.0 m/s; the limit is 12 m/s.",
            "Der Plan ist gesperrt: Der vorhergesagte Wind ist 14.0 m/s; die Grenze ist 12 m/s.",
        ),
        (
            "The line of segment 3 leaves the fence 'Hof' and 2 more at metre 4.0, for 7.0 m.",
            "Abschnitt 3 (line) verlässt den Geofence 'Hof' und 2 weitere bei Meter 4.0, auf 7.0 m.",
        ),
        (
            "The computer of m-1 reports: 3 % of memory is free. 4 % of the storage is free.",
            "Der Rechner von m-1 meldet: 3 % des Arbeitsspeichers sind frei. 4 % des Speichers sind frei.",
        ),
        (
            (
                "Crack of 420 x 9 mm (± 4 mm) reaches rank 4 from 300 mm; raised to 5 because near the tip; "
                "seen at 71 degrees only: the size is uncertain, a person must look (wind-gwo-1)."
            ),
            (
                "Riss von 420 x 9 mm (± 4 mm) erreicht ab 300 mm den Rang 4; auf 5 angehoben, weil: near the tip; "
                "nur unter 71 Grad gesehen: Die Größe ist unsicher, ein Mensch muss hinsehen (wind-gwo-1)."
            ),
        ),
        ("Set to rank 3 by ana: Old.", "Von ana auf Rang 3 gesetzt: Old."),
        ("wind-gwo-1 asks a person at rank 4.", "wind-gwo-1 fragt bei Rang 4 einen Menschen."),
        (
            "address 203.0.113.9 was refused a sign-in or a token 41 times in ten minutes.",
            "address 203.0.113.9 wurde in zehn Minuten 41-mal eine Anmeldung oder ein Token verweigert.",
        ),
        (
            "Only 3 defects were measured twice; 12 are needed.",
            "Nur 3 Schäden wurden zweimal gemessen; nötig sind 12.",
        ),
        ("limit: Input should be less than or equal to 200.", "Grenze: Der Wert darf höchstens 200 sein."),
        (
            "The route passes T-02 rotor at 171.3 m; the limit is 4.0 m.",
            "Die Route kommt bis auf 171.3 m heran (Rotor von T-02); die Grenze ist 4.0 m.",
        ),
        (
            "The leg to waypoint 3: 2.1 m outside the fence of 200 m.",
            "Der Weg zum Wegpunkt 3: 2.1 m außerhalb des Geofence von 200 m.",
        ),
        (
            "The leg to waypoint 1 comes within 3.0 m of T-02 rotor; 4.0 m are to be kept.",
            "Der Weg zum Wegpunkt 1 kommt Rotor von T-02 auf 3.0 m nahe; 4.0 m sind einzuhalten.",
        ),
        ("No crew has the skills composite, rope.", "Kein Team hat die Fähigkeiten composite, rope."),
        ("Its mAP50 is 0.440, that of the one in force 0.500.", "Ihr mAP50 ist 0.440, der der geltenden 0.500."),
        (
            "It finds 81.0%, the one in force 90.0% of 40 crack; it may lose 2.0%.",
            "Sie findet 81.0%, die geltende 90.0%, bei 40 (Riss); verlieren darf sie 2.0%.",
        ),
        (
            "Crack of 742 x 9 mm (± 4 mm) reaches rank 5 from 500 mm (wind-gwo-1).",
            "Riss von 742 x 9 mm (± 4 mm) erreicht ab 500 mm den Rang 5 (wind-gwo-1).",
        ),
        ("There is no finding '(.+?) {0}\nx'.", "Es gibt keinen Befund '(.+?) {0}\nx'."),
    ],
)
def test_a_known_sentence_is_said_in_german_and_keeps_its_own_words_beside_it(english: str, german: str) -> None:
    assert told(english) == (german, english, False)


def test_a_sentence_that_is_not_known_stays_and_says_that_it_is_english() -> None:
    assert told("Frobnicated: no.") == ("Frobnicated: no.", "", True)


@pytest.mark.parametrize(
    "text", ["The drone " + "is flying " * 2000 + ".", "Value error, " * 200 + ".", "a: b. " * 9000]
)
def test_what_is_too_long_to_be_words_stays_english_and_is_not_fitted(text: str) -> None:
    assert translated(text) is None


def test_on_an_english_page_nothing_is_marked() -> None:
    language._spoken.set("en")
    assert told("The drone m-1 is flying flt-2.") == ("The drone m-1 is flying flt-2.", "", False)


def test_a_hint_is_said_in_german_and_leads_to_the_same_page() -> None:
    said, way = advice("Replace its certificate; then an admin ends it with POST /v1/drones/{id}/readmit.")
    assert (said, way and way.href) == ("Ersetzen Sie ihr Zertifikat.", "/fleet")


def test_a_check_s_sentence_is_known_with_the_figures_it_is_given() -> None:
    text = "The forecast wind is {value:.1f} m/s; the limit is {limit:.0f} m/s."
    check = Row("wind", 13.25, 12.0, "m/s", text, "Wait for less wind.").decided(Verdict.BLOCK)
    assert told(check.sentence).text == "Der vorhergesagte Wind ist 13.2 m/s; die Grenze ist 12 m/s."


def test_a_problem_on_a_page_holds_its_own_words_as_a_title() -> None:
    error = Conflict("The drone <m> is flying flt-2.", hint="Wait until it has landed.")
    said = rendering.render("_problem.html", {"error": error, "quoted": ""})
    assert '<span title="The drone &lt;m&gt; is flying flt-2.">Die Drohne &lt;m&gt; fliegt gerade flt-2.</span>' in said
    assert "<span>Warten Sie, bis sie gelandet ist.</span>" in said


def shown_names() -> list[str]:
    """Return what pages put into words of the code: checks, verdicts, kinds, states, commands, patterns, roles."""
    kinds: list[type[Enum]] = [Verdict, Pattern]
    kinds += [kind for kind in vars(vocabulary).values() if isinstance(kind, type) and issubclass(kind, Enum)]
    named = [str(member.value) for kind in kinds for member in kind if len(str(member.value)) > 2]
    for path in (REPOSITORY / "cloud/planning").glob("*.py"):
        named += sentences.names_of_checks(path.read_text())
    return sorted(set(named))


@pytest.mark.parametrize("name", shown_names())
def test_every_name_of_the_code_that_a_page_shows_has_a_german_word(name: str) -> None:
    english = name.replace("_", " ")
    assert language.catalogue("de").get(english[:1].upper() + english[1:])


@pytest.mark.parametrize("name", ["floor", "obstacle_clearance", "camera_limits", "fence_radius", "wind", "coverage"])
def test_checks_are_found_by_name_in_the_code(name: str) -> None:
    assert name in shown_names()


def test_a_script_of_a_page_gets_a_problem_and_checks_in_the_page_s_language() -> None:
    refused = {"title": "Conflict", "detail": "The drone m-1 is flying flt-2.", "hint": "Approve the flight first."}
    judged = {"name": "wind", "sentence": "The forecast wind is 14.0 m/s; the limit is 12 m/s.", "mend": ""}
    assert in_words({"checks": [judged], "errors": [refused]}) == {
        "checks": [judged | {"sentence": "Der vorhergesagte Wind ist 14.0 m/s; die Grenze ist 12 m/s."}],
        "errors": [
            {
                "title": "Conflict",
                "detail": "Die Drohne m-1 fliegt gerade flt-2.",
                "hint": "Geben Sie den Flug zuerst frei.",
            }
        ],
    }


def test_sentences_are_read_out_of_code_with_places_for_their_values() -> None:
    code = (
        'raise Conflict(f"The {a.b!r} is {c:.1f}.", hint="Do it." if x else f"Wait {s} s.")\n'
        'heard = f"was heard {n} s ago"\n'
        'Row("wind", v, l, "m/s", f"It is {{value:.1f}} of {n}.", "Mend.")\n'
        'other("Not one.")\n'
    )
    found = set(sentences.of_code(code, frozenset({"Conflict"})))
    assert found == {"The {0} is {1}.", "Do it.", "Wait {0} s.", "was heard {0} s ago", "It is {0} of {1}.", "Mend."}


def test_every_refusal_of_a_command_is_known() -> None:
    known = {text for text, _said in language.stands_in("de", lambda _file: True)}
    code = (REPOSITORY / "cloud/fleet.py").read_text()
    said = set(sentences.of_code(code, frozenset({"Conflict", "InvalidInput", "NotFound"})))
    assert len(said) > 20
    assert {text for text in said if not re.search(r"/v1/", text)} <= known
