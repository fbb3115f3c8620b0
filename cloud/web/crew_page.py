"""A crew's page: one job on a phone, with or without a connection. The link is the only right it has."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from sqlalchemy import select

from cloud import tickets
from cloud.moments import Moment
from cloud.repairs import crew
from cloud.repairs.crew import Told
from cloud.requests import SigningIn, Svc
from cloud.security import limit
from cloud.tables import Asset, CrewRow, EvidenceRow, Finding, RepairSlot
from cloud.web import phrases
from cloud.web.rendering import page, static_response
from contracts.errors import NotAuthenticated, NotFound

router = APIRouter(prefix="/crew", include_in_schema=False)
Token = Annotated[str, Path(max_length=400)]
ReportId = Annotated[str, Path(pattern=r"^[0-9a-f]{8}-[0-9a-f-]{27}$")]


@router.get("/worker.js")
async def worker(request: Request) -> Response:
    """Return the service worker: from here it may serve every page below /crew/."""
    answer = await static_response(request, "crew-worker.js")
    answer.headers["Cache-Control"] = "no-cache"
    return answer


@router.get("/{token}")
def crew_page(
    request: Request,
    token: Token,
    services: Svc,
    session: SigningIn,
    lang: Annotated[str, Query(max_length=8)] = "",
) -> HTMLResponse:
    """Return the job a link is for."""
    limit(request, f"crew {request.client.host if request.client else ''}")
    accepted = request.headers.get("accept-language", "")
    try:
        finding = session.get(Finding, crew.finding_of(services, token))
    except NotAuthenticated:
        return _closed(phrases.choose(lang, accepted, ""), "expired", 401)
    if finding is None:
        return _closed(phrases.choose(lang, accepted, ""), "gone", 404)
    slot = session.scalars(select(RepairSlot).where(RepairSlot.finding_id == finding.finding_id)).first()
    of_crew = session.get(CrewRow, slot.crew_id) if slot is not None and slot.crew_id else None
    language = phrases.choose(lang, accepted, of_crew.language if of_crew else "")
    return page(
        "crew.html",
        {
            "language": language,
            "say": phrases.LANGUAGES[language],
            "finding": finding,
            "kind": phrases.kind(language, finding.kind),
            "place": phrases.place(language, finding),
            "asset": session.get_one(Asset, finding.asset_id),
            "slot": slot,
            "zone": of_crew.zone if of_crew else "UTC",
            "ticket": tickets.of_defect(session, finding),
            "token": token,
            "answers": [answer.value for answer in crew.CrewAnswer],
            "closed": "",
        },
    )


def _closed(language: str, why: str, status: int) -> HTMLResponse:
    context = {"language": language, "say": phrases.LANGUAGES[language], "closed": why, "token": ""}
    return page("crew.html", context, status)


@router.get("/{token}/picture")
def crew_picture(token: Token, services: Svc, session: SigningIn) -> Response:
    """Return the picture that shows the defect best."""
    finding_id = crew.finding_of(services, token)
    rows = session.scalars(
        select(EvidenceRow)
        .where(EvidenceRow.finding_id == finding_id, EvidenceRow.crop_key != "")
        .order_by(EvidenceRow.confidence.desc(), EvidenceRow.evidence_id)
    ).first()
    if rows is None:
        raise NotFound("There is no picture of it.")
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(services.objects.get(rows.crop_key), media_type="image/jpeg", headers=headers)


@router.put("/{token}/reports/{report_id}")
def put_report(request: Request, token: Token, report_id: ReportId, body: Told, services: Svc) -> JSONResponse:
    """Keep an answer; the same one again is fine, however often and late it comes."""
    limit(request, f"crew {request.client.host if request.client else ''}")
    return JSONResponse({"state": crew.record(services, token, report_id, body)})


@router.put("/{token}/reports/{report_id}/photo")
async def put_photo(
    request: Request,
    token: Token,
    report_id: ReportId,
    services: Svc,
    taken_at: Annotated[Moment, Query()],
    taken_by: Annotated[Literal["camera", "file", "phone"], Query()] = "phone",
) -> JSONResponse:
    """Keep an answer's photo, with the time it was taken and whose clock said so."""
    limit(request, f"crew {request.client.host if request.client else ''}")
    body = await request.body()
    return JSONResponse({"key": crew.keep_photo(services, token, report_id, body, taken_at, taken_by)})
