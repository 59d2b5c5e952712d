"""What is true about flags, shares and rollouts, as pure functions over frozen data: no IO, no clock, no randomness."""
