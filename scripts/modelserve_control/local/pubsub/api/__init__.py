"""The gRPC services of Pub/Sub."""
