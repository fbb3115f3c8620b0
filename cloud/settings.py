"""Settings of the cloud programs: read once from ``CLOUD_*`` in ``__main__``, then passed down."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from cloud.rates import DEFAULT_PER_MINUTE
from contracts import resources


class Settings(BaseSettings):
    """One frozen set for API, ingest, consume and reconcile."""

    model_config = SettingsConfigDict(env_prefix="CLOUD_", frozen=True, extra="forbid")

    database_url: SecretStr = Field(description="SQLAlchemy URL, postgresql+psycopg2://user:password@host:port/name")
    database_iam: bool = Field(default=False, description="sign in at RDS with the program's role, by no password")
    mqtt_url: str = Field(default="", description="mqtts://host:port of the broker")
    ca_file: Path | None = Field(default=None, description="certificate authority of the broker, PEM")
    cert_file: Path | None = Field(default=None, description="the platform's client certificate, PEM")
    key_file: Path | None = Field(default=None, description="the platform's client key, PEM")
    broker_rules_file: Path | None = Field(default=None, description="access rules of a Mosquitto on this machine")
    broker_pid_file: Path | None = Field(default=None, description="where that Mosquitto writes its process id")
    aws_iot: bool = Field(default=False, description="keep AWS IoT quotas in the MQTT client")
    shared_group: str = Field(default="", description="shared subscription group when several ingest processes run")
    command_signing_key_file: Path | None = Field(default=None, description="Ed25519 private key, PEM")
    command_key_id: str = Field(default="k1", description="name under which drones know the public key")
    evidence_signing_key_file: Path | None = Field(default=None, description="Ed25519 private key of evidence, PEM")
    evidence_kms_key_id: str = Field(default="", description="KMS key (ECC_NIST_P256) that signs evidence instead")
    bucket: str = Field(default=resources.BUCKET, description="S3 bucket of all media")
    host: str = Field(default="127.0.0.1", description="address the API listens on")
    port: int = Field(default=8000, description="port the API listens on")
    status_host: str = Field(default="127.0.0.1", description="address of /healthz, /readyz and /metrics")
    status_port: int = Field(default=0, ge=0, le=65535, description="port of /healthz, /readyz and /metrics; 0: none")
    traces_url: str = Field(default="", description="OTLP/HTTP collector of traces; empty: none are made")
    public_url: str = Field(default="", description="address people reach; default: the built-in issuer's")
    issuer: str = Field(default="http://127.0.0.1:8000/oidc", description="expected `iss` of access tokens")
    audience: str = Field(default="kestrel", description="expected `aud` of access tokens")
    issuer_key_file: Path | None = Field(default=None, description="private key of the built-in issuer, PEM (EC/RSA)")
    jwks_url: str = Field(default="", description="key set of an external issuer; replaces the built-in one")
    session_key_file: Path | None = Field(default=None, description="32+ random bytes that sign browser sessions")
    maintenance_system: Literal["sap", "jira", "maximo"] = Field(default="sap", description="where tickets are opened")
    jira_url: str = Field(default="", description="root of a Jira (REST API 2)")
    jira_token: SecretStr = Field(default=SecretStr(""), description="personal access token of its technical user")
    jira_project: str = Field(default="", description="key of its project")
    jira_issue_type: str = Field(default="Task", description="type of the issue that is a notification")
    jira_order_type: str = Field(default="Task", description="type of the issue that is a maintenance order")
    maximo_url: str = Field(default="", description="root of an IBM Maximo (OSLC REST API)")
    maximo_api_key: SecretStr = Field(default=SecretStr(""), description="API key of its technical user")
    maximo_site: str = Field(default="", description="site whose service requests and work orders are ours")
    maximo_reported_by: str = Field(default="", description="person that requests are reported by; empty: Maximo's own")
    oncall_file: Path | None = Field(default=None, description="on-call rota; default: everyone on the topic at once")
    daily_digest: bool = Field(
        default=False, description="send the rota's people yesterday in a few lines, each morning"
    )
    smtp_host: str = Field(default="", description="mail relay for alerts; empty: none")
    smtp_port: int = Field(default=587, ge=1, le=65535, description="its port")
    smtp_sender: str = Field(default="kestrel@localhost", description="sender of alerts")
    smtp_user: str = Field(default="", description="user at the relay; empty: none is needed")
    smtp_password: SecretStr = Field(default=SecretStr(""), description="its password")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="none: on this machine only"
    )
    sap_url: str = Field(default="", description="root of the SAP OData service")
    sap_page: str = Field(
        default="", description="a notification's page for people, with {number}; default: the entity"
    )
    sap_user: str = Field(default="", description="technical user in SAP")
    sap_password: SecretStr = Field(default=SecretStr(""), description="its password")
    bedrock_model_id: str = Field(
        default="", description="Bedrock model for summaries and hard questions; empty: templates and planner only"
    )
    bedrock_small_model_id: str = Field(
        default="", description="Bedrock model for simple questions that the planner does not understand"
    )
    bedrock_fast: bool = Field(default=False, description="latency-optimised inference, where the model offers it")
    bedrock_guardrail: str = Field(default="", description="id:version of a Bedrock guardrail")
    assistant_max_steps: int = Field(default=8, ge=1, le=40, description="tool calls per answer of a model")
    assistant_answer_tokens: int = Field(default=40_000, ge=1000, description="tokens per answer of a model")
    assistant_answer_usd: float = Field(default=0.25, gt=0, description="money per answer of a model")
    assistant_daily_tokens: int = Field(default=400_000, ge=0, description="tokens per user in 24 hours")
    assistant_daily_usd: float = Field(default=2.0, ge=0, description="money per user in 24 hours")
    assistant_asks_per_minute: int = Field(default=60, ge=1, description="questions per user")
    consume_workers: int = Field(default=4, ge=1, le=32, description="messages of each queue handled side by side")
    reconcile_every_s: float = Field(default=20.0, gt=0, description="pause between reconciliations")
    ticket_read_every_s: float = Field(
        default=300.0, gt=0, description="how often an open notification's state is read back"
    )
    telemetry_kept_days: int = Field(
        default=90, ge=1, le=3650, description="age at which samples leave Postgres for Parquet in the bucket, by month"
    )
    terrain_dir: Path | None = Field(default=None, description="folder of elevation files (GeoTIFF, HGT)")
    terrain_datum: Literal["", "egm96", "ellipsoid"] = Field(
        default="", description="what heights are measured from, for files that do not say it"
    )
    policy_file: Path | None = Field(default=None, description="severity policy; default is the shipped one")
    crew_hour_cost: float | None = Field(default=None, ge=0, description="an hour of a repair crew; none: hours only")
    flight_hour_cost: float | None = Field(default=None, ge=0, description="an hour of flying; none: hours only")
    currency: str = Field(default="EUR", pattern=r"^[A-Z]{3}$", description="of the two costs, ISO 4217")
    repair_methods_file: Path | None = Field(
        default=None, description="how kinds of defects are repaired; default ships"
    )
    max_body_bytes: int = Field(default=262_144, gt=0, description="largest request body accepted")
    rate_limit_per_minute: int = Field(default=DEFAULT_PER_MINUTE, gt=0, description="requests of one asker")
    flight_approvals: int = Field(default=1, ge=1, le=2, description="different people who must approve a flight")
    webhook_private_targets: bool = Field(default=False, description="let webhooks lead into our own network, by http")

    @property
    def address(self) -> str:
        """Return where people and programs reach the platform, without a slash at the end."""
        return (self.public_url or self.issuer.removesuffix("/oidc")).rstrip("/")
