"""Where the analysts' views lie in S3, and how Glue finds their days: the same for who writes and who declares."""

from __future__ import annotations

from typing import Final

SCHEMA: Final = "kestrel_v1"
"""Name of the views' schema in Postgres and of their database in Glue."""
PREFIX: Final = f"datasets/{SCHEMA}"
"""Of their keys in the bucket."""
_PARQUET: Final = "org.apache.hadoop.hive.ql.io.parquet"
INPUT_FORMAT: Final = f"{_PARQUET}.MapredParquetInputFormat"
OUTPUT_FORMAT: Final = f"{_PARQUET}.MapredParquetOutputFormat"
SERDE: Final = f"{_PARQUET}.serde.ParquetHiveSerDe"
"""How Hive reads and writes Parquet (AWS Glue, StorageDescriptor)."""


def location(bucket: str, view: str) -> str:
    """Return the S3 address of a view; below it lies a folder for each day."""
    return f"s3://{bucket}/{PREFIX}/{view}"


def by_day(place: str) -> dict[str, str]:
    """Return a Glue table's parameters that let Athena work its partitions out (partition projection)."""
    return {
        "classification": "parquet",
        "projection.enabled": "true",
        "projection.day.type": "date",
        "projection.day.format": "yyyy-MM-dd",
        "projection.day.range": "2024-01-01,NOW",
        "storage.location.template": f"{place}/day=${{day}}",
    }
