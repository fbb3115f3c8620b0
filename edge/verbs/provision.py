"""`kestrel-edge provision`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import PlatformError
from edge import logbook
from edge.backends.dialogue import provisioned
from edge.backends.link import Credentials
from edge.verbs import guard

app = guard.verb()


@app.command()
def provision(
    serial: Annotated[str, typer.Option(help="This drone's serial number, its name from then on.")],
    template: Annotated[str, typer.Option(help="The fleet provisioning template.")],
    mqtt_url: Annotated[str, typer.Option(envvar="EDGE_MQTT_URL", help="mqtts://HOST:PORT")],
    ca_file: Annotated[Path, typer.Option(envvar="EDGE_CA_FILE", help="Authority that signed the broker.")],
    claim_cert: Annotated[Path, typer.Option(help="The claim certificate.")],
    claim_key: Annotated[Path, typer.Option(help="Its key.")],
    state_dir: guard.StateDir,
    json_: guard.Json = False,
) -> None:
    """Get this drone its own certificate, with a claim; its key is made here and never leaves."""
    logbook.configure()
    try:
        papers = provisioned(state_dir, mqtt_url, Credentials(ca_file, claim_cert, claim_key), template, serial)
    except PlatformError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(guard.RETRYABLE if error.retryable else guard.USAGE) from error
    said = {**papers.identity().model_dump(), "cert_file": str(papers.cert_file), "key_file": str(papers.key_file)}
    typer.echo(json.dumps(said) if json_ else "\n".join(f"{name:<15} {value}" for name, value in said.items()))
