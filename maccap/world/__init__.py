"""The embedded world: drawn scenes, their files, the recipe of its frozen models."""
