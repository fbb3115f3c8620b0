"""Where people reach the platform."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from cloud.settings import Settings

COGNITO = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_x"


@pytest.mark.parametrize(
    ("issuer", "public_url", "address"),
    [
        ("http://127.0.0.1:8000/oidc", "", "http://127.0.0.1:8000"),
        (COGNITO, "https://kestrel.example.com", "https://kestrel.example.com"),
        (COGNITO, "https://kestrel.example.com/", "https://kestrel.example.com"),
    ],
)
def test_a_link_leads_to_the_platform_whoever_issues_the_tokens(issuer: str, public_url: str, address: str) -> None:
    said = Settings(database_url=SecretStr("postgresql://x"), issuer=issuer, public_url=public_url)
    assert said.address == address
