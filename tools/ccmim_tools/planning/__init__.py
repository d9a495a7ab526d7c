"""What a training step would need, without making one: ``ccmim plan``."""
