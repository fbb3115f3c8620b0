"""What the MCP server does, without the protocol: run a tool, answer a question, read a resource, for a principal."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from cloud import rates
from cloud.assistant import conversation, transcripts
from cloud.assistant.executor import run_step
from cloud.assistant.plans import Step
from cloud.assistant.tools.declarations import TOOLS, Asker, begin
from cloud.grading import load_policy
from cloud.mcp.memory import Memory
from cloud.security import Principal
from cloud.services import Services
from contracts.errors import InvalidInput, NotFound

ASK = "ask"
READ_SCOPE = "kestrel:read"
_FINDING = re.compile(r"^kestrel://findings/F-(\d{1,9})$")
RESOURCES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "kestrel://policy": ("The severity policy in force", "policy", {}),
    "kestrel://sites": ("Sites with their assets and findings", "sites", {}),
    "kestrel://assets": ("Assets with their last inspection", "assets", {}),
}
"""Address -> (what it is, the tool that reads it, its arguments). A finding is ``kestrel://findings/F-142``."""


class ToolService:
    """Runs the assistant's tools for whoever the transport has authenticated."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._memory = Memory()

    def call(self, principal: Principal, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return a tool's rows, or a whole answer for ``ask``; read only.

        Raises:
            InvalidInput: No such tool, or arguments that are not its.
            Forbidden: The principal may not read.

        """
        rates.check(self._services.asks.take(principal.username), "POST", "/mcp")
        if name == ASK:
            return self._ask(principal, arguments)
        if name not in TOOLS:
            raise InvalidInput(f"There is no tool {name[:60]!r}.", field="name")
        step = Step(id=self._memory.next_id(principal), tool=name, title=name, parameters=arguments)
        with self._services.database.session_of(principal) as session:
            asker = self._asker(session, principal)
            begin(asker)
            try:
                made = run_step(asker, step, self._memory.of(principal))
            except ValidationError as error:
                raise _refused(error) from error
        self._memory.keep(principal, step.id, made.rows)
        rows = [row.model_dump(mode="json", exclude_none=True) for row in made.rows]
        return {"step": step.id, "rows": rows}

    def _ask(self, principal: Principal, arguments: dict[str, Any]) -> dict[str, Any]:
        question, previous = str(arguments.get("question", "")), str(arguments.get("previous", ""))
        with self._services.database.session_of(principal) as session:
            said = conversation.answer(self._asker(session, principal), question, previous)
        with self._services.database.session_of(principal) as session:
            transcripts.record(session, principal.username, "mcp", said, said.usage)
        return said.model_dump(mode="json", exclude={"steps"})

    def read(self, principal: Principal, uri: str) -> dict[str, Any]:
        """Return what a resource holds.

        Raises:
            NotFound: No such resource, or the principal may not know of it.

        """
        finding = _FINDING.match(uri)
        if finding:
            found = self.call(principal, "findings", {"numbers": [int(finding[1])], "limit": 1})
            if len(found["rows"]) < 2:
                raise NotFound(f"No finding F-{finding[1]}.")
            return found
        if uri not in RESOURCES:
            raise NotFound(f"No resource {uri[:80]!r}.", hint=f"Resources: {', '.join(RESOURCES)}.")
        _, tool, arguments = RESOURCES[uri]
        return self.call(principal, tool, dict(arguments))

    def _asker(self, session: Any, principal: Principal) -> Asker:
        policy = load_policy(self._services.settings.policy_file)
        return Asker(session, principal, datetime.now(UTC), ZoneInfo("UTC"), policy)


def _refused(error: ValidationError) -> InvalidInput:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return InvalidInput(f"{field}: {first['msg']}.", field=field or None)
