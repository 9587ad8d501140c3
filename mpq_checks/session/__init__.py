"""One pytest session of the gate: options, items, workers, controller."""
