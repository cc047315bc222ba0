"""The store, on both dialects."""
