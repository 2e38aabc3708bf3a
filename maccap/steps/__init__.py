"""One module per Snakemake rule: `run(job)` reads the job's inputs and writes its outputs."""
