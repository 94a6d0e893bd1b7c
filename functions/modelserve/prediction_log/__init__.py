"""What was asked and answered, published to a topic off the request path."""
