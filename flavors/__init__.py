"""Flavors: the sizes that servers come in, who may use them, and their extra specs."""
