"""Text features and captions -> one trained adaptor per seed."""

from ..config import TrainingSettings, section, settings
from ..devices import frozen_dtype, pick_device
from ..language_model import load_language_model
from ..methods import load_method
from ..training import TextSet, Trainer
from . import Job


def run(job: Job) -> None:
    trained, run_name = job.outputs[0].parts[-4:-2]
    training = training_settings(job, trained, run_name)
    device = pick_device(job.cfg["gpus"])
    lm = load_language_model(str(job.folder("language_model")), device, frozen_dtype(device, training.precision))
    train, val = (
        TextSet.read(job.inputs[f"{split}_features"], job.input(f"{split}_captions")) for split in ("train", "val")
    )
    about = {"encoder": section(job.cfg, "encoder"), "language_model": section(job.cfg, "language_model")}
    method = load_method(job.cfg[f"runs.{run_name}.method"], training)
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
