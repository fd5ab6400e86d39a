"""The paper's two tables, each from one command."""
