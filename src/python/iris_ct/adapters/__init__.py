"""The real parts behind `iris_ct.ports`: store, registry, sources, telemetry; strangers all."""
