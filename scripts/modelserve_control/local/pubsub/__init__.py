"""A Pub/Sub server for one machine: the unmodified `google-cloud-pubsub` client talks to it through PUBSUB_EMULATOR_HOST.

`topics` has the rules, which know neither gRPC nor HTTP and take a clock; its `outlet` and `push` deliver on an event loop.
`api` translates protobuf and answers its calls; `server` is all of them in one process.
"""
