"""Where outcomes come from besides those that are reported to us."""
