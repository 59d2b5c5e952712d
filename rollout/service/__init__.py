"""The use cases: what the service does, in terms of ports that the outside implements."""
