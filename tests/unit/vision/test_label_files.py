"""Labels leave for other programs and come back; what is no label of ours is refused with its field."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from contracts.errors import InvalidInput
from contracts.geo import BoxNorm
from contracts.training import Judgement, LabelledBox, LabelledFrame, LabelSet, Split
from contracts.vocabulary import DefectKind
from vision.__main__ import app
from vision.datasets import read_yolo
from vision.label_files import Labelled, as_cvat, from_cvat, read_yolo_labels, write_yolo

ENDS = st.tuples(st.integers(0, 9999), st.integers(0, 9999)).filter(lambda e: e[0] != e[1]).map(sorted)
WORDS = st.text("aé<&\"'-", min_size=1, max_size=6)


def box(across: list[int], down: list[int], kind: DefectKind, judged: Judgement, finding: str) -> LabelledBox:
    (x0, x1), (y0, y1) = across, down
    norm = BoxNorm(x0=x0 / 9999, y0=y0 / 9999, x1=x1 / 9999, y1=y1 / 9999)
    return LabelledBox(box=norm, kind=kind, judgement=judged, finding_id=finding)


BOXES = st.builds(box, ENDS, ENDS, st.sampled_from(DefectKind), st.sampled_from(Judgement), WORDS)
KEYS = st.text("a1./ %é_<&", min_size=1, max_size=8)
PICTURES = st.lists(
    st.builds(Labelled, KEYS, st.sampled_from(Split), st.lists(BOXES, max_size=2).map(tuple)),
    max_size=3,
    unique_by=lambda p: p.frame_key,
)
CRACK = box([1000, 2000], [1000, 3000], DefectKind.CRACK, Judgement.DEFECT, "fnd-1")
REJECTED = CRACK.model_copy(update={"judgement": Judgement.NOTHING})
OPEN = CRACK.model_copy(update={"judgement": Judgement.OPEN})


def numbers(boxes: tuple[LabelledBox, ...]) -> list[float]:
    return [end for known in boxes for end in known.box.model_dump().values()]


@given(PICTURES, st.integers(1, 8192), st.integers(1, 8192))
@settings(max_examples=20, deadline=None)
def test_cvat_keeps_everything(pictures: list[Labelled], width: int, height: int) -> None:
    back = from_cvat(as_cvat(pictures, width, height))
    assert [(p.frame_key, p.split) for p in back] == [(p.frame_key, p.split) for p in pictures]
    for new, old in zip(back, pictures, strict=True):
        assert numbers(new.boxes) == pytest.approx(numbers(old.boxes), abs=1e-12)
        said = [[(b.kind, b.judgement, b.finding_id) for b in p.boxes] for p in (new, old)]
        assert said[0] == said[1]


@given(PICTURES)
@settings(max_examples=15, deadline=None)
def test_yolo_keeps_defects_and_hard_negatives_and_leaves_out_the_unjudged(pictures: list[Labelled]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        left_out = write_yolo(pictures, Path(folder))
        back = {p.frame_key: p for p in (read_yolo_labels(Path(folder)) if len(left_out) < len(pictures) else [])}
    assert set(left_out) == {p.frame_key for p in pictures if any(b.judgement is Judgement.OPEN for b in p.boxes)}
    assert set(back) == {p.frame_key for p in pictures} - set(left_out)
    for picture in pictures:
        if picture.frame_key in back:
            defects = tuple(b for b in picture.boxes if b.judgement is Judgement.DEFECT)
            new = back[picture.frame_key]
            assert numbers(new.boxes) == pytest.approx(numbers(defects), abs=1e-8)
            assert ([b.kind for b in new.boxes], new.split) == ([b.kind for b in defects], picture.split)


def test_every_reject_is_a_hard_negative(tmp_path: Path) -> None:
    write_yolo([Labelled("frames/a.jpg", Split.TRAIN, (REJECTED,))], tmp_path)
    (path,) = (tmp_path / "labels/train").iterdir()
    assert path.read_text() == ""
    (tmp_path / "images/train").mkdir(parents=True)
    (tmp_path / "images/train" / path.with_suffix(".jpg").name).touch()
    assert [len(s.rows) for s in read_yolo(tmp_path, "train")] == [0]


IMAGE = '<image name="a" width="100" height="50">{}</image>'
BOX = '<box label="{}" xtl="{}" ytl="1" xbr="{}" ybr="9"/>'


def cvat(*parts: str) -> str:
    return f"<annotations>{''.join(parts)}</annotations>"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "file"),
        ("<annotations>", "file"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>', "file"),
        ("<labels/>", "annotations"),
        (cvat('<image width="9" height="9"/>'), "image.name"),
        (cvat('<image name="a" width="wide" height="9"/>'), "image.width"),
        (cvat('<image name="a" width="0" height="9"/>'), "image.width"),
        (cvat('<image name="a" width="9" height="9" subset="exam"/>'), "image.subset"),
        (cvat(IMAGE.format(BOX.format("bird", 1, 9))), "box.label"),
        (cvat(IMAGE.format(BOX.format("crack", "left", 9))), "box.xtl"),
        (cvat(IMAGE.format(BOX.format("crack", 9, 1))), "box"),
        (cvat(IMAGE.format(BOX.format("crack", 1, 101))), "box"),
        (cvat(IMAGE.format(BOX.format("crack", "nan", 9))), "box"),
    ],
)
def test_xml_that_is_no_label_is_refused_with_its_field(text: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        from_cvat(text)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("0 0.5 0.5 0.1", "labels"),
        ("0 0.5 0.5 0.1 wide", "labels"),
        ("99 0.5 0.5 0.1 0.1", "class"),
        ("-1 0.5 0.5 0.1 0.1", "class"),
        ("0 0.5 0.5 0 0.1", "box"),
        ("0 0.5 0.5 0.1 1.2", "box"),
        ("0 nan 0.5 0.1 0.1", "box"),
    ],
)
def test_a_line_that_is_no_box_is_refused_with_its_field(tmp_path: Path, line: str, field: str) -> None:
    (tmp_path / "labels/val").mkdir(parents=True)
    (tmp_path / "labels/val/a.txt").write_text(line)
    with pytest.raises(InvalidInput) as refused:
        read_yolo_labels(tmp_path)
    assert refused.value.field == field


def test_the_verb_goes_round(tmp_path: Path) -> None:
    frames = [
        LabelledFrame(frame_key=f"f/{n}", split=Split.VAL, boxes=(b,)) for n, b in enumerate((CRACK, REJECTED, OPEN))
    ]
    made = LabelSet(version="mdl-1", made_at=datetime(2026, 5, 1, tzinfo=UTC), frames=tuple(frames))
    (tmp_path / "labels.json").write_text(made.model_dump_json())

    def turned(source: str, form: str, out: str) -> dict[str, object]:
        done = CliRunner().invoke(
            app, ["labels", str(tmp_path / source), "--as", form, "--out", str(tmp_path / out), "--json"]
        )
        assert done.exit_code == 0, done.stderr
        return dict(json.loads(done.stdout))

    assert turned("labels.json", "cvat", "all.xml")["pictures"] == 3
    assert turned("all.xml", "yolo", "yolo")["left_out_unjudged"] == ["f/2"]
    assert turned("yolo", "cvat", "back.xml")["pictures"] == 2
    refused = CliRunner().invoke(
        app, ["labels", str(tmp_path / "none"), "--as", "cvat", "--out", str(tmp_path / "x"), "--json"]
    )
    assert (refused.exit_code, json.loads(refused.stderr)["field"]) == (1, "source")
