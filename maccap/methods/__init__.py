"""Compared methods: one small file each, one interface. A new method is one file here; docs/methods.md says
what a config names to run and show it.

The constant `NEEDS` of each file says what the rules must give it: "adaptor" (it is trained), "memory", "pairs",
"vocabulary"; see `base.Resources`.
"""
