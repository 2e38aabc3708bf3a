"""What every rule shares: where files lie, which settings a job is given (`pick`), and its command (the rule `step`)."""

from maccap.core.errors import MaccapError
from maccap.core.project import config_files, own
from maccap.core.settings import EXTENDED
from maccap.fetch.registry import DOWNLOADS, HubAsset, read_registry
from maccap.figures.gap_legends import LEGENDS
from maccap.graph.files import METRIC_FILES, METRIC_MODULES, Files
from maccap.graph.needs import Needs
from maccap.graph.profile import BASELINES, Profile
from maccap.graph.rules import one_of, picker, step
from snakemake.exceptions import WorkflowError

ARTIFACTS = f"artifacts/{config['profile']}"
RESULTS = f"results/{config['profile']}"
LOGS = f"logs/{config['profile']}"
DATA = f"{ARTIFACTS}/data/{{dataset}}"
FEATURES = f"{ARTIFACTS}/features/{{dataset}}"

try:
    PROFILE = Profile(config)
    ASSETS = read_registry(config["registry"]) if "registry" in config else {}
    FILES = Files(PROFILE, ASSETS)
except MaccapError as error:
    raise WorkflowError(str(error))

pick = picker(config)
needs = Needs(PROFILE)

# Messages of downloads, which all profiles share, name the profile's file. glibc hands large freed tensors back to the
# system at once and pays in page faults; keeping them saves a fifth.
KEEP_MEMORY = "MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296"
shell.prefix(f"export MACCAP_PROFILE=config/{config['profile']}.yaml {KEEP_MEMORY}; ")


wildcard_constraints:
    dataset=one_of(config["datasets"]),
    trained=one_of(config["datasets"]),
    tested=one_of(config["datasets"]),
    run=one_of(config["runs"]),
    table=one_of(config["tables"]),
    model=one_of(FILES.named_models),
    vqa_method=one_of(config["vqa_methods"]),
    seed=r"\d+",
    shard=r"\d+",
    tier=r"(\+extended)?",


# Every rule with a job is this one, with files and settings of its own. The log keeps what the step says.
rule step:
    log:
        f"{LOGS}/step.log",
    conda:
        "../../environment.yml"
    shell:
        "python -m maccap step {params.step} {params.inputs} --output {output:q} --cfg {params.cfg:q} > {log:q} 2>&1"
