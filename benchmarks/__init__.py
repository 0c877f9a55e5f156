"""Benchmarks: what the product costs beside a stated peer or limit, measured in the same run."""
