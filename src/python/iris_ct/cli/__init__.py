"""The command line ``ct``: thin over `iris_ct.procedures`."""
