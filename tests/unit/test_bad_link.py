"""The link that misbehaves on command carries what it is given, however many files the process holds."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Iterator

import pytest

from tests.bad_link import BadLink

HIGHEST_OF_SELECT = 1023


@pytest.fixture
def many_files() -> Iterator[None]:
    """Hold so many files that every new one's number is above what select() knows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = HIGHEST_OF_SELECT + 200
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this machine lets a process hold {hard} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    held = [os.open(os.devnull, os.O_RDONLY)]
    try:
        while held[-1] <= HIGHEST_OF_SELECT:
            held.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for one in held:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_it_carries_both_ways_in_a_process_that_holds_a_thousand_files() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as far,
        BadLink(far.getsockname()[1]) as link,
        socket.create_connection(("127.0.0.1", link.port), timeout=10) as near,
    ):
        there, _ = far.accept()
        with there:
            for sender, receiver in ((near, there), (there, near)):
                receiver.settimeout(10)
                sender.sendall(b"wind")
                assert receiver.recv(4) == b"wind"
