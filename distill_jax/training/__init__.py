"""From an export and a configuration to a trained student."""
