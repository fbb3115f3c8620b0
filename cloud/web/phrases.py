"""The words of a crew's page, in the crew's language: a table, as three times thirty sentences need no catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cloud import places
from cloud.tables import Finding
from contracts.places import ChainagePlace, LineTowerPlace, SpanPlace, TowerPlace, hour_of

_MIDDLE_M = 0.05
"""What is nearer to the middle than this is not said to be on a side of it."""
_ENGLISH = {
    "title": "Repair",
    "where": "Where",
    "what": "What",
    "size": "Size",
    "when": "When",
    "due": "Due",
    "ticket": "Ticket",
    "from_root": "m from the root",
    "on_tower": "tower, side facing {0:.0f}°, {1:.1f} m up",
    "on_span": "span {0}–{1}, {2:.1f} m from tower {0}",
    "on_line_tower": "tower {0}, {1:.1f} m up",
    "on_pipe": "pipe, chainage {0:.1f} m",
    "hour": ", {0} o'clock",
    "left": ", {0:.1f} m to the left",
    "right": ", {0:.1f} m to the right",
    "no_time": "no time yet",
    "question": "What did you find?",
    "found": "Found",
    "not_found": "Not found",
    "worse": "Worse",
    "repaired": "Repaired",
    "measure": "Measured length, mm",
    "others": "Other defects you saw there, not on this ticket",
    "note": "Note",
    "photo": "Photo",
    "save": "Save",
    "choose": "Choose an answer first.",
    "waiting": "Saved on this phone. It is sent when there is a connection.",
    "sent": "Sent.",
    "refused": "Not accepted:",
    "offline": "No connection. The page works without.",
    "expired": "This link is not valid any more. Ask for a new code.",
    "gone": "This finding does not exist any more.",
}
_GERMAN = {
    "title": "Reparatur",
    "where": "Wo",
    "what": "Was",
    "size": "Größe",
    "when": "Wann",
    "due": "Fällig",
    "ticket": "Meldung",
    "from_root": "m von der Wurzel",
    "on_tower": "Turm, Seite nach {0:.0f}°, {1:.1f} m hoch",
    "on_span": "Spannfeld {0}–{1}, {2:.1f} m ab Mast {0}",
    "on_line_tower": "Mast {0}, {1:.1f} m hoch",
    "on_pipe": "Rohr, Stationierung {0:.1f} m",
    "hour": ", {0} Uhr",
    "left": ", {0:.1f} m links",
    "right": ", {0:.1f} m rechts",
    "no_time": "noch kein Termin",
    "question": "Was haben Sie vorgefunden?",
    "found": "Gefunden",
    "not_found": "Nicht gefunden",
    "worse": "Schlimmer",
    "repaired": "Repariert",
    "measure": "Gemessene Länge, mm",
    "others": "Weitere Schäden dort, die nicht auf dieser Meldung stehen",
    "note": "Bemerkung",
    "photo": "Foto",
    "save": "Speichern",
    "choose": "Bitte zuerst eine Antwort wählen.",
    "waiting": "Auf diesem Telefon gespeichert. Wird gesendet, sobald Verbindung besteht.",
    "sent": "Gesendet.",
    "refused": "Nicht angenommen:",
    "offline": "Keine Verbindung. Die Seite funktioniert auch so.",
    "expired": "Dieser Link gilt nicht mehr. Bitte um einen neuen Code.",
    "gone": "Diesen Befund gibt es nicht mehr.",
}
_SPANISH = {
    "title": "Reparación",
    "where": "Dónde",
    "what": "Qué",
    "size": "Tamaño",
    "when": "Cuándo",
    "due": "Vence",
    "ticket": "Aviso",
    "from_root": "m desde la raíz",
    "on_tower": "torre, cara hacia {0:.0f}°, a {1:.1f} m de altura",
    "on_span": "vano {0}–{1}, a {2:.1f} m de la torre {0}",
    "on_line_tower": "torre {0}, a {1:.1f} m de altura",
    "on_pipe": "tubería, progresiva {0:.1f} m",
    "hour": ", a las {0}",
    "left": ", {0:.1f} m a la izquierda",
    "right": ", {0:.1f} m a la derecha",
    "no_time": "aún sin fecha",
    "question": "¿Qué han encontrado?",
    "found": "Encontrado",
    "not_found": "No encontrado",
    "worse": "Peor",
    "repaired": "Reparado",
    "measure": "Longitud medida, mm",
    "others": "Otros defectos vistos allí que no están en este aviso",
    "note": "Nota",
    "photo": "Foto",
    "save": "Guardar",
    "choose": "Elija primero una respuesta.",
    "waiting": "Guardado en este teléfono. Se envía cuando haya conexión.",
    "sent": "Enviado.",
    "refused": "No aceptado:",
    "offline": "Sin conexión. La página funciona igualmente.",
    "expired": "Este enlace ya no es válido. Pida un código nuevo.",
    "gone": "Este hallazgo ya no existe.",
}
_KINDS = {
    "de": {
        "crack": "Riss",
        "leading_edge_erosion": "Erosion der Vorderkante",
        "lightning_burn": "Blitzschaden",
        "delamination": "Delamination",
        "corrosion": "Korrosion",
        "missing_coating": "Fehlende Beschichtung",
        "damage": "Schaden",
        "broken_insulator": "Gebrochener Isolator",
        "broken_strands": "Gebrochene Drähte",
        "nest": "Nest",
        "vegetation": "Bewuchs",
        "loose_mount": "Lose Halterung",
        "leak": "Leck",
        "encroachment": "Eingriff in den Schutzstreifen",
    },
    "es": {
        "crack": "Grieta",
        "leading_edge_erosion": "Erosión del borde de ataque",
        "lightning_burn": "Daño por rayo",
        "delamination": "Delaminación",
        "corrosion": "Corrosión",
        "missing_coating": "Falta de recubrimiento",
        "damage": "Daño",
        "broken_insulator": "Aislador roto",
        "broken_strands": "Hilos rotos",
        "nest": "Nido",
        "vegetation": "Vegetación",
        "loose_mount": "Soporte suelto",
        "leak": "Fuga",
        "encroachment": "Invasión de la franja",
    },
}
LANGUAGES: Mapping[str, Mapping[str, str]] = MappingProxyType({"en": _ENGLISH, "de": _GERMAN, "es": _SPANISH})


def choose(wanted: str, accepted: str, crews: str) -> str:
    """Return the language to speak: the one asked for, the crew's, the browser's first we know, or English."""
    offered = [part.split(";")[0].strip()[:2].lower() for part in accepted.split(",")]
    return next((code for code in (wanted, crews, *offered) if code in LANGUAGES), "en")


def kind(language: str, name: str) -> str:
    """Return a kind of defect in a language."""
    return _KINDS.get(language, {}).get(name, name.replace("_", " ").capitalize())


def place(language: str, finding: Finding) -> str:
    """Return where on its asset a finding lies, in a language; nothing where that is not known."""
    say = LANGUAGES[language]
    if finding.blade and finding.distance_to_root_m is not None:
        return f"{finding.blade} {finding.side}, {finding.distance_to_root_m:.1f} {say['from_root']}"
    match places.part_place(finding):
        case TowerPlace() as there:
            return say["on_tower"].format(there.face_bearing_deg, there.height_m)
        case SpanPlace() as there:
            wire = "" if there.conductor is None else _aside(say, there.offset_m)
            return say["on_span"].format(there.from_tower, there.to_tower, there.distance_m) + wire
        case LineTowerPlace() as there:
            return say["on_line_tower"].format(there.tower_name, there.height_m)
        case ChainagePlace() as there:
            aside = _aside(say, there.offset_m)
            around = aside if there.clock_h is None else say["hour"].format(hour_of(there.clock_h))
            return say["on_pipe"].format(there.chainage_m) + around
        case None:
            return ""


def _aside(say: Mapping[str, str], offset_m: float) -> str:
    """Return how far to the side it is, looking along; nothing of what is in the middle."""
    return "" if abs(offset_m) < _MIDDLE_M else say["left" if offset_m > 0 else "right"].format(abs(offset_m))
