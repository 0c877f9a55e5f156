"""Trainings in a process of their own, and the files they leave."""
