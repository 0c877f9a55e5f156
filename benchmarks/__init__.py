"""Benchmarks: what the product costs beside a stated peer or limit, measured in the same run."""

import os

# As in the product's training process, the threads of bare LightGBM sleep while they wait: on a
# busy machine spinning ones take many times as long, and the product would look too good. Read
# when the library is loaded, hence here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
