"""A page for a model's life: what the store, the prediction log and the records say, and the moves of aliases."""
