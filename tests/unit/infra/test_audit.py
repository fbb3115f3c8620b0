"""A package that nobody answered for was not audited; a licence that is not known to agree is named."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.errors import Unavailable
from infra.audit import COMPATIBLE, judged, weaknesses

SOUND: dict[str, Any] = {"name": "attrs", "version": "26.1.0", "vulns": []}
HOLE = {"name": "lib", "version": "1.0", "vulns": [{"id": "GHSA-1", "fix_versions": ["1.1"]}]}
SKIPPED = {"name": "absl-py", "skip_reason": "Dependency not found on PyPI and could not be audited"}


def test_a_known_weakness_is_named_with_what_mends_it() -> None:
    assert weaknesses([SOUND]) == []
    assert weaknesses([SOUND, HOLE]) == ["lib 1.0: GHSA-1, mended in 1.1"]


@pytest.mark.parametrize("answer", [[], [SKIPPED], [SOUND, SKIPPED]])
def test_no_answer_is_no_pass(answer: list[dict[str, Any]]) -> None:
    with pytest.raises(Unavailable, match="were not audited"):
        weaknesses(answer)


@pytest.mark.parametrize(
    ("licences", "odd"),
    [
        ([{"expression": "MIT OR Apache-2.0"}], ()),
        ([{"expression": "Apache-2.0 AND BSD-2-Clause"}], ()),
        ([{"expression": "Apache-2.0 WITH LLVM-exception"}], ()),
        ([{"expression": "SSPL-1.0 OR MIT"}], ()),
        ([{"expression": "SSPL-1.0 AND MIT"}], ("SSPL-1.0 AND MIT",)),
        ([{"license": {"id": "BSD-3-Clause"}}, {"license": {"name": "License :: OSI Approved :: BSD License"}}], ()),
        ([{"license": {"name": "License :: OSI Approved"}}, {"license": {"id": "MIT"}}], ()),
        ([{"license": {"name": "Proprietary"}}], ("Proprietary",)),
        ([{"license": {"id": "GPL-2.0-only"}}], ("GPL-2.0-only",)),
        ([], ("no licence named",)),
    ],
)
def test_a_licence_agrees_or_is_named(licences: list[dict[str, Any]], odd: tuple[str, ...]) -> None:
    [row] = judged([{"name": "some", "version": "1", "licenses": licences}])
    assert row.odd == odd


def test_no_licence_that_forbids_combination_is_on_the_list() -> None:
    assert not {"GPL-2.0-only", "SSPL-1.0", "CC-BY-NC-4.0", "BUSL-1.1", "Elastic-2.0"} & COMPATIBLE
