"""One asset -> its file below the folder of downloads, or the `index.json` beside a model's files.

The asset comes as `Asset.parameters()`, beside the paths of the registry and of its lock (`registry`, `lock`) and,
optionally, of the user's own copy of a file (`local`). A file is kept under `.kept/` as well, as a hard link where both
lie on one disk: Snakemake deletes the output of a job that it repeats, and gigabytes need not come twice.
"""

from pathlib import Path, PurePosixPath

from ..core.artifacts import link_or_copy
from ..core.errors import ConfigError
from ..core.job import Job
from ..fetch.download import Options, fetch
from ..fetch.hub import INDEX, fetch_model
from ..fetch.lock import AssetLock
from ..fetch.registry import REGISTRY, HubAsset, from_parameters

KEPT = ".kept"


def run(job: Job) -> None:
    asset = from_parameters(job.settings)
    options = Options(AssetLock(job.settings["lock"]), registry=job.settings.get("registry", REGISTRY))
    (out,) = job.outputs
    file = PurePosixPath(INDEX if isinstance(asset, HubAsset) else asset.file)
    folder = Path(str(out).removesuffix(str(file)))
    if folder / file != out:
        raise ConfigError(f"{out}: the output of {asset.name} must end with {file}")
    if isinstance(asset, HubAsset):
        fetch_model(asset, folder, options)
        return
    kept = fetch(asset, folder / KEPT, options, job.settings.get("local"))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)
    link_or_copy(kept, out, asset.name)
