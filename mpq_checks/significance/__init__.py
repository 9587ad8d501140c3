"""Paired statistics: how sure one can be of a drop, and how small a drop one can see."""
