"""Text features and captions -> one trained adaptor per seed."""

from ..config import TrainingSettings, section, settings
from ..datasets.captions import read_captions
from ..features import read_text_features
from ..language_model import load_language_model
from ..methods import load_method
from ..training import Trainer
from . import Job


def run(job: Job) -> None:
    run_name = job.outputs[0].parent.parent.name
    training = settings(TrainingSettings, job.cfg, "training", f"runs.{run_name}.training")
    lm = load_language_model(job.cfg["language_model.name"])
    data = []
    for split in ("train", "val"):
        rows = read_captions(job.input("captions"), split=split)
        features = read_text_features(job.input(f"{split}_features"), rows)
        data.append((features, lm.caption_ids([row.caption for row in rows], training.text_length)))
    about = {"encoder": section(job.cfg, "encoder"), "language_model": job.cfg["language_model.name"]}
    method = load_method(job.cfg[f"runs.{run_name}.method"], training)
    folders = dict.fromkeys(out.parent for out in job.outputs)
    trainers = []
    for seed, folder in zip(job.seeds, folders, strict=True):
        trainers.append(Trainer(method, lm, data[0], data[1], training, seed, folder, about))
        trainers[-1].run()
    for trainer in trainers:
        trainer.forget()
