"""A service under many requests, some of them malformed: does it fail, grow, or answer differently?"""
