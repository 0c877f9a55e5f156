"""Pure rules and numbers: values in, values out; no clock, file, network or logger."""
