"""A change of the templates is told before it is deployed, and what would lose something is refused."""

from __future__ import annotations

from typing import Any

import pytest

from infra.aws.gates import changes, nag, snapshot
from infra.aws.gates.changes import ADDED, CHANGED, DELETED, MAYBE, REPLACED, Change
from infra.aws.gates.templates import Templates

BUCKET = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "media"}}
ALARM = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Threshold": 1}}


def table(key: str) -> dict[str, Any]:
    return {"Type": "AWS::DynamoDB::GlobalTable", "Properties": {"TableName": "routes", "KeySchema": [key]}}


def of(**resources: dict[str, Any]) -> Templates:
    return Templates({"kestrel-a": {"Resources": resources}})


@pytest.mark.parametrize(
    ("before", "now", "what", "grave"),
    [
        (of(), of(B=BUCKET), ADDED, False),
        (of(B=BUCKET), of(), DELETED, True),
        (of(A=ALARM), of(), DELETED, False),
        (of(B=BUCKET), of(B={**BUCKET, "Properties": {"BucketName": "other"}}), REPLACED, True),
        (of(T=table("id")), of(T=table("plan_id")), MAYBE, False),
        (of(B=BUCKET), of(B={**BUCKET, "Properties": {"BucketName": "media", "Rules": []}}), CHANGED, False),
        (of(B=BUCKET), of(B=ALARM), DELETED, True),
    ],
)
def test_a_change_is_told_by_what_it_does(before: Templates, now: Templates, what: str, *, grave: bool) -> None:
    [found] = changes.between(before, now, "pilot")
    assert (found.what, found.grave) == (what, grave)


def test_what_is_the_same_is_no_change() -> None:
    assert changes.between(of(B=BUCKET), of(B=BUCKET), "pilot") == []


def test_a_renamed_export_is_no_change_of_those_who_use_it() -> None:
    def stacks(export: str) -> Templates:
        output = {"Value": {"Ref": "B"}, "Export": {"Name": export}}
        user = {"Type": "AWS::SQS::Queue", "Properties": {"Of": {"Fn::ImportValue": export}}}
        return Templates({"a": {"Resources": {"B": BUCKET}, "Outputs": {"O": output}}, "b": {"Resources": {"Q": user}}})

    assert changes.between(stacks("one"), stacks("two"), "pilot") == []


def test_a_loss_needs_a_row_that_names_it() -> None:
    lost = Change("pilot", DELETED, "kestrel-a/B", "AWS::S3::Bucket")
    row = nag.Acceptance(rule=DELETED, where="kestrel-a/B", reason="the copy of the second region took its place")
    assert changes.refused([lost], []) == [lost]
    assert changes.refused([lost], [row]) == []
    assert changes.refused([lost._replace(where="kestrel-a/C")], [row]) != []


def test_every_row_of_the_list_has_a_reason() -> None:
    assert all(row.reason for row in changes.acceptances())


def test_what_all_sizes_do_is_said_once_and_the_gravest_first() -> None:
    lost = Change("pilot", DELETED, "kestrel-a/B", "AWS::S3::Bucket")
    made = Change("pilot", ADDED, "kestrel-a/A", "AWS::SNS::Topic")
    lines = changes.table([made, lost, lost._replace(size="fleet")])
    assert [line[0] for line in lines] == ["!", " "]
    assert lines[0].endswith("[pilot, fleet]")


def test_a_picture_of_several_sizes_gives_each_its_own_back() -> None:
    sizes: dict[str, snapshot.Stacks] = {
        "pilot": {"s": {"T A": {"kept": "Retain", "Lock": 90}}},
        "fleet": {"s": {"T A": {"kept": "Retain", "Lock": 365}, "T B": {"rest": "1"}}},
        "enterprise": {"s": {"T A": {"kept": "Retain", "Lock": 365, "Copy": 1}}, "r": {"T C": {"rest": "2"}}},
    }
    whole = snapshot.merged(sizes)
    assert whole["s"]["T A"]["Lock"] == {"by size": {"pilot": 90, "fleet": 365, "enterprise": 365}}
    assert {size: snapshot.of_size(whole, size) for size in sizes} == sizes


def test_a_picture_names_no_hash_and_says_a_statement_in_a_line() -> None:
    said = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": {"Fn::GetAtt": ["Media1234ABCD", "Arn"]}}
    policy = {"Type": "AWS::IAM::Policy", "Properties": {"PolicyDocument": {"Version": "1", "Statement": said}}}
    shown = snapshot.pictured(of(Media1234ABCD=BUCKET, RolePolicyF00DF00D=policy))["kestrel-a"]
    assert shown["AWS::IAM::Policy RolePolicy"]["PolicyDocument"] == ["Allow s3:GetObject on ${Media.Arn}"]
    assert "AWS::S3::Bucket Media" in shown


def test_a_change_of_what_is_not_named_is_seen_in_the_rest() -> None:
    one, other = (snapshot.pictured(of(A={**ALARM, "Properties": {"Period": s}})) for s in (60, 300))
    assert snapshot.findings(one, other) == ["kestrel-a: AWS::CloudWatch::Alarm A has another rest"]
    assert snapshot.findings(snapshot.telling(one), snapshot.telling(other)) == []
