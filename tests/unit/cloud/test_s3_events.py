"""Object keys in S3 event notifications."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.consume import event_for, event_keys
from contracts.errors import InvalidInput

AWS_EVENT = {
    "Records": [
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:CompleteMultipartUpload",
            "s3": {
                "bucket": {"name": "kestrel-media"},
                "object": {
                    "key": "flights/merlin-1/flt-1/00000+a%3D.json",
                    "size": 1024,
                    "eTag": "x",
                    "sequencer": "0",
                },
            },
        }
    ]
}


def test_the_key_is_decoded_as_s3_encodes_it() -> None:
    assert list(event_keys(json.dumps(AWS_EVENT))) == ["flights/merlin-1/flt-1/00000 a=.json"]


def test_s3s_own_test_event_names_nothing() -> None:
    assert list(event_keys('{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}')) == []


@pytest.mark.parametrize("body", ["", "nonsense", "[]", "7", "null", '{"Records": [{"s3": {}}]}', '{"detail": 1}'])
def test_anything_else_is_refused(body: str) -> None:
    with pytest.raises(InvalidInput, match="Not an S3 event"):
        list(event_keys(body))


@given(st.from_regex(r"flights/[a-z0-9-]{1,9}/[a-z0-9-]{1,9}/[0-9]{5}\.json", fullmatch=True))
def test_what_the_reconciler_buries_can_be_read_back(key: str) -> None:
    assert list(event_keys(event_for(key))) == [key]
