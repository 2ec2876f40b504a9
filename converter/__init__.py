"""The workstation's half of facemask-edge: trains, converts and proves the models that the device runs."""
