"""Faults, injected from outside into a real device with a real broker, and counted from a subscriber's side.

``python -m tests.faults`` (``make faults``) prints the table; ``test_faults.py`` runs a short version of each.
"""
