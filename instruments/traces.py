"""Traces: from the frame to the ticket, one trace, named after the segment that the frame lies in.

A trace's id is a hash of the segment's id, so every program that handles the segment finds the same trace by itself. No
message needs to carry it over S3 or a queue, and one that is lost, repeated, or made again by the reconciler does not
break it. A drone says the segment's id in its events (MQTT) and needs no library for it. Only a workflow's input has
the W3C ``traceparent``, because a finding has many segments and its trace is that of the first; so has HTTP to SAP.

Off, which is the default, costs one comparison a span: OpenTelemetry is not even imported.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, NamedTuple

from contracts.errors import InvalidInput

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span, Tracer

Attribute = str | int | float | bool
_PARENT: Final = re.compile(r"^00-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-[0-9a-f]{2}$")
_tracers: list[Tracer] = []
"""The one tracer of this program, or none."""
_root: ContextVar[Trace | None] = ContextVar("root", default=None)


class Trace(NamedTuple):
    """A trace's id and that of its first span."""

    trace_id: int
    span_id: int

    def parent(self) -> str:
        """Return it as a W3C traceparent, sampled."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-01"


def trace_of(segment_id: str) -> Trace:
    """Return the trace of a segment: always the same, wherever it is asked for."""
    digest = hashlib.sha256(b"kestrel segment " + segment_id.encode()).digest()
    return Trace(int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:24], "big"))


def began(name: str, segment_id: str, **attributes: Attribute) -> None:
    """Record the moment that a segment's trace begins with. Told again, it is the same span."""
    if _tracers:
        with _first(name, trace_of(segment_id), attributes):
            pass


def of_segment(name: str, segment_id: str, **attributes: Attribute) -> AbstractContextManager[None]:
    """Record a span in the trace of a segment."""
    return _within(name, trace_of(segment_id), attributes) if _tracers else nullcontext()


def continued(name: str, parent: str, **attributes: Attribute) -> AbstractContextManager[None]:
    """Record a span in the trace that a traceparent names; none where it names none."""
    match = _PARENT.match(parent) if _tracers else None
    if match is None:
        return nullcontext()
    return _within(name, Trace(int(match["trace"], 16), int(match["span"], 16)), attributes)


def asked(name: str, **attributes: Attribute) -> AbstractContextManager[None]:
    """Record a call to another system, within the span that makes it; none outside of a trace."""
    return _child(name, attributes) if _tracers and _in_a_trace() else nullcontext()


def headers() -> dict[str, str]:
    """Return the HTTP headers that carry the present span to another system; none outside of a trace."""
    if not _tracers or not _in_a_trace():
        return {}
    here = _current().get_span_context()
    return {"traceparent": Trace(here.trace_id, here.span_id).parent()}


def start(program: str, url: str) -> Callable[[], None]:
    """Send this program's spans to an OTLP/HTTP collector, in the background; return what sends the last and ends it.

    Without a URL nothing is done.

    Raises:
        InvalidInput: A URL is set and the extra ``traces`` is not installed.

    """
    if not url:
        return lambda: None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - optional
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - optional
    except ImportError as error:
        hint = "pip install 'kestrel[traces]', or leave the URL empty."
        raise InvalidInput(f"Traces shall go to {url}: {error}.", hint=hint, field="traces_url") from error
    return record_with(program, BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))


def record_with(program: str, processor: SpanProcessor) -> Callable[[], None]:
    """Give this program's spans to a processor; return what ends that."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - optional
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - optional
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator  # noqa: PLC0415 - optional

    class Ids(RandomIdGenerator):
        """Random, but for the first span of a segment's trace."""

        def generate_trace_id(self) -> int:
            root = _root.get()
            return root.trace_id if root else super().generate_trace_id()

        def generate_span_id(self) -> int:
            root = _root.get()
            return root.span_id if root else super().generate_span_id()

    provider = TracerProvider(
        resource=Resource.create({"service.name": program}), id_generator=Ids(), shutdown_on_exit=False
    )
    provider.add_span_processor(processor)
    _tracers[:] = [provider.get_tracer("kestrel")]

    def stop() -> None:
        _tracers.clear()
        provider.shutdown()

    return stop


@contextmanager
def _first(name: str, trace: Trace, attributes: dict[str, Attribute]) -> Iterator[None]:
    from opentelemetry.context import Context  # noqa: PLC0415 - only where traces are made

    token = _root.set(trace)
    span = _tracers[0].start_span(name, context=Context(), attributes=attributes)
    _root.reset(token)
    with _ending(span):
        yield


@contextmanager
def _within(name: str, trace: Trace, attributes: dict[str, Attribute]) -> Iterator[None]:
    from opentelemetry import trace as otel  # noqa: PLC0415 - only where traces are made

    sampled = otel.TraceFlags(otel.TraceFlags.SAMPLED)
    parent = otel.SpanContext(trace.trace_id, trace.span_id, is_remote=True, trace_flags=sampled)
    context = otel.set_span_in_context(otel.NonRecordingSpan(parent))
    with _ending(_tracers[0].start_span(name, context=context, attributes=attributes)):
        yield


@contextmanager
def _child(name: str, attributes: dict[str, Attribute]) -> Iterator[None]:
    with _ending(_tracers[0].start_span(name, attributes=attributes)):
        yield


@contextmanager
def _ending(span: Span) -> Iterator[None]:
    """Make a span the present one; an error in the block is noted in it and goes on."""
    from opentelemetry import trace as otel  # noqa: PLC0415 - only where traces are made

    with otel.use_span(span, end_on_exit=True, record_exception=True, set_status_on_exception=True):
        yield


def _current() -> Span:
    from opentelemetry import trace as otel  # noqa: PLC0415 - only where traces are made

    return otel.get_current_span()


def _in_a_trace() -> bool:
    return bool(_current().get_span_context().is_valid)
