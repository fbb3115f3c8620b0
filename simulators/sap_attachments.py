"""The simulated API_CV_ATTACHMENT_SRV: files linked to a business object; bytes as the body, the rest in headers."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from simulators import logbook
from simulators.sap_answers import answer, ordered_failure, plain_error, refusal
from simulators.sap_beside import ServiceBeside
from simulators.sap_faults import FaultFile
from simulators.sap_fields import Wrong
from simulators.sap_store import Store

ROOT: Final = "/sap/opu/odata/sap/API_CV_ATTACHMENT_SRV"
NOTIFICATION: Final = "BUS2038"
MOST_BYTES: Final = 16 << 20
_QUOTED: Final = re.compile(r"^'([^']{1,90})'$")
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS attachment(id INTEGER PRIMARY KEY, object_type TEXT NOT NULL, object_key TEXT NOT NULL,
    name TEXT NOT NULL, content_type TEXT NOT NULL, body BLOB NOT NULL);
"""


class AttachmentService(ServiceBeside):
    """The operations on attachments. The same name twice is two attachments, as in the real one."""

    def __init__(self, path: Path, notifications: Store, faults: FaultFile) -> None:
        super().__init__(path, _SCHEMA, notifications, faults)

    async def create(self, request: Request) -> Response:
        """POST: store the body as an attachment of the object that the headers name."""
        if (failure := ordered_failure(self._faults)) is not None:
            return failure
        kind, key = request.headers.get("BusinessObjectTypeName", ""), request.headers.get("LinkedSAPObjectKey", "")
        name = unquote(request.headers.get("slug", ""))
        held = await run_in_threadpool(self._notifications.get, key) if kind == NOTIFICATION else None
        if held is None or held.number != key:
            return refusal(400, [Wrong("CV_ODATA/010", f"Business object {kind} {key} does not exist", "")])
        if not name or "/" in name:
            return refusal(400, [Wrong("CV_ODATA/002", "Enter a file name in the slug header", "")])
        if int(request.headers.get("content-length", "0") or 0) > MOST_BYTES:
            return plain_error(413, "Request too large")
        body = await request.body()
        row = kind, key, name, request.headers.get("content-type", "application/octet-stream"), body
        await run_in_threadpool(self._store, row)
        logbook.note("attachment_stored", number=key, name=name, bytes=len(body))
        return answer(_entity(row), 201)

    async def originals(self, request: Request) -> Response:
        """GET GetAllOriginals: what is attached to an object."""
        wanted = [
            _QUOTED.match(request.query_params.get(n, "")) for n in ("BusinessObjectTypeName", "LinkedSAPObjectKey")
        ]
        if wanted[0] is None or wanted[1] is None:
            return refusal(400, [Wrong("/IWBEP/CM_MGW_RT/021", "Invalid parameters of function import", "")])
        found = await run_in_threadpool(self._of, wanted[0][1], wanted[1][1])
        return answer({"results": [_entity(row) for row in found]})

    def _store(self, row: tuple[str, str, str, str, bytes]) -> None:
        columns = "object_type, object_key, name, content_type, body"
        with self._lock:
            self._db.execute(f"INSERT INTO attachment({columns}) VALUES (?, ?, ?, ?, ?)", row)  # noqa: S608

    def _of(self, kind: str, key: str) -> list[tuple[str, str, str, str, bytes]]:
        query = "SELECT object_type, object_key, name, content_type, body FROM attachment"
        with self._lock:
            return self._db.execute(
                f"{query} WHERE object_type = ? AND object_key = ? ORDER BY id", (kind, key)
            ).fetchall()


def _entity(row: tuple[str, str, str, str, bytes]) -> dict[str, object]:
    kind, key, name, content_type, body = row
    return {
        "BusinessObjectTypeName": kind,
        "LinkedSAPObjectKey": key,
        "DocumentInfoRecordDocType": "GOS",
        "FileName": name,
        "MimeType": content_type,
        "FileSize": str(len(body)),
        "ArchiveDocumentID": hashlib.sha256(body).hexdigest()[:40].upper(),
    }
