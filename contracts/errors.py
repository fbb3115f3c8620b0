"""The one error root: the same code in a log line, an MQTT ack, an HTTP problem and an ASL error name."""

from __future__ import annotations

from typing import ClassVar


class PlatformError(Exception):
    """A failure a person or a machine can act on.

    Args:
        message: What failed, on what, and why.
        hint: What to do about it.
        field: The input field at fault, when there is one.

    """

    code: ClassVar[str] = "platform_error"
    retryable: ClassVar[bool] = False
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, hint: str = "", field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.field = field

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InvalidInput(PlatformError):
    """The request or file breaks a stated rule; sending it again will not help."""

    code = "invalid_input"
    http_status = 422


class NotFound(PlatformError):
    """The named thing does not exist, or the asker may not know that it does."""

    code = "not_found"
    http_status = 404


class Conflict(PlatformError):
    """The request is sound but the thing is in a state that forbids it."""

    code = "conflict"
    http_status = 409


class NotAuthenticated(PlatformError):
    """No valid proof of who is asking."""

    code = "not_authenticated"
    http_status = 401


class Forbidden(PlatformError):
    """The asker is known and may not do this."""

    code = "forbidden"
    http_status = 403


class TooLarge(PlatformError):
    """The input is over a stated size limit."""

    code = "too_large"
    http_status = 413


class PreconditionFailed(PlatformError):
    """The thing has changed since the asker read it."""

    code = "precondition_failed"
    http_status = 412


class UnsupportedMediaType(PlatformError):
    """The input comes in a format that is not taken here."""

    code = "unsupported_media_type"
    http_status = 415


class TooManyRequests(PlatformError):
    """The asker has used up what one may ask in a while; waiting helps."""

    code = "too_many_requests"
    retryable = True
    http_status = 429

    def __init__(self, message: str, *, hint: str = "", field: str | None = None, retry_after_s: int = 1) -> None:
        super().__init__(message, hint=hint, field=field)
        self.retry_after_s = retry_after_s


class Unavailable(PlatformError):
    """A dependency did not answer; the same call may succeed later."""

    code = "unavailable"
    retryable = True
    http_status = 503


class StillAnalysing(Unavailable):
    """Vision has not answered yet; waiting helps."""

    code = "still_analysing"


class TooFewLabels(PlatformError):
    """People have judged too few findings for a detector to learn from."""

    code = "too_few_labels"
    http_status = 409


class ModelRefused(PlatformError):
    """A trained detector may not be used: it is worse than the one in force, or nobody approved it."""

    code = "model_refused"
    http_status = 409


class CorruptMedia(PlatformError):
    """A video or image cannot be decoded, or its checksum does not match."""

    code = "corrupt_media"
    http_status = 422


class SapUnavailable(Unavailable):
    """SAP did not answer or answered with a server error."""

    code = "sap_unavailable"


class MaintenanceRejected(PlatformError):
    """The customer's maintenance system refused for a business reason."""

    code = "maintenance_rejected"
    http_status = 502


class SapRejected(MaintenanceRejected):
    """SAP refused the notification for a business reason."""

    code = "sap_rejected"
