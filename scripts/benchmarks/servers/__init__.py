"""The measured servers, and how they are started and asked."""
