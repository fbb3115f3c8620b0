"""Entry points for SageMaker: a training job and a batch transform with the same code as on one machine.

Training reads ``courses.jsonl`` (one course per line) and writes ``growth.json``; inference follows the script-mode
contract ``model_fn``, ``input_fn``, ``predict_fn``, ``output_fn``. Run as a program it is the training job. Tested
against the documented folders, not against AWS.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from cloud.prediction.courses import Course
from cloud.prediction.fitting import fit
from cloud.prediction.model import Forecast, GrowthModel
from contracts.errors import InvalidInput

_COURSE = TypeAdapter(Course)


class Asked(BaseModel):
    """One line of a batch: a course, and how many years after its first sighting to look."""

    course: Course
    years: float
    limit_mm: float | None = None


def train(data: Path, model_dir: Path) -> GrowthModel:
    """Fit on every ``*.jsonl`` below ``data`` and write the model.

    Raises:
        InvalidInput: A line is no course.
        TooLittleData: Too few defects were measured twice.

    """
    courses = [_course(line) for file in sorted(data.rglob("*.jsonl")) for line in file.read_text().splitlines()]
    model = fit(courses)
    model_dir.mkdir(parents=True, exist_ok=True)
    (model_dir / "growth.json").write_text(model.model_dump_json(indent=1), encoding="utf-8")
    return model


def _course(line: str) -> Course:
    try:
        return _COURSE.validate_json(line)
    except ValueError as error:
        raise InvalidInput(f"A line of the training data is no course: {error}.") from error


def model_fn(model_dir: str) -> GrowthModel:
    """Load the model (SageMaker inference contract)."""
    return GrowthModel.model_validate_json((Path(model_dir) / "growth.json").read_text(encoding="utf-8"))


def input_fn(body: str, content_type: str) -> list[Asked]:
    """Parse JSON lines.

    Raises:
        InvalidInput: Another content type, or a line that is none of ours.

    """
    if content_type != "application/jsonlines":
        raise InvalidInput(f"Content type {content_type!r} is not known.", hint="Send application/jsonlines.")
    try:
        return [Asked.model_validate_json(line) for line in body.splitlines() if line.strip()]
    except ValueError as error:
        raise InvalidInput(f"A line of the batch is not valid: {error}.") from error


def predict_fn(asked: list[Asked], model: GrowthModel) -> list[dict[str, Any]]:
    """Return median, 80 % interval and the chance of reaching a limit for each line."""
    answers = []
    for one in asked:
        forecast = Forecast(model, one.course)
        low, middle, high = (forecast.quantile_mm(one.years, share) for share in (0.1, 0.5, 0.9))
        chance = None if one.limit_mm is None else forecast.probability(one.years, one.limit_mm)
        answers.append(
            {"defect_id": one.course.defect_id, "low_mm": low, "median_mm": middle, "high_mm": high, "chance": chance}
        )
    return answers


def output_fn(answers: list[dict[str, Any]], accept: str = "application/jsonlines") -> tuple[str, str]:
    """Return JSON lines and their content type."""
    return "".join(json.dumps(answer) + "\n" for answer in answers), accept


def main() -> None:
    """Train from SageMaker's folders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, default=Path("/opt/ml/input/data/train"))
    parser.add_argument("--model-dir", type=Path, default=Path("/opt/ml/model"))
    options = parser.parse_args()
    train(options.train, options.model_dir)


if __name__ == "__main__":
    main()
