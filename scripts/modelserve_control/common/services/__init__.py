"""Running services: their client, the identity tokens that it shows, and polling."""
