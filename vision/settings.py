"""Settings of the vision worker: read once from ``VISION_*`` in ``__main__``."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts import audits, resources
from vision.detector import SHIPPED


class Settings(BaseSettings):
    """What the worker needs to know."""

    model_config = SettingsConfigDict(env_prefix="VISION_", frozen=True, extra="forbid")

    bucket: str = Field(default=resources.BUCKET, description="S3 bucket of video, crops and detections")
    model_file: Path = Field(default=SHIPPED, description="detector weights (ONNX), their card beside them")
    threads: int = Field(default=2, ge=1, le=64, description="processor threads for inference")
    engine: str = Field(default="auto", description="auto, openvino or onnxruntime")
    audit_share: float = Field(
        default=audits.SHARE, ge=0, le=0.2, description="of key frames kept for blind audits; two of a flight always"
    )
    state_dir: Path = Field(default=Path(".kestrel/vision"), description="folder for videos being analysed")
    rendered: tuple[Path, ...] = Field(default=(), description="folders of rendered tiles every training learns from")
    start_from: Path | None = Field(default=None, description="checkpoint the first training starts from")
    epochs: int = Field(default=20, ge=1, le=1000, description="passes over the images of a training")
    status_host: str = Field(default="127.0.0.1", description="address of /healthz, /readyz and /metrics")
    status_port: int = Field(default=0, ge=0, le=65535, description="port of /healthz, /readyz and /metrics; 0: none")
    traces_url: str = Field(default="", description="OTLP/HTTP collector of traces; empty: none are made")
    poll_s: int = Field(default=2, ge=0, le=20, description="how long one look into an empty queue waits")
