"""Commands beside the packages: studies, measurements and conversions."""
