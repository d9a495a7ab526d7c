"""The version of the package, read by the build from here."""

__version__ = '0.1.0'
