"""What all tests have in common."""

from hypothesis import HealthCheck, settings

# On a busy machine an example takes as long as it likes, and so does making it.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
