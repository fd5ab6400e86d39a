"""Jobs that several processes, on one machine or several, take from one folder: each done once.

In: jobs by name, and a function that does one. Out: an output for each job, a record of each, and
`manifest.json`, which says what is done, what failed and why. A job is claimed by a lock that
vanishes with its process, so what a killed process began is taken over by another.

Read `claim`, `record`, `folder`, `work`, then what runs it in many processes: `processes` on one
machine, `ray_cluster` on the machines of a Ray cluster.
"""
