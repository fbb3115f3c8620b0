"""How the client talks: one place for tokens, errors, retries and quoting."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel

_RETRIED = frozenset({429, 503})
_ATTEMPTS = 4
_LONGEST_WAIT_S = 30.0
P = TypeVar("P", bound=BaseModel)


class ApiError(Exception):
    """The API said no. ``code`` and ``retryable`` are for programs, ``detail`` and ``hint`` for people."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(problem.get("code", "http_error"))
        self.detail = str(problem.get("detail", f"HTTP {status}"))
        self.hint = str(problem.get("hint", ""))
        self.field = problem.get("field")
        self.retryable = bool(problem.get("retryable", status in _RETRIED))
        self.request_id = str(problem.get("request_id", ""))
        super().__init__(f"{self.detail} {self.hint}".strip())


class Unreachable(Exception):
    """Nothing answers; trying again may help."""


class Transport:
    """A connection to one Kestrel. ``token``: an access token or an API key."""

    def __init__(
        self, base_url: str, token: str, *, timeout_s: float = 30.0, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._http = httpx.Client(base_url=base_url, timeout=timeout_s, headers={"Authorization": f"Bearer {token}"})
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @staticmethod
    def quoted(value: object) -> str:
        """Return a value as one part of a path."""
        return quote(str(value), safe="")

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str | None] | None = None,
        body: BaseModel | None = None,
    ) -> bytes:
        """Return the answer's body.

        What is safe to repeat (a GET, or a request with an idempotency key) is repeated after 429, 503 and when
        nothing answers, a few times, with growing waits.

        Raises:
            ApiError: The API said no.
            Unreachable: Nothing answers.

        """
        sent = {name: value for name, value in (headers or {}).items() if value is not None}
        content = None
        if body is not None:
            sent["Content-Type"] = "application/json"
            content = json.dumps(body.model_dump(mode="json", exclude_unset=True, by_alias=True))
        repeatable = method == "GET" or "Idempotency-Key" in sent
        for attempt in range(1, _ATTEMPTS + 1):
            last = attempt == _ATTEMPTS or not repeatable
            try:
                answer = self._http.request(method, path, params=_query(query), headers=sent, content=content)
            except httpx.TransportError as error:
                if last:
                    raise Unreachable(f"{method} {path}: {error}") from error
                self._sleep(_wait_s(None, attempt))
                continue
            if answer.is_success:
                return answer.content
            if last or answer.status_code not in _RETRIED:
                raise ApiError(answer.status_code, _problem(answer))
            self._sleep(_wait_s(answer.headers.get("retry-after"), attempt))
        raise AssertionError("the last attempt returns or raises")

    @staticmethod
    def pages(fetch: Callable[[str | None], P]) -> Iterator[P]:
        """Yield every page of a list: ``pages(lambda cursor: client.list_flights(cursor=cursor))``."""
        cursor: str | None = None
        while True:
            page = fetch(cursor)
            yield page
            cursor = getattr(page, "next_cursor", None)
            if not cursor:
                return


def _query(query: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: _text(value) for name, value in (query or {}).items() if value is not None}


def _text(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    return value.isoformat() if isinstance(value, datetime) else value


def _wait_s(retry_after: str | None, attempt: int) -> float:
    asked = float(retry_after) if retry_after and retry_after.isdigit() else 0.0
    return float(min(_LONGEST_WAIT_S, max(asked, 0.25 * 2.0**attempt)))


def _problem(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {"detail": answer.text[:400]}
    return found if isinstance(found, dict) else {"detail": str(found)[:400]}
