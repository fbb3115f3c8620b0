"""What goes wrong, declared: who is killed how often, what the drones' link does, and which tests hold which fault."""

from __future__ import annotations

from typing import NamedTuple

EVERYTHING = ("*", "supervisor", "drone")


class Scenario(NamedTuple):
    """A run. ``victims``: names of processes; ``*`` is every process of the stack, ``drone`` the drones' own."""

    victims: tuple[str, ...] = EVERYTHING
    pause_s: tuple[float, float] = (0.3, 2.2)
    """Between two faults, at random."""
    link_faults: tuple[str, ...] = ()
    """Of ``cut``, ``dark`` (bytes go nowhere), ``slow`` (600 ms, 8 KiB/s): one beside every third kill."""
    drones: int = 2
    samples_per_s: int = 20
    finding_every: int = 8
    """Kills between two critical findings, each of which must end in one notification in SAP."""
    command_every: int = 2
    """Kills between two signed commands."""


SCENARIOS = {
    "everything": Scenario(link_faults=("cut", "dark", "slow")),
    "stores": Scenario(victims=("postgres", "emulator"), pause_s=(1.0, 6.0)),
    "ingest": Scenario(victims=("ingest", "mosquitto", "drone"), link_faults=("cut", "dark", "slow"), samples_per_s=50),
    "tickets": Scenario(victims=("workflows", "consume", "reconcile", "sap", "emulator", "api"), finding_every=3),
}

_EDGE = "tests/journeys/test_edge_faults.py::"
FAULT_ROWS: dict[int, tuple[str, tuple[str, ...]]] = {
    1: ("agent killed at random points", (_EDGE + "test_killed_at_random_points_nothing_promised_is_lost",)),
    2: ("power cut, torn write", (_EDGE + "test_a_torn_tail_costs_nothing_that_was_promised",)),
    3: ("bit flips in the outbox", (_EDGE + "test_damage_anywhere_never_stops_it_and_every_whole_record_survives",)),
    4: (
        "disk full, broken, read-only",
        (_EDGE + "test_a_full_disk_keeps_the_command_path_and_comes_back", "tests/unit/edge/test_outbox.py"),
    ),
    5: ("link down and flapping", (_EDGE + "test_an_outage_and_a_flapping_link_lose_nothing",)),
    6: (
        "black hole",
        (
            _EDGE + "test_a_black_hole_is_noticed_and_what_was_under_way_is_sent_again",
            _EDGE + "test_the_agents_own_patience_notices_a_dead_link_within_thirty_seconds",
        ),
    ),
    7: ("slow, narrow, lossy link", (_EDGE + "test_on_a_bad_link_commands_are_answered_and_nothing_is_lost",)),
    8: (
        "broker forgets, refuses, repeats",
        (
            _EDGE + "test_a_missing_answer_is_not_waited_for_for_ever",
            _EDGE + "test_a_missing_puback_fails_the_publish_so_that_the_outbox_sends_again",
            _EDGE + "test_sent_away_it_comes_back_and_never_twice_within_the_second_that_aws_allows",
            _EDGE + "test_refused_it_raises_an_alarm_and_waits",
            _EDGE + "test_the_same_command_under_another_packet_id_is_one_delivery_to_the_desk_and_one_run",
        ),
    ),
    9: ("broker killed after its acknowledgement", (_EDGE + "test_what_the_broker_took_and_lost_is_sent_again",)),
    10: (
        "database away or killed, poison, redelivery",
        ("tests/backends/test_ingest.py", "tests/backends/test_telemetry_store.py"),
    ),
    11: ("clock", ("tests/unit/edge/test_commands.py", "tests/backends/test_clock_challenge.py")),
    12: ("forged, replayed, late commands", (_EDGE + "test_a_command_that_comes_late_never_runs",
                                             "tests/unit/edge/test_commands.py")),
    13: ("killed at each step of a command", ("tests/unit/edge/test_command_crashes.py",)),
    14: (
        "credentials, 403, 503, checksums, lost upload",
        (
            "tests/unit/edge/test_uploader.py",
            "tests/backends/test_edge_rights.py",
            "tests/backends/test_edge_objects.py",
        ),
    ),
    15: ("recorder killed", ("tests/unit/edge/test_recorder.py",)),
    16: ("stolen key", ("tests/backends/test_edge_link.py",)),
    17: ("a fleet comes back at once", ("tests/backends/test_fleet_simulator.py",)),
    18: ("soak", ()),
}  # fmt: skip
"""Row of the fault table -> what it is, and the tests that hold it."""
ELSEWHERE = {18: "make load SOAK=1440"}
"""What no test can hold in a test's time, and the verb that does."""
