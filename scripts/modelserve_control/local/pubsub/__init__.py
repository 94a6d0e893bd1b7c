"""A Pub/Sub server for one machine: the unmodified `google-cloud-pubsub` client talks to it through PUBSUB_EMULATOR_HOST.

`topics` has the rules, without gRPC or HTTP and with a clock as an argument; `topics.outlet` and `push` deliver on an event
loop. `api` translates protobuf and answers calls; `server` runs all of it in one process.
"""
