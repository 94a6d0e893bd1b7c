"""Push subscriptions: envelopes, tokens and the delivery over HTTP."""
