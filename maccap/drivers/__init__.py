"""One graph, two drivers: `dvc.yaml` written from the Snakemake graph, and Snakemake's work recorded for DVC."""
