"""`modelserve release`: check, compare, shadow, promote and watch a version, and roll it back if it fails."""
