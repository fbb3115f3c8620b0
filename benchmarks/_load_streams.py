"""Two hundred people who watch the event stream, and fifty aircraft that upload at once."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path
from typing import Any

import boto3
import httpx

from cloud.backends.objects import S3Objects as Store
from cloud.db import Database, notify
from contracts.errors import Unavailable
from contracts.resources import BUCKET
from edge.backends.objects import S3Objects
from edge.sender import Sender, UploadJournal

_PATIENCE_S = 60.0
_BETWEEN_S = 0.2
"""Events follow one another: they last long enough for people to ask beside them."""
_FILMS = "load/"
Routes = dict[str, dict[str, Any]]
Beside = Callable[[], AbstractContextManager[Callable[[], Routes]]]
"""Begins what asks beside the watchers; what it yields ends that, and tells its routes."""


class _Crowd:
    """Watchers, the events that they wait for, and when the last of them saw each."""

    def __init__(self, watchers: int, events: int) -> None:
        self.wanted = [f"watched-{number:04d}" for number in range(events)]
        self.seen_s: dict[str, float] = {}
        self.all_there = asyncio.Event()
        self._away = watchers

    async def watch(self, http: httpx.AsyncClient) -> bool:
        """Follow the stream until every wanted event came; tells whether each came once and in order."""
        came: list[str] = []
        async with http.stream("GET", "/v1/events", params={"kinds": "drone"}) as answer:
            async for line in answer.aiter_lines():
                self._note(line, came)
                if len(came) == len(self.wanted):
                    break
        return came == self.wanted

    def _note(self, line: str, came: list[str]) -> None:
        if line.startswith("retry:"):  # the first line: what happens from here on is streamed
            self._away -= 1
            if self._away == 0:
                self.all_there.set()
        name = str(json.loads(line.removeprefix("data: "))["id"]) if line.startswith("data: ") else ""
        if name.startswith("watched-"):
            came.append(name)
            self.seen_s[name] = time.monotonic()


async def _watched(
    url: str, token: str, database: Database, watchers: int, events: int, beside: Beside
) -> tuple[dict[str, Any], Routes]:
    limits, headers = httpx.Limits(max_connections=None), {"Authorization": f"Bearer {token}"}
    crowd, sent_s = _Crowd(watchers, events), dict[str, float]()
    async with httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=_PATIENCE_S) as http:
        began_s = time.monotonic()
        tasks = [asyncio.create_task(crowd.watch(http)) for _ in range(watchers)]
        await asyncio.wait_for(crowd.all_there.wait(), _PATIENCE_S)
        opened_s = time.monotonic() - began_s
        with ExitStack() as stack:
            end = await asyncio.to_thread(stack.enter_context, beside())
            for name in crowd.wanted:
                sent_s[name] = time.monotonic()
                await asyncio.to_thread(_change, database, name)
                await asyncio.sleep(_BETWEEN_S)
            done, late = await asyncio.wait(tasks, timeout=_PATIENCE_S)
            routes = await asyncio.to_thread(end)
        for task in late:
            task.cancel()
    took_ms = sorted(1000 * (crowd.seen_s[name] - at) for name, at in sent_s.items() if name in crowd.seen_s)
    return {
        "watchers": watchers,
        "opened_s": round(opened_s, 1),
        "events": events,
        "watchers_with_every_event_once": sum(task.exception() is None and task.result() for task in done),
        "until_the_last_watcher_ms": {"p50": round(took_ms[len(took_ms) // 2]), "worst": round(took_ms[-1])},
    }, routes


def _change(database: Database, name: str) -> None:
    with database.session() as session:
        notify(session, "drone", name)


def watched(
    url: str, token: str, database: Database, watchers: int, events: int, beside: Beside
) -> tuple[dict[str, Any], Routes]:
    """Let ``watchers`` follow the stream while ``events`` things change; return who saw all of them, and how late.

    People ask ``beside`` once all watchers are there; returned too is what that yields them in the end.
    """
    return asyncio.run(_watched(url, token, database, watchers, events, beside))


def uploaded(folder: Path, streams: int, mib: int) -> dict[str, Any]:
    """Upload one file of ``mib`` MiB from each of ``streams`` aircraft at once, in parts; read every one back."""
    path = folder / "film.mp4"
    path.write_bytes(os.urandom(mib * 1024 * 1024))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()

    again: list[int] = []

    def one(number: int) -> str:
        key = f"{_FILMS}{number}.mp4"
        with closing(UploadJournal(folder / f"uploads-{number}.db")) as journal:
            sender = Sender(journal, S3Objects(BUCKET, checksum="CRC32"), threading.Event())
            while True:  # as the agent does: from the journal, after a part that timed out as well
                try:
                    if sender.send_file(key, path, sha256):
                        return hashlib.sha256(Store(BUCKET).get(key)).hexdigest()
                except Unavailable:
                    again.append(number)

    began_s = time.monotonic()
    with ThreadPoolExecutor(streams) as pool:
        found = list(pool.map(one, range(streams)))
    took_s = time.monotonic() - began_s
    boto3.resource("s3").Bucket(BUCKET).object_versions.filter(Prefix=_FILMS).delete()  # the emulator's memory is ours
    return {
        "streams": streams,
        "mib_each": mib,
        "tried_again": len(again),
        "whole": sum(each == sha256 for each in found),
        "took_s": round(took_s, 1),
        "mbit_per_s": round(8 * streams * mib * 1.048576 / took_s, 1),
    }
