"""The benchmark: what the models are worth, with references, spread and what is not resolved."""
