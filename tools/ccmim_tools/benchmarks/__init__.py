"""What a step, its parts and its data cost: see ``ccmim bench``."""
