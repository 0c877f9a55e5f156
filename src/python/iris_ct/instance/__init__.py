"""Inside an IRIS process: what ObjectScript calls, and the way into the production there.

The module ``iris`` is imported inside functions only, so that everything here can be read and
tested without IRIS. Not yet run on IRIS.
"""
