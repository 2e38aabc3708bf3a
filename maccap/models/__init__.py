"""Frozen models and the adaptor, with the parts of the method that are plain functions of features."""
