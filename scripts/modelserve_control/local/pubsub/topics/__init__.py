"""The rules of Pub/Sub: topics, subscriptions, backlogs and deliveries. No gRPC, no HTTP."""
