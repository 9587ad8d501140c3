"""Loads the plugin from a checkout; a no-op where the installed entry point did already."""

pytest_plugins = ["mpq_checks.plugin"]
