"""The simulated SAP system as a process of its own, with its faults."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import httpx

USER, PASSWORD = "KESTREL", "secret"
_SET = "/sap/opu/odata/sap/API_MAINTNOTIFICATION/MaintenanceNotification"


class SapServer:
    """Start it, break it, look into it."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        self._faults = folder / "faults.json"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return the root of the service."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start and wait until it answers."""
        command = [sys.executable, "-m", "simulators", "sap", "--state", str(self._folder / "sap.sqlite")]
        command += ["--listen", f"127.0.0.1:{self._port}", "--user", USER, "--password", PASSWORD]
        command += ["--fault-file", str(self._faults)]
        with (self._folder / "log").open("ab") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=out, env={"PATH": os.environ["PATH"]})
        for _ in range(600):
            try:
                self._get({"$top": "1"})
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError((self._folder / "log").read_text()[-2000:])

    def stop(self) -> None:
        """Stop it; what it stored stays."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(20)
            self._process = None

    def break_it(self, **faults: object) -> None:
        """Say what goes wrong from now on; nothing without arguments."""
        draft = self._faults.with_suffix(".new")
        draft.write_text(json.dumps(faults))
        draft.replace(self._faults)

    def notifications(self, reference: str) -> list[dict[str, Any]]:
        """Return what SAP holds under a reference."""
        return self._get({"$filter": f"MaintNotifExtReferenceNumber eq '{reference}'"})

    def notification(self, number: str) -> dict[str, Any]:
        """Return one notification whole."""
        address, asked = f"{self.url}{_SET}('{number}')", {"$format": "json"}
        answer = httpx.get(address, params=asked, auth=(USER, PASSWORD), timeout=5)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()["d"]
        return found

    def move(self, number: str, phase: str, order: str = "") -> None:
        """Do what a person does inside SAP: phase 1 outstanding, 3 in process, 4 completed, 5 deletion flag."""
        address = f"{self.url}/sap/ui/notification/{number}"
        httpx.post(address, params={"phase": phase, "order": order}, timeout=5).raise_for_status()

    def _get(self, query: dict[str, str]) -> list[dict[str, Any]]:
        answer = httpx.get(self.url + _SET, params={"$format": "json", **query}, auth=(USER, PASSWORD), timeout=5)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["d"]["results"]
        return found
