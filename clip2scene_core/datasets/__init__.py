"""Data sets on disk as samples."""
