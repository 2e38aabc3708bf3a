"""A module for each kind of Snakemake job: `run(job)` reads the job's inputs and writes its outputs."""
