"""The sub-commands of `clip2scene`: SUMMARY, add_arguments and run in one module each."""
