"""The views as Parquet in S3, one folder per view and day, and the Glue table definitions Athena reads them by.

``datasets/kestrel_v1/<view>/day=2026-11-25/part.parquet``; the same day again replaces it. The definitions are what
Glue's CreateTable takes (TableInput), stored beside the data as ``datasets/kestrel_v1/glue.json``: the infrastructure
creates the tables from them.
"""

from __future__ import annotations

import io
import json
from datetime import datetime
from typing import Any, Protocol

import polars as pl
from sqlalchemy.orm import Session

from cloud.datasets.rows import Table, read
from cloud.datasets.views import VIEWS
from contracts import lake

_GLUE_TYPES: dict[type[Any], str] = {
    pl.String: "string",
    pl.Float64: "double",
    pl.Int64: "bigint",
    pl.Boolean: "boolean",
    pl.Datetime: "timestamp",
    pl.Date: "date",
}


class Shelf(Protocol):
    """Where objects are put; putting the same key again replaces it."""

    def put(self, key: str, body: bytes, content_type: str) -> Any:
        """Store an object."""


def publish(session: Session, shelf: Shelf, bucket: str, now: datetime) -> dict[str, int]:
    """Write every view and the Glue definitions; return the rows per view."""
    counts, tables = {}, []
    for view in VIEWS:
        frame = framed(read(session, view))
        body = io.BytesIO()
        frame.write_parquet(body)
        key = f"{lake.PREFIX}/{view}/day={now.date().isoformat()}/part.parquet"
        shelf.put(key, body.getvalue(), "application/vnd.apache.parquet")
        counts[view] = frame.height
        tables.append(glue_table(view, frame, bucket))
    definitions = json.dumps({"DatabaseName": lake.SCHEMA, "Tables": tables}, indent=1)
    shelf.put(f"{lake.PREFIX}/glue.json", definitions.encode(), "application/json")
    return counts


def framed(table: Table) -> pl.DataFrame:
    """Return a view's rows as a frame; a column that holds nothing yet is text."""
    frame = pl.DataFrame(table.rows, schema=table.columns, orient="row", infer_schema_length=None)
    empty = [name for name, kind in frame.schema.items() if kind == pl.Null]
    return frame.with_columns(pl.col(name).cast(pl.String) for name in empty)


def glue_table(view: str, frame: pl.DataFrame, bucket: str) -> dict[str, Any]:
    """Return the TableInput of a view for Glue; its days are found by partition projection, without a crawler."""
    columns = [{"Name": name, "Type": _glue_type(kind)} for name, kind in frame.schema.items()]
    location = lake.location(bucket, view)
    return {
        "Name": view,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [{"Name": "day", "Type": "string"}],
        "Parameters": lake.by_day(location),
        "StorageDescriptor": {
            "Columns": columns,
            "Location": location,
            "InputFormat": lake.INPUT_FORMAT,
            "OutputFormat": lake.OUTPUT_FORMAT,
            "SerdeInfo": {"SerializationLibrary": lake.SERDE},
        },
    }


def _glue_type(kind: pl.DataType) -> str:
    return next((glue for known, glue in _GLUE_TYPES.items() if kind == known), "string")
