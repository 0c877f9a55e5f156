"""Autoscaling: how many instances a model should have."""
