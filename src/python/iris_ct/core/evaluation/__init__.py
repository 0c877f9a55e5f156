"""How good predictions are: losses row by row, metrics, and paired comparison in time."""
