"""The part as the unit of an export's work: planned once, computed anywhere in any order, put together at the end."""
