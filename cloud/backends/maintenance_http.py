"""How an adapter to a maintenance system speaks HTTP: what fails in passing is asked again, what is refused is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from contracts.errors import MaintenanceRejected, Unavailable
from instruments import traces

_PASSING = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.REQUEST_TIMEOUT)
_AGAIN = "It will be asked again."


@dataclass(frozen=True)
class Wire:
    """One system: its name, where it is, the setting that says so, its own errors, and how it words a refusal.

    ``reason`` returns the system's own words; it may raise ValueError, KeyError, TypeError or AttributeError.
    """

    system: str
    root: str
    setting: str
    http: httpx.Client
    reason: Callable[[httpx.Response], str]
    unavailable: type[Unavailable] = Unavailable
    rejected: type[MaintenanceRejected] = MaintenanceRejected

    def sent(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Return the system's answer, whatever it is.

        Raises:
            Unavailable: None is configured, or it does not answer.

        """
        if not self.root:
            raise self.unavailable(f"No {self.system} is configured.", hint=f"Set {self.setting}.")
        try:
            with traces.asked(f"{self.system} {method}", path=path):
                headers = {**more.pop("headers", {}), **traces.headers()}
                return self.http.request(method, path, headers=headers, **more)
        except httpx.HTTPError as error:
            said = f"{type(error).__name__} {error}"
            raise self.unavailable(f"{self.system} at {self.root} did not answer: {said}.", hint=_AGAIN) from error

    def check(self, answer: httpx.Response) -> httpx.Response:
        """Return the answer when it is a success.

        Raises:
            Unavailable: It failed, or is too busy.
            MaintenanceRejected: It refused, in its own words.

        """
        if answer.is_success:
            return answer
        said = self._said(answer)
        if answer.is_server_error or answer.status_code in _PASSING:
            raise self.unavailable(f"{self.system} answered {answer.status_code}: {said}.", hint=_AGAIN)
        raise self.rejected(
            f"{self.system} refused ({answer.status_code}): {said}.",
            hint=f"Mend what {self.system} names, then resume the workflow.",
        )

    def body(self, answer: httpx.Response) -> dict[str, Any]:
        """Return the JSON object of a success.

        Raises:
            Unavailable: It failed, is too busy, or is something else than the system.
            MaintenanceRejected: It refused, in its own words.

        """
        root = f"Is {self.setting} {self.system}'s root?"
        try:
            body = self.check(answer).json()
        except ValueError as error:
            raise Unavailable(f"{self.system} answered {answer.status_code} without JSON.", hint=root) from error
        if not isinstance(body, dict):
            raise Unavailable(f"{self.system} answered {answer.status_code} with something unexpected.", hint=root)
        return body

    def _said(self, answer: httpx.Response) -> str:
        """Return the system's own words, or the start of the body."""
        try:
            return self.reason(answer).rstrip(".") or "no reason given"
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return answer.text[:200].strip() or "no reason given"
