"""From a file of weights to a net that runs."""
