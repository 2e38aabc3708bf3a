import sys

from maccap.graph.work import announcement
from snakemake.utils import min_version, validate

min_version("9.18")


configfile: "config/config.yaml"
configfile: f"config/{config['profile']}.yaml"


validate(config, "workflow/schemas/config.schema.yaml", set_default=False)


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/results.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/pretrain.smk"


rule all:
    default_target: True
    input:
        RESULT_FILES,
        f"{RESULTS}/files.sha256",


rule extended:
    input:
        EXTENDED_FILES,
        [f"{RESULTS}/extended.files.sha256"] if EXTENDED_FILES else [],


if "estimate" in config and workflow.is_main_process and not workflow.output_settings.quiet:
    print(announcement(PROFILE, ASSETS, USED_ASSETS, DOWNLOADS), file=sys.stderr)
