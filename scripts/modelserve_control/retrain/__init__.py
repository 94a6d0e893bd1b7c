"""When a model is trained again, and the way from its new training to its release."""
