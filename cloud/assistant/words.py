"""The gazetteer: how people say the field's words, and how the assistant says them back."""

from __future__ import annotations

from cloud.grading import shipped_policy
from contracts.vocabulary import BladeSide, DefectKind

KIND_LABELS = {
    DefectKind.CRACK: "crack",
    DefectKind.LEADING_EDGE_EROSION: "leading edge erosion",
    DefectKind.LIGHTNING_BURN: "lightning burn",
    DefectKind.CORROSION: "corrosion",
    DefectKind.MISSING_COATING: "missing coating",
    DefectKind.DELAMINATION: "delamination",
    DefectKind.DAMAGE: "unspecified damage",
    DefectKind.BROKEN_INSULATOR: "broken insulator",
    DefectKind.BROKEN_STRANDS: "broken strands",
    DefectKind.NEST: "nest",
    DefectKind.VEGETATION: "vegetation",
    DefectKind.LOOSE_MOUNT: "loose mount",
    DefectKind.LEAK: "leak",
    DefectKind.ENCROACHMENT: "encroachment",
}
SIDE_LABELS = {
    BladeSide.LE: "leading edge",
    BladeSide.TE: "trailing edge",
    BladeSide.PS: "pressure side",
    BladeSide.SS: "suction side",
}
SEVERITY_LABELS = {1: "minor", 2: "low", 3: "moderate", 4: "serious", 5: "critical"}
"""By severity rank, whatever the scheme."""

KIND_PATTERNS = (
    (DefectKind.LEADING_EDGE_EROSION, r"(?:leading[- ]edge|le) erosions?|erosions?|eroded|eroding"),
    (
        DefectKind.LIGHTNING_BURN,
        r"lightning(?: (?:burn|strike|damage|mark)s?)?|burn(?: mark)?s?|burnt|scorch(?:ed| marks?)?",
    ),
    (
        DefectKind.MISSING_COATING,
        r"(?:missing|lost|peeling|flaking) (?:coatings?|paint)|(?:coating|paint) (?:loss|missing)|peeling",
    ),
    (DefectKind.CRACK, r"(?:hairline )?cracks?|cracking|cracked|fissures?"),
    (DefectKind.CORROSION, r"corrosions?|corroded|rust(?:y|ed)?"),
    (DefectKind.DELAMINATION, r"delaminations?|delaminated|delaminating"),
    (DefectKind.DAMAGE, r"(?:unspecified|unclassified|unknown) damages?"),
    (
        DefectKind.BROKEN_INSULATOR,
        r"(?:broken|shattered|missing|damaged|flashed|defective) (?:insulators?|(?:insulator )?(?:discs?|sheds?))",
    ),
    (
        DefectKind.BROKEN_STRANDS,
        r"(?:broken|frayed|damaged) (?:strands?|conductors?|guy wires?)|bird[- ]?cag(?:es?|ing)",
    ),
    (DefectKind.NEST, r"(?:birds?'? |bird's )?nests?"),
    (DefectKind.VEGETATION, r"vegetation|overgrowth|growth under the line"),
    (DefectKind.LOOSE_MOUNT, r"loose (?:mounts?|antennas?|dish(?:es)?|brackets?)"),
    (DefectKind.LEAK, r"leaks?|leakages?|leaking"),
    (DefectKind.ENCROACHMENT, r"encroachments?|encroaching"),
)
SIDE_PATTERNS = (
    (BladeSide.LE, r"leading[- ]edges?|le"),
    (BladeSide.TE, r"trailing[- ]edges?|te"),
    (BladeSide.PS, r"pressure[- ]sides?|ps"),
    (BladeSide.SS, r"suction[- ]sides?|ss"),
)
SEVERITY_PATTERNS = (
    ((shipped_policy().critical_rank, 5), r"critical(?:ly)?(?: severity)?"),
    ((4, 5), r"serious|severe|high[- ]severity|urgent"),
    ((3, 3), r"medium[- ]severity|moderate"),
    ((1, 2), r"low[- ]severity|minor|cosmetic"),
)
DEFECT_NOUNS = (
    r"(?:detected |surface )?(?:defects?|findings?|damages?|issues?|problems?|anomal(?:y|ies)|faults?|detections?)"
)
FLIGHT_NOUNS = r"flights?|inspections?|missions?|sorties"
TICKET_NOUNS = (
    r"(?:sap |maintenance )*(?:tickets?|notifications?|work orders?)(?: numbers?| status(?:es)?| states?)?"
    r"|status(?:es)? of (?:the |all )?(?:sap |maintenance )*(?:tickets?|notifications?)"
)
ASSET_NOUNS = r"(?:wind )?(?:turbines?|assets?|towers?|wtgs?|machines?)"
SITE_NOUNS = r"sites?|(?:wind )?(?:farms?|parks?)"
DRONE_NOUNS = r"drones?|aircraft|uavs?"
STOP_WORDS = frozenset(
    """
    a an the is are was were be been being do does did have has had having got there here it its this these those that
    of on in at to for from by with and or as our my your their us me we you i they he she please kindly can could
    would what which who whom where when show list give tell find get see display report name about any some
    all single one ones currently now ever found detect detected discover discovered spot identified
    seen recorded reported spotted present exist exists existing observed occurred occur happened happen made make
    just still yet during over within per kestrel hello hi hey thanks thank so then also only into out
    up wind blade blades rotor farm fleet site platform system database data results result information details
    overview summary summarise summarize affected affecting affect located location locations place places visible
    across total overall say know like want need let look looking whole entire type types kind kinds side sides
    flown flew fly performed done completed came come raised opened created
    turned turn cropped popped appear appears appeared emerge emerged arose sit sits sitting lie lies lying situated
    noticed noted logged registered captured uncovered encountered caught picked revealed showing exhibit exhibits
    carry carries suffer suffers suffering contain contains bear bears hold holds already presently actually really
    altogether among amongst therein thereof concerning regarding respect terms
    idea anywhere everywhere reveal reveals along alongside gets given giving take taken interested curious hear learn
    okay ok right well good morning afternoon team guys folks exactly exact precisely precise current getting
    whats theres hows unearthed pick picked point pointed
    mark marked flag flagged record recording account accounted book booked keep kept stored file filed listed
    throughout upon around onto together both overall rather quite entire complete full existing standing attributed
    belong belongs belonging
    related associated linked tied connected attached corresponding respective particular specific certain
    fetch retrieve pull enumerate provide return check tally sum quick quickly question wondering wonder
    dealing deal deals facing face faces figure figures sorry instance matter matters subject case cases
    produce produces produced generate generates generated bring brings brought yield yielded
    fall falls fell go goes going went stay stays photograph photographed film filmed image imaged
    capture captures capturing detecting finding spotting observing noting recording reporting seeing
    document documented documenting note notes mention mentioned occurring occurs turning coming
    sort sorted rank ranked ordered think believe guess suppose understand remember remind talk talking speak
    speaking ask asking asked tells said says told answer answers reply help helps try trying able put puts
    myself ourselves itself themselves everyone everybody way ways thx cheers greetings dear
    preparing prepare separate separately management manager meeting carrying taking together sending send crew
    customer client owner boss colleague slide presentation sheet if wanted needed
    showed shown shows team teams yes fleet-wide farm-wide site-wide measured collected collect collects gathered
    line lines row rows entry entries item items piece pieces basis regard regards touching pertaining relating
    """.split()  # noqa: SIM905 - a list of 150 words is read more easily as text
)
"""Words that carry no condition. A word that is neither here nor in the grammar makes the question a refusal."""

NUMBER_WORDS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "couple": 2, "few": 3, "dozen": 12,
}  # fmt: skip
ACTIONS = (
    r"(?:delete|remove|drop|erase|close|cancel|open|create|send|start|launch|fly|land|approve|confirm|reject|update"
    r"|change|set|grant|reset|export|email|schedule|order|assign|stop|insert|execute|run)"
)
"""Verbs that ask for an act when a question starts with one."""


def severity_label(rank: int) -> str:
    """Return the word of a severity rank."""
    return SEVERITY_LABELS.get(rank, f"rank {rank}")


def kind_label(kind: str) -> str:
    """Return the words of a defect kind; an unknown kind is said as it is stored."""
    return _SAID_KINDS.get(kind, kind.replace("_", " "))


def side_label(side: str | None) -> str:
    """Return the words of a blade side."""
    return _SAID_SIDES.get(side or "", side or "")


_SAID_KINDS = {kind.value: label for kind, label in KIND_LABELS.items()}
_SAID_SIDES = {side.value: label for side, label in SIDE_LABELS.items()}
