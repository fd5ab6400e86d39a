"""The `clip2scene` command: `main` finds a sub-command.

`errors` says what went wrong. Several share `arguments`, `recordings`, which take the place of data
sets, `examination` of these, and `jobs`, one a recording.

Each command is one module with SUMMARY, add_arguments and run: `label/` labels clouds and shows
them, `train/` makes models, `measure/` scores them.
"""
