"""Continuous training of machine-learning models as an InterSystems IRIS production."""

__version__ = "0.1.0"
