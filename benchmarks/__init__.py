"""Measures, as ratios in one run; each script prints its figures beside what is asked for."""
