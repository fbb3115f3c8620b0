"""Where a webhook may lead, and how its messages are signed."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.webhooks import courier, targets
from contracts.errors import InvalidInput, Unavailable


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "ftp://hooks.example.com/",
        "https://",
        "https://user:secret@hooks.example.com/",
        "https://hooks.example.com/#part",
        "https://localhost/",
        "https://intranet/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://10.0.0.8/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:99999/",
        "https://h\u00f6oks.example.com/",
        "//hooks.example.com",
        "",
    ],
)
def test_an_address_that_is_not_on_the_open_internet_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        targets.check(url, private=False)
    assert caught.value.field == "url"


def test_a_public_address_is_taken() -> None:
    assert targets.check("https://hooks.example.com:8443/a?b=c", private=False).hostname == "hooks.example.com"
    assert targets.check("http://127.0.0.1:9000/", private=True).port == 9000


@pytest.mark.parametrize(
    "answer", [["10.1.2.3"], ["93.184.216.34", "127.0.0.1"], ["::1"], ["100.64.0.1"], ["2002:7f00:1::"], ["224.0.0.1"]]
)
def test_a_name_that_leads_inside_is_refused_even_in_part(answer: list[str]) -> None:
    with pytest.raises(InvalidInput):
        targets.addresses("hooks.example.com", 443, private=False, resolve=lambda *_: answer)


def test_a_name_without_an_address_may_have_one_later() -> None:
    with pytest.raises(Unavailable):
        targets.addresses("hooks.example.com", 443, private=False, resolve=lambda *_: [])


@given(st.ip_addresses())
def test_no_address_of_a_private_network_passes(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    private = not address.is_global or address.is_multicast
    try:
        targets.addresses("h.example.com", 443, private=False, resolve=lambda *_: [str(address)])
        passed = True
    except InvalidInput:
        passed = False
    assert not (private and passed)


def test_the_wait_doubles_up_to_six_hours() -> None:
    waits = [courier.pause_s(n) for n in range(1, 16)]
    assert waits[:3] == [5.0, 10.0, 20.0]
    assert waits[-1] == 6 * 3600
    assert waits == sorted(waits)
