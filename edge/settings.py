"""The agent's settings: the only reader of EDGE_* variables."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.ids import DroneId, Sha256
from contracts.optics import CameraIntrinsics
from contracts.resources import BUCKET

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class StoreSettings(BaseSettings):
    """Where the object store is, by the standard AWS_* variables; who reads them is the agent's own S3 client."""

    model_config = SettingsConfigDict(env_prefix="AWS_", frozen=True, populate_by_name=True)

    endpoint_url: str | None = Field(
        default=None, validation_alias=AliasChoices("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    )
    region_name: str = Field(default="us-east-1", validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION"))
    access_key_id: str | None = None
    secret_access_key: SecretStr | None = None
    session_token: str | None = None
    ca_bundle: str | None = Field(default=None, description="the authorities trusted; unset: the system's")

    @property
    def endpoint(self) -> str:
        """Return the store's address; AWS's own for the region where none is named."""
        return self.endpoint_url or f"https://s3.{self.region_name}.amazonaws.com"


class Settings(BaseSettings):
    """What the agent needs to know, read once at start."""

    model_config = SettingsConfigDict(env_prefix="EDGE_", frozen=True, extra="forbid")

    drone_id: DroneId
    state_dir: Path
    mqtt_url: str = Field(description="mqtts://HOST:PORT; mqtt:// (no TLS) on loopback only")
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    autopilot_url: str = Field(pattern=r"^((udp|udpin|udpout|tcp):[^:]+:\d{1,5}|serial:/[^:]+:\d{3,7})$")
    autopilot_system: int | None = Field(
        default=None,
        ge=1,
        le=255,
        description="the aircraft's MAVLink system, where others share its link; unset: lowest",
    )
    autopilot_link_loss: Literal["return", "leave"] = Field(
        default="return", description="set the autopilot's own action on a lost ground station, or leave it as it is"
    )
    mavlink_key_file: Path | None = Field(default=None, description="32 bytes shared with the autopilot: sign messages")
    camera_url: str
    camera_focal_px: float = Field(gt=0)
    camera_width_px: int = Field(default=3840, gt=0)
    camera_height_px: int = Field(default=2160, gt=0)
    first_look: bool = Field(default=False, description="look at key frames on board; the shadow may ask otherwise")
    first_look_model: Path | None = Field(default=None, description="the detector (.onnx), its card (.json) beside it")
    first_look_sha256: Sha256 | None = Field(default=None, description="of the detector's file")
    first_look_slowest_s: float = Field(default=5.0, gt=0, le=60, description="a look that takes longer is of no use")
    bucket: str = BUCKET
    credentials_url: str | None = Field(
        default=None,
        pattern=r"^https://",
        description="https://HOST/role-aliases/ALIAS/credentials: lends rights to the bucket; unset: AWS_* variables",
    )
    store_checksum: Literal["CRC64NVME", "CRC32"] = Field(
        default="CRC64NVME", description="over whole objects; CRC32 where the store is an emulator"
    )
    upload_ceiling_bytes_per_s: float = Field(default=0, ge=0, description="bulk never takes more; 0: no ceiling")
    command_keys_dir: Path = Field(description="directory of <key_id>.pem Ed25519 public keys")
    aws_iot: bool = Field(default=False, description="keep the SDK's throttle to AWS IoT Core quotas")
    geoid_separation_m: float | None = Field(default=None, ge=-120, le=120, description="ellipsoid minus sea level")
    outbox_cap_bytes: int = Field(default=512 * 1024 * 1024, ge=1024 * 1024)
    disk_floor_bytes: int = Field(default=2 * 1024**3, ge=0, description="no flight starts with less free space")
    storage_budget_bytes: int = Field(default=64 * 1024**3, ge=1024**2, description="for unconfirmed video")
    provisioning_template: str = Field(default="", max_length=36, description="set: the certificate rotates by itself")
    slots_dir: Path | None = Field(default=None, description="where versions lie side by side; set: updates are tried")
    release_keys_dir: Path | None = Field(
        default=None, description="release keys, <key_id>.pem; with the slots on AWS IoT: updates come as jobs"
    )
    notify_socket: str = Field(default="", validation_alias="NOTIFY_SOCKET", description="systemd's, for its watchdog")
    battery_reserve_percent: float = Field(default=20.0, ge=5, le=60, description="left on arrival at home")
    battery_min_v: float | None = Field(default=None, gt=0, description="return home below this voltage")
    link_loss_return_s: float = Field(default=300.0, ge=0, description="return home after this long offline; 0: never")
    max_first_leg_m: float = Field(default=3000.0, gt=0, description="home to the first waypoint")

    @property
    def takes_jobs(self) -> bool:
        """Return whether updates come by AWS IoT Jobs."""
        return self.aws_iot and self.slots_dir is not None and self.release_keys_dir is not None

    @model_validator(mode="after")
    def _tls(self) -> Settings:
        host = self.mqtt_url.partition("://")[2]
        if self.mqtt_url.startswith("mqtt://") and host.startswith(_LOOPBACK):
            return self
        if not self.mqtt_url.startswith("mqtts://"):
            raise ValueError("EDGE_MQTT_URL must be mqtts://HOST:PORT (mqtt:// is for loopback only)")
        if not (self.ca_file and self.cert_file and self.key_file):
            raise ValueError("mqtts:// needs EDGE_CA_FILE, EDGE_CERT_FILE and EDGE_KEY_FILE")
        return self

    @model_validator(mode="after")
    def _looks(self) -> Settings:
        if (self.first_look or self.first_look_model) and not (self.first_look_model and self.first_look_sha256):
            raise ValueError("the first look needs EDGE_FIRST_LOOK_MODEL and EDGE_FIRST_LOOK_SHA256")
        return self

    @model_validator(mode="after")
    def _lent(self) -> Settings:
        if self.credentials_url and not (self.cert_file and self.key_file):
            raise ValueError("EDGE_CREDENTIALS_URL needs EDGE_CERT_FILE and EDGE_KEY_FILE")
        return self

    @property
    def camera(self) -> CameraIntrinsics:
        """Return the camera's intrinsics."""
        return CameraIntrinsics(
            width_px=self.camera_width_px, height_px=self.camera_height_px, focal_px=self.camera_focal_px
        )

    @property
    def recordings_dir(self) -> Path:
        """Return where video waits for the cloud."""
        return self.state_dir / "recordings"

    @property
    def captures_dir(self) -> Path:
        """Return where imported captures wait for the cloud."""
        return self.state_dir / "captures"
