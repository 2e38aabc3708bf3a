"""Tables: cells with their sources, how each table is built, and how it is rendered."""
