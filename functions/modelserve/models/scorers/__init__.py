"""How requests reach a model: at once, or merged."""
