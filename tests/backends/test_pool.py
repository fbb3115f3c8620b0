"""The connections that the API keeps."""

from __future__ import annotations

import pytest
from sqlalchemy.pool import QueuePool

from cloud.db import Database
from contracts.errors import Unavailable


def test_an_opened_pool_has_a_connection_for_each_who_asks(database_url: str) -> None:
    database = Database(database_url, pool_size=4)
    database.open_pool()
    pool = database.engine.pool
    assert isinstance(pool, QueuePool)
    assert (pool.checkedin(), pool.checkedout()) == (4, 0)
    database.close()


def test_a_pool_that_cannot_be_opened_says_that_the_database_is_away() -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        Database("postgresql+psycopg2://x:y@127.0.0.1:1/none").open_pool()
