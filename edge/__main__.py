"""`kestrel-edge`: the agent on the drone."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

VERBS = {
    "run": "Fly, record and report until told to stop.",
    "check": "Say whether this drone is fit to fly, and what to mend.",
    "exercise": "Fly a short acceptance flight with nothing but an autopilot; THE AIRCRAFT TAKES OFF.",
    "bench": "Command an autopilot by words, with nothing but its address; THE AIRCRAFT TAKES OFF when told.",
    "status": "Say how the running agent is.",
    "import": "Take a camera's memory card (MP4, SRT, JPEG) into captures for the cloud; every file gets a verdict.",
    "provision": "Get this drone its own certificate, with a claim; its key is made here and never leaves.",
    "update": "Install a signed release beside the one in use, check it, and put it into use on trial from the next "
    "start on.",
    "export": "Write a segment for other programs: MPEG-TS with a KLV track (STANAG 4609), KLV alone, and DJI-style "
    "SRT.",
}
"""What each verb does, in the order of the help: the first sentence that its function says of itself."""
_OTHER_NAMES = {"import": "cards"}
"""A module cannot be called as this verb is."""


class _Verbs(TyperGroup):
    """Loads a verb's module when it is asked for: no help text or status needs cameras, keys and links."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - click's signature
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - click's signature
        if cmd_name not in VERBS:
            return None
        module = import_module(f"edge.verbs.{_OTHER_NAMES.get(cmd_name, cmd_name)}")
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


app = typer.Typer(
    cls=_Verbs,
    help=__doc__,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _root() -> None:
    pass


if __name__ == "__main__":
    app()
