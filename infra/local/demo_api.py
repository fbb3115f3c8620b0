"""The demo's hands: an operator and an analyst at the public API, nothing else."""

from __future__ import annotations

import json
from typing import Any

import httpx

from contracts.errors import PlatformError, Unavailable
from contracts.ids import mint


class ApiRefused(PlatformError):
    """The API answered with a problem the demo cannot go on with."""

    code = "api_refused"


class Api:
    """A signed-in client of ``/v1``."""

    def __init__(self, base_url: str, username: str, password: str) -> None:
        self._http = httpx.Client(base_url=base_url, timeout=30.0)
        self._sign_in = {"grant_type": "password", "username": username, "password": password}
        self._renew()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _renew(self) -> None:
        try:
            answer = self._http.post("/oidc/token", data=self._sign_in)
        except httpx.TransportError as error:
            raise Unavailable(f"{self._http.base_url} does not answer ({error}).", hint="Is it up?") from error
        self._http.headers["Authorization"] = f"Bearer {_checked(answer)['access_token']}"

    def get(self, path: str, **params: Any) -> Any:
        """Return a resource. Raises Unavailable when the API is being restarted, ApiRefused otherwise."""
        return self._call("GET", path, params={k: v for k, v in params.items() if v is not None})

    def all(self, path: str, **params: Any) -> list[dict[str, Any]]:
        """Return every row of a list, page by page."""
        rows: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = self.get(path, cursor=cursor, **params)
            rows += page["data"]
            cursor = page.get("next_cursor")
            if not cursor:
                return rows

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Create something; the idempotency key makes a repeat harmless."""
        return self._call("POST", path, json=body or {}, headers={"Idempotency-Key": mint("demo")})

    def post_text(self, path: str, body: str) -> Any:
        """Send a body as it is, JSON or not."""
        return self._call("POST", path, content=body, headers={"Content-Type": "application/json"})

    def register(self, path: str, body: dict[str, Any]) -> None:
        """Create something unless it is there already."""
        try:
            self.post(path, body)
        except ApiRefused as refused:
            if refused.field != "conflict":
                raise

    def ask(self, question: str) -> dict[str, Any]:
        """Return the assistant's answer: sentences with their citations."""
        sentences: list[dict[str, Any]] = []
        body = {"question": question, "time_zone": "UTC"}
        with self._http.stream("POST", "/v1/assistant/ask", json=body, timeout=60.0) as answer:
            if answer.is_error:
                answer.read()
                _checked(answer)
            for line in answer.iter_lines():
                record = json.loads(line)
                if record["type"] == "sentence":
                    said = record["data"]
                    sentences.append(
                        {
                            "text": said["text"],
                            "citations": [cited["id"] for cited in said["citations"]],
                            "labels": [cited["label"] for cited in said["citations"]],
                        }
                    )
        return {"question": question, "sentences": sentences}

    def _call(self, method: str, path: str, **request: Any) -> Any:
        try:
            answer = self._http.request(method, path, **request)
            if answer.status_code == httpx.codes.UNAUTHORIZED:
                self._renew()
                answer = self._http.request(method, path, **request)
        except httpx.TransportError as error:
            raise Unavailable(f"{method} {path}: the API does not answer ({error}).") from error
        return _checked(answer)


def _checked(answer: httpx.Response) -> Any:
    if answer.is_success:
        return answer.json() if answer.content else None
    where = f"{answer.request.method} {answer.request.url.path}"
    if answer.status_code >= 500:
        raise Unavailable(f"{where}: {answer.status_code}", hint="See `kestrel logs api`.")
    problem = answer.json() if "json" in answer.headers.get("content-type", "") else {"detail": answer.text[:400]}
    raise ApiRefused(
        f"{where}: {answer.status_code} {problem.get('detail') or problem.get('title')}",
        hint=problem.get("hint", ""),
        field="conflict" if answer.status_code == httpx.codes.CONFLICT else problem.get("field"),
    )
