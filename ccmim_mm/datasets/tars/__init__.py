"""Pictures in tar shards: read by their place, listed by their headers."""
