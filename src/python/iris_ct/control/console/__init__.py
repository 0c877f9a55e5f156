"""The console: pages that show a home's models, services, messages and production. Read only."""

from iris_ct.control.console.routes import make_app, routes

__all__ = ["make_app", "routes"]
