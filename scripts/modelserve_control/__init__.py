"""The control plane: what a person does with models and versions, and the local stack."""
