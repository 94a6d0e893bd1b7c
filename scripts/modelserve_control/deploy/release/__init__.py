"""`modelserve release`: check, compare, shadow, promote, watch, roll back."""
