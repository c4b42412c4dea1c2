"""A simulated PSP: a process of its own that speaks HTTP, and the connector that talks to it.

Its effects are durable outside PayFlow's database, so that an auditor can compare what was done with
what PayFlow believes. ``server`` documents the HTTP API, ``cards`` the payment methods.
"""
