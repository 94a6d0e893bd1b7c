"""The service google.pubsub.v1.SchemaService."""

from __future__ import annotations

import grpc
from google.protobuf.empty_pb2 import Empty
from google.pubsub_v1 import types

from modelserve_control.local.pubsub.api import pages, wire
from modelserve_control.local.pubsub.api.rpc import Context, unary
from modelserve_control.local.pubsub.api.wire import Proto
from modelserve_control.local.pubsub.topics import names, schemas
from modelserve_control.local.pubsub.topics.broker import Broker
from modelserve_control.local.pubsub.topics.errors import BadInput


class SchemaService:
    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._schemas = broker.schemas

    def handler(self) -> grpc.GenericRpcHandler:
        methods = {
            "CreateSchema": unary("CreateSchemaRequest", self.create),
            "GetSchema": unary("GetSchemaRequest", self.get),
            "ListSchemas": unary("ListSchemasRequest", self.list),
            "ListSchemaRevisions": unary("ListSchemaRevisionsRequest", self.list_revisions),
            "CommitSchema": unary("CommitSchemaRequest", self.commit),
            "RollbackSchema": unary("RollbackSchemaRequest", self.roll_back),
            "DeleteSchemaRevision": unary("DeleteSchemaRevisionRequest", self.delete_revision),
            "DeleteSchema": unary("DeleteSchemaRequest", self.delete),
            "ValidateSchema": unary("ValidateSchemaRequest", self.validate),
            "ValidateMessage": unary("ValidateMessageRequest", self.validate_message),
        }
        return grpc.method_handlers_generic_handler("google.pubsub.v1.SchemaService", methods)

    async def create(self, request: Proto, context: Context) -> Proto:
        name = f"{request.parent}/schemas/{request.schema_id}"
        kind = wire.schema_kind(request.schema)
        return wire.write_schema(self._schemas.create(name, kind, request.schema.definition), 0)

    async def get(self, request: Proto, context: Context) -> Proto:
        return wire.write_schema(self._schemas.get(request.name), request.view)

    async def list(self, request: Proto, context: Context) -> Proto:
        found, token = pages.page(self._schemas.list(request.parent), request)
        written = [wire.write_schema(one, request.view) for one in found]
        return types.ListSchemasResponse.pb()(schemas=written, next_page_token=token)

    async def list_revisions(self, request: Proto, context: Context) -> Proto:
        """The oldest first."""
        found, token = pages.page(self._schemas.revisions(request.name), request)
        written = [wire.write_schema(one, request.view) for one in found]
        return types.ListSchemaRevisionsResponse.pb()(schemas=written, next_page_token=token)

    async def commit(self, request: Proto, context: Context) -> Proto:
        kind = wire.schema_kind(request.schema)
        return wire.write_schema(self._schemas.commit(request.name, kind, request.schema.definition), 0)

    async def roll_back(self, request: Proto, context: Context) -> Proto:
        return wire.write_schema(self._schemas.roll_back(request.name, request.revision_id), 0)

    async def delete_revision(self, request: Proto, context: Context) -> Proto:
        return wire.write_schema(self._schemas.delete_revision(request.name), 0)

    async def delete(self, request: Proto, context: Context) -> Proto:
        self._broker.delete_schema(request.name)
        return Empty()

    async def validate(self, request: Proto, context: Context) -> Proto:
        names.check_project(request.parent)
        schemas.parse(wire.schema_kind(request.schema), request.schema.definition)
        return types.ValidateSchemaResponse.pb()()

    async def validate_message(self, request: Proto, context: Context) -> Proto:
        if request.name:
            parsed = self._schemas.get(request.name).parsed
        else:
            parsed = schemas.parse(wire.schema_kind(request.schema), request.schema.definition)
        encoding = types.Encoding(request.encoding).name
        if encoding not in (schemas.BINARY, schemas.JSON):
            raise BadInput("encoding must be BINARY or JSON.")
        if not parsed.fits(encoding, request.message):
            raise BadInput(f"The message does not fit the schema in the encoding {encoding}.")
        return types.ValidateMessageResponse.pb()()
