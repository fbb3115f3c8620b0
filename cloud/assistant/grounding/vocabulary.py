"""The words a model may use without evidence: they report, they do not judge, rank, promise or advise."""

from __future__ import annotations

REPORTING = frozenset(
    """
    a an the this that these those it its they their there here which who whose of on in at to for from by with and or
    as is are was were be been has have had having also both each other same respectively than then between within
    about around up down over under beyond along across near beside after before during since until while
    i you we
    finding findings defect defects damage asset assets turbine turbines blade blades side sides edge surface component
    components root tip site sites drone drones aircraft flight flights inspection inspections frame frames segment
    segments video picture ticket tickets notification notifications system phase priority number numbers coverage
    policy severity rank grade reason action due date day days week weeks month months year years hour hours minute
    minutes second seconds time period utc total count counted sum mean average median minimum maximum difference
    length width size dimension dimensions distance position place location height altitude speed wind battery link
    confidence metre metres mm cm m percent pixel degrees kind kinds type types group groups status state figure value
    row rows evidence record records database data
    detected found seen observed recorded reported measured located lies lie flown landed opened sent assigned listed
    shown shows show reviewed graded looked covered per
    no not none nothing without
    more fewer less further later earlier first last next
    long wide high large of
    """.split()  # noqa: SIM905 - a list of 180 words is read more easily as text
)
"""Superlatives, causes, advice and judgements (worst, safe, because, should, urgent …) are not among them on purpose:
a model may only use them where the rows it names do."""
