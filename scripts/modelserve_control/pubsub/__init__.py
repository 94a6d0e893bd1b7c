"""A Pub/Sub server for one machine: the unmodified `google-cloud-pubsub` client talks to it through PUBSUB_EMULATOR_HOST.

`broker`, `backlog`, `policies`, `messages`, `names` and `timers` are the rules; they know neither gRPC nor HTTP and take a
clock. `outlet` and `push` deliver on an event loop, `wire` translates protobuf, `publisher`, `subscriber` and `server` answer.
"""
