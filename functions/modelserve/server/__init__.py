"""One server process, and the server of the container."""
