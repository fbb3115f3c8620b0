"""A password for Postgres on RDS that AWS signs for a quarter of an hour, made anew for each connection."""

from __future__ import annotations

from typing import Any

import boto3
from sqlalchemy.engine import make_url


class DatabaseToken:
    """Signs with the program's own role; only the role's credentials are fetched now and then."""

    def __init__(self, url: str) -> None:
        said = make_url(url)
        self._host, self._port, self._user = said.host or "", said.port or 5432, said.username or ""
        self._rds: Any = boto3.client("rds")

    def __call__(self) -> str:
        """Return a password that is good for 15 minutes; a connection that stands keeps standing."""
        return str(self._rds.generate_db_auth_token(DBHostname=self._host, Port=self._port, DBUsername=self._user))
