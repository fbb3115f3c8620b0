"""Bedrock Converse: one question, one text answer."""

from __future__ import annotations

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from contracts.errors import Unavailable


class BedrockConverse:
    """One model. ``name`` is what sources of texts are called: ``bedrock:<model id>``."""

    def __init__(self, model_id: str) -> None:
        config = Config(connect_timeout=3, read_timeout=60, retries={"mode": "standard", "max_attempts": 2})
        self._bedrock = boto3.client("bedrock-runtime", config=config)
        self._model_id = model_id
        self.name = f"bedrock:{model_id}"

    def complete(self, system: str, prompt: str, *, max_tokens: int = 400) -> str:
        """Return the model's answer to one prompt.

        Raises:
            Unavailable: Bedrock does not answer, throttles or refuses.

        """
        try:
            answer = self._bedrock.converse(
                modelId=self._model_id,
                system=[{"text": system}],
                messages=[{"role": "user", "content": [{"text": prompt}]}],
                inferenceConfig={"maxTokens": max_tokens, "temperature": 0.0},
            )
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"Bedrock did not answer with {self._model_id}: {error}.", hint="Try again.") from error
        blocks = answer["output"]["message"]["content"]
        return "".join(block.get("text", "") for block in blocks)
