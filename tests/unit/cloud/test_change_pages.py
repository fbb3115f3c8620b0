"""Streams at the same place read a page of changes together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from cloud.changes import Pages
from cloud.tables import Change
from contracts.errors import Unavailable


class Reading:
    """Reads once it may, as often as it is asked to."""

    def __init__(self) -> None:
        self.times = 0
        self.may = asyncio.Event()
        self.fails = False

    async def read(self) -> Sequence[Change]:
        self.times += 1
        await self.may.wait()
        if self.fails:
            raise Unavailable("The database does not answer.")
        return [Change(kind="drone", object_id=f"kite-{self.times}")]


def test_two_hundred_at_one_place_read_once() -> None:
    async def run() -> None:
        pages, reading = Pages(), Reading()
        streams = [asyncio.create_task(pages.get("here", reading.read)) for _ in range(200)]
        reading.may.set()
        first, *others = await asyncio.gather(*streams)
        assert all(other is first for other in others)
        assert await pages.get("here", reading.read) is first, "who comes a moment later gets it too"
        assert reading.times == 1

    asyncio.run(run())


def test_who_stands_elsewhere_or_sees_other_sites_reads_for_themselves() -> None:
    async def run() -> None:
        pages, reading = Pages(), Reading()
        reading.may.set()
        places = [(None, 1), (None, 2), (("ann", frozenset({"north"})), 1), (("bob", frozenset({"north"})), 1)]
        found = [await pages.get(place, reading.read) for place in places]
        assert len({change.object_id for [change] in found}) == reading.times == len(places)

    asyncio.run(run())


def test_a_stream_that_goes_away_does_not_break_it_off_for_the_others() -> None:
    async def run() -> None:
        pages, reading = Pages(), Reading()
        leaving, staying = (asyncio.create_task(pages.get("here", reading.read)) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        reading.may.set()
        assert len(await staying) == 1

    asyncio.run(run())


def test_what_could_not_be_read_is_read_again() -> None:
    async def run() -> None:
        pages, reading = Pages(), Reading()
        reading.may.set()
        reading.fails = True
        with pytest.raises(Unavailable):
            await pages.get("here", reading.read)
        reading.fails = False
        assert len(await pages.get("here", reading.read)) == 1

    asyncio.run(run())


def test_pages_of_long_ago_are_let_go() -> None:
    async def run() -> None:
        pages, reading = Pages(), Reading()
        reading.may.set()
        for place in range(1000):
            await pages.get(place, reading.read)
        before = reading.times
        await pages.get(999, reading.read)
        assert reading.times == before
        await pages.get(0, reading.read)
        assert reading.times == before + 1

    asyncio.run(run())
