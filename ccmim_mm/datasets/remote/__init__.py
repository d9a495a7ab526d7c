"""Shards at URLs: what lies there, and a bounded cache of it on the disk."""
