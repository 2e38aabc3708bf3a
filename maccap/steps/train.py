"""Text features and captions -> one trained adaptor per seed."""

from ..core.job import Job
from ..core.settings import TrainingSettings, section, settings
from ..data.text_corpus import TextSet
from ..methods.base import CaptioningMethod, TrainedMethod
from ..methods.registry import load_method
from ..methods.resources import read_resources
from ..models.devices import frozen_dtype, pick_device
from ..models.language_model import load_language_model
from ..training.trainer import Trainer


def run(job: Job) -> None:
    trained, run_name = job.outputs[0].parts[-4:-2]
    training = training_settings(job, trained, run_name)
    device = pick_device(job.cfg["gpus"])
    lm = load_language_model(str(job.folder("language_model")), device, frozen_dtype(device, training.precision))
    train, val = (
        TextSet.read(job.inputs[f"{split}_features"], job.input(f"{split}_captions")) for split in ("train", "val")
    )
    about = {"encoder": section(job.cfg, "encoder"), "language_model": section(job.cfg, "language_model")}
    method = method_of(job, trained, run_name, train)
    assert isinstance(method, TrainedMethod), "only these are trained"
    folders = dict.fromkeys(out.parent for out in job.outputs)
    trainers = []
    for seed, folder in zip(job.seeds, folders, strict=True):
        trainers.append(Trainer(method, lm, train, val, training, seed, folder, about))
        trainers[-1].run()
    for trainer in trainers:
        trainer.forget()


def training_settings(job: Job, trained: str, run_name: str) -> TrainingSettings:
    """The profile's settings, overridden by the data set's and then by the run's."""
    return settings(TrainingSettings, job.cfg, "training", f"datasets.{trained}.training", f"runs.{run_name}.training")


def method_of(job: Job, trained: str, run_name: str, memory: TextSet | None = None) -> CaptioningMethod:
    """The method of a run with its settings and with what it needs of the job's inputs; `memory` if it is read."""
    given = (job.inputs["memory"], job.input("memory_captions")) if job.inputs.get("memory") else memory
    pairs, vocabulary = (next(iter(job.inputs.get(name, [])), None) for name in ("pairs", "vocabulary"))
    return load_method(
        job.cfg[f"runs.{run_name}.method"],
        training_settings(job, trained, run_name),
        section(job.cfg, f"runs.{run_name}.options"),
        read_resources(given, pairs, vocabulary),
    )
