"""What ``iop --migrate`` reads: the productions of this folder."""

from iris_ct.production import production

PRODUCTIONS = [production]
