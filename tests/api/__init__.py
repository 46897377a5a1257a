"""Tests of what a Python user holds."""
