"""The `clip2scene` command: `main` finds a sub-command, `arguments` are those that several share.

One module a command, each with SUMMARY, add_arguments and run: `label/` labels clouds and shows
them, `train/` makes models, `measure/` says what they are worth.
"""
