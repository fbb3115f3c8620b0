"""Bulk takes four fifths of the link in the air, all of it on the ground, and retreats when the broker grows slow."""

from __future__ import annotations

import pytest

from edge.bandwidth import Pacer

PIECE = 16_384


class Channel:
    """A link that carries ``bps``; time passes only by sleeping and sending."""

    def __init__(self, bps: float) -> None:
        self.bps = bps
        self.now = 0.0
        self.answer_s = 0.05

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def carry(self, pacer: Pacer, seconds: float) -> float:
        """Send for a while; return bytes per second."""
        began, sent = self.now, 0
        while self.now - began < seconds:
            pacer.spend(PIECE)
            self.now += PIECE / self.bps
            sent += PIECE
        return sent / (self.now - began)


def pacer(channel: Channel, *, in_the_air: bool = True, ceiling_bps: float = 0) -> Pacer:
    return Pacer(ceiling_bps, lambda: in_the_air, lambda: channel.answer_s, lambda: channel.now, channel.sleep)


@pytest.mark.parametrize("bps", [100_000, 1_000_000, 12_500_000])
def test_in_the_air_it_settles_at_four_fifths(bps: int) -> None:
    channel = Channel(bps)
    paced = pacer(channel)
    channel.carry(paced, 20)
    assert 0.55 * bps < channel.carry(paced, 300) < 0.9 * bps


def test_on_the_ground_it_takes_what_there_is() -> None:
    channel = Channel(2_000_000)
    assert channel.carry(pacer(channel, in_the_air=False), 20) == pytest.approx(2_000_000, rel=0.01)


@pytest.mark.parametrize("in_the_air", [True, False])
def test_the_ceiling_holds_everywhere(in_the_air: bool) -> None:
    channel = Channel(2_000_000)
    assert channel.carry(pacer(channel, in_the_air=in_the_air, ceiling_bps=300_000), 60) <= 303_000


def test_it_follows_a_link_that_becomes_worse_and_better() -> None:
    channel = Channel(2_000_000)
    paced = pacer(channel)
    channel.carry(paced, 20)
    channel.bps = 200_000
    channel.carry(paced, 130)
    assert channel.carry(paced, 100) < 0.95 * 200_000
    channel.bps = 2_000_000
    channel.carry(paced, 130)
    assert channel.carry(paced, 100) > 0.6 * 2_000_000


def test_slow_answers_of_the_broker_make_it_retreat() -> None:
    channel = Channel(2_000_000)
    paced = pacer(channel)
    before = channel.carry(paced, 30)
    channel.answer_s = 3.0
    channel.carry(paced, 30)
    assert channel.carry(paced, 30) < 0.2 * before


def test_a_pause_says_nothing_of_the_link() -> None:
    channel = Channel(2_000_000)
    paced = pacer(channel)
    channel.carry(paced, 30)
    allowed = paced.rate_bps
    channel.now += 15
    channel.carry(paced, 1.5)
    assert paced.rate_bps == allowed
