"""DynamoDB: routes by plan and version, as the exact JSON that was hashed."""

from __future__ import annotations

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from contracts.errors import Unavailable
from contracts.resources import ROUTES_TABLE
from contracts.routes import Route


class DynamoRoutes:
    """The routes table."""

    def __init__(self, table: str = ROUTES_TABLE) -> None:
        config = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "max_attempts": 3})
        self._dynamo = boto3.client("dynamodb", config=config)
        self._table = table

    def put(self, route: Route) -> None:
        """Store a route under (plan, version)."""
        item = {
            "plan_id": {"S": route.plan_id},
            "version": {"N": str(route.version)},
            "content_hash": {"S": route.content_hash()},
            "route": {"S": route.model_dump_json()},
        }
        try:
            self._dynamo.put_item(TableName=self._table, Item=item)
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"The routes table did not take {route.plan_id}: {error}.", hint="Try again.") from error

    def get(self, plan_id: str, version: int) -> Route | None:
        """Return the route, or None when the table has lost it (or itself)."""
        key = {"plan_id": {"S": plan_id}, "version": {"N": str(version)}}
        try:
            answer = self._dynamo.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "ResourceNotFoundException":
                return None
            raise Unavailable(f"The routes table refused {plan_id}: {error}.", hint="Try again.") from error
        except BotoCoreError as error:
            raise Unavailable(f"The routes table did not answer: {error}.", hint="Try again.") from error
        item = answer.get("Item")
        return Route.model_validate_json(item["route"]["S"]) if item else None
