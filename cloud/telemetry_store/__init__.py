"""Where telemetry lies: by month in Postgres, minute by minute beside it, and as Parquet in S3 when it is old."""
