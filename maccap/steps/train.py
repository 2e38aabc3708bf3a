"""Text features and captions -> the trained adaptor of one seed, and its log."""

from ..core.job import Job
from ..core.settings import section
from ..data.folders import files_hash
from ..data.text_corpus import TextSet
from ..graph.sources import digest
from ..methods.base import TrainedMethod
from ..methods.of_job import method_of, training_settings
from ..models.of_job import language_model
from ..training.trainer import Trainer

BESIDE_TEXTS = ("language_model", "pairs", "vocabulary")  # inputs whose bytes decide the run; texts have digests


def run(job: Job) -> None:
    training = training_settings(job)
    lm = language_model(job, training.precision)
    train, val = (
        TextSet.read(job.inputs[f"{split}_features"], job.input(f"{split}_captions"), split)
        for split in ("train", "val")
    )
    identity = {"trained": job.settings["trained"], "run": job.settings["run"]}
    about = identity | {
        "encoder": section(job.settings, "encoder"),
        "language_model": section(job.settings, "language_model"),
    }
    method = method_of(job, train)
    assert isinstance(method, TrainedMethod), "only these are trained"
    code = digest(("steps.train", f"methods.{method.name}"))
    read = [str(path) for name in BESIDE_TEXTS for path in job.inputs.get(name, [])]
    behind = code + files_hash(read)
    Trainer(method, lm, train, val, training, job.settings["run_seed"], job.outputs[0].parent, about, behind).run()
