"""What a fleet's operator delivers to the devices: signed configuration and models.

``publish.py`` is the operator's side. On the device ``fetch.py`` brings what is new to the ``shelf.py``, ``trial.py``
has it prove itself, and ``update.py`` does one after the other.
"""
