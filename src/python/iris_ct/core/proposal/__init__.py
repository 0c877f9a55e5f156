"""Proposing a specification from a sample of a file: what is guessed, why, and what looks odd."""

from iris_ct.core.proposal.features import ProposedColumn
from iris_ct.core.proposal.proposal import Proposal, propose

__all__ = ["Proposal", "ProposedColumn", "propose"]
