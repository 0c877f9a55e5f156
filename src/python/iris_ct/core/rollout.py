"""Rollouts: when a new model gets more of the requests, and when it is taken back."""
