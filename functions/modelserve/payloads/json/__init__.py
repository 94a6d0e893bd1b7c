"""JSON in its forms: plain records, those of MLflow, and tensors of the Open Inference Protocol."""
