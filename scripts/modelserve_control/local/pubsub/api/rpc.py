"""gRPC methods from plain functions: protobuf in and out, errors of this package as status codes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.pubsub_v1 import types
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from modelserve_control.local.pubsub.api.wire import Proto
from modelserve_control.local.pubsub.topics.errors import (
    AckRefused,
    AlreadyExists,
    BadInput,
    FailedPrecondition,
    NotFound,
    Overloaded,
    ServeError,
    Unsupported,
)

Context = Any  # grpc ships no types
Unary = Callable[[Proto, Context], Awaitable[Proto]]
Stream = Callable[[AsyncIterator[Proto], Context], AsyncIterator[Proto]]

# Subclasses before their base classes.
CODES: tuple[tuple[type[ServeError], grpc.StatusCode], ...] = (
    (NotFound, grpc.StatusCode.NOT_FOUND),
    (AlreadyExists, grpc.StatusCode.ALREADY_EXISTS),
    (AckRefused, grpc.StatusCode.FAILED_PRECONDITION),
    (FailedPrecondition, grpc.StatusCode.FAILED_PRECONDITION),
    (Overloaded, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (Unsupported, grpc.StatusCode.UNIMPLEMENTED),
    (BadInput, grpc.StatusCode.INVALID_ARGUMENT),
    (ServeError, grpc.StatusCode.INTERNAL),
)


def unary(request: str, method: Unary) -> grpc.RpcMethodHandler:
    """`request` names a message type of google.pubsub.v1."""

    async def handle(proto: Proto, context: Context) -> Proto:
        try:
            return await method(proto, context)
        except ServeError as error:
            await refuse(context, error)

    return grpc.unary_unary_rpc_method_handler(handle, _parser(request), _serialize)


def unsupported(request: str, reason: str) -> grpc.RpcMethodHandler:
    async def refuse(proto: Proto, context: Context) -> Proto:
        raise Unsupported(reason)

    return unary(request, refuse)


def stream(request: str, method: Stream) -> grpc.RpcMethodHandler:
    async def handle(protos: AsyncIterator[Proto], context: Context) -> AsyncIterator[Proto]:
        try:
            async for proto in method(protos, context):
                yield proto
        except ServeError as error:
            await refuse(context, error)

    return grpc.stream_stream_rpc_method_handler(handle, _parser(request), _serialize)


async def refuse(context: Context, error: ServeError) -> None:
    """Ends the call, because `abort` raises."""
    code = next(code for kind, code in CODES if isinstance(error, kind))
    more = details(code, error) if isinstance(error, AckRefused) else ()
    await context.abort(code, error.message, more)


def details(code: grpc.StatusCode, error: AckRefused) -> tuple[tuple[str, bytes], ...]:
    """The metadata in which clients read what is wrong with each ack id.

    https://cloud.google.com/pubsub/docs/exactly-once-delivery
    """
    reasons = dict.fromkeys(error.ack_ids, "PERMANENT_FAILURE_INVALID_ACK_ID")
    status = Status(code=code.value[0], message=error.message)
    status.details.add().Pack(ErrorInfo(reason="INVALID_ACK_ID", domain="pubsub.googleapis.com", metadata=reasons))
    return (("grpc-status-details-bin", status.SerializeToString()),)


def _parser(request: str) -> Callable[[bytes], Proto]:
    parse: Callable[[bytes], Proto] = getattr(types, request).pb().FromString
    return parse


def _serialize(proto: Proto) -> bytes:
    content: bytes = proto.SerializeToString()
    return content
