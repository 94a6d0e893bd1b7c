"""How requests reach a model: on the spot, or queued and merged."""
