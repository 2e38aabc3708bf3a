"""What the jobs of a rule need of a cluster, from the sizes that the profile states: memory, time, cores and GPUs."""

from typing import Any

from .estimate import answers_of, assumed, captions_of, encoding_seconds, feature_bytes, training_of
from .profile import Profile

Wildcards = Any
MB, MINUTES = 2_000, 30  # of any job beside what follows: the embedded world's took at most 1.2 GB and 5 minutes
PRETRAINING = ("pretrain_clip", "pretrain_lm")  # these took 53 and 34 minutes of one core, 1.9 and 4.6 GB
PRETRAINING_MINUTES, PRETRAINING_BYTES = 180, 6e9
LONGEST = 1_440  # minutes: partitions often allow no more, and training goes on in the next try
CUDA_MB, JAVA_MB, SPICE_MB = 4_000, 2_500, 9_000  # of host memory; Java for METEOR on each core
CAPTION_BYTES = 2_000  # of a caption with its tokens in memory
MODEL_BYTES = 8  # of a parameter: read, and converted
SLOWER = {"gpu": 5, "cpu": 10_000}  # times that a job may take what `estimate` assumes of a GPU at its best
CORES = {"image_features": 4, "pair_statistics": 4, "pack_images": 4, "evaluate": 2, "pretrain_clip": 2}
ON_GPU = (
    "train", "predict", "answer", "baselines", "published", "instruments", "text_features", "text_features_shard",
    "image_features", "pair_statistics",
)  # fmt: skip
REMEDIES = {  # by the state of Slurm that its plugin names
    "OUT_OF_MEMORY": "a job needed more memory than it asked for: add `--set-resources RULE:mem_mb=MEGABYTES`",
    "TIMEOUT": "a job met its time limit: add `--set-resources RULE:runtime=MINUTES`; training goes on where it was",
    "CANCELLED": "a job was cancelled: the same command again does what is left",
    "NODE_FAIL": "a node went down: the same command again does what is left",
}


def remedies(log: str) -> list[str]:
    """What to do about the ways in which Slurm ended jobs, by Snakemake's log."""
    return [f"{state}: {remedy}" for state, remedy in REMEDIES.items() if f"SLURM status is: '{state}'" in log]


class Needs:
    """`Needs(profile)(rule)`: the resources of a rule; memory and time grow with each try of a job.

    Seconds and bytes are estimates to ask a scheduler with, not measurements: too much waits longer in the queue, too
    little is asked for again, more, by Snakemake's `retries`.
    """

    def __init__(self, profile: Profile) -> None:
        self.profile, self.numbers = profile, assumed(profile)

    def __call__(self, rule: str) -> dict[str, Any]:
        """`mem_mb`, `runtime` (minutes), `gpu`, `cpus_per_task` and `nodes`, as Snakemake and its Slurm plugin know
        them; a job's threads, on which the bytes of its results depend, are not touched."""
        gpus = self.profile.config["gpus"] if rule == "train" else min(1, self.profile.config["gpus"])
        gpus = gpus if rule in ON_GPU else 0
        slower = SLOWER["gpu" if gpus else "cpu"]
        base = MB + (CUDA_MB if gpus else 0)

        def mem_mb(wildcards: Wildcards, attempt: int) -> int:
            return attempt * int(base + self._bytes(rule, wildcards) / 1e6)

        def runtime(wildcards: Wildcards, attempt: int) -> int:
            least = PRETRAINING_MINUTES if rule in PRETRAINING else MINUTES
            return min(LONGEST, attempt * int(least + slower * self._seconds(rule, wildcards) / 60))

        cores = CORES.get(rule, max(1, gpus))
        return {"mem_mb": mem_mb, "runtime": runtime, "gpu": gpus, "cpus_per_task": cores, "nodes": 1}

    def _part(self, dataset: str, kind: str) -> float:
        """Captions or images of one shard of a data set."""
        return self.profile.size_of(dataset, kind) / self.profile.shards(dataset, kind)

    def _of_captions(self, count: int) -> int:
        """Bytes of captions with their features."""
        return count * CAPTION_BYTES + 2 * feature_bytes(count, 0, 0, self.numbers["encoder"]["dim"])

    def _bytes(self, rule: str, wildcards: Wildcards) -> float:
        """Memory beside what every job needs."""
        encoder, profile = self.numbers["encoder"], self.profile
        model = MODEL_BYTES * self.numbers["language_model_parameters"]
        match rule:
            case "evaluate":
                return 1e6 * (CORES[rule] * JAVA_MB + (SPICE_MB if "spice" in profile.config else 0))
            case "captions" | "gap":
                return self._of_captions(profile.size_of(wildcards.dataset, "captions"))
            case "text_features" | "text_features_shard":
                return self._of_captions(int(self._part(wildcards.dataset, "captions")))
            case "image_features":
                images = int(self._part(wildcards.dataset, "images"))
                return 2 * feature_bytes(0, images, encoder["image_tokens"], encoder["dim"])
            case "encoder" | "pair_statistics":
                return MODEL_BYTES * (encoder["text_parameters"] + encoder["image_parameters"])
            case "predict":  # some methods hold the training captions' features
                run = profile.group(wildcards.trained, wildcards.group, wildcards.tier).run
                held = run and "memory" in profile.needs(run)
                captions = profile.size_of(wildcards.trained, "captions") if held else 0
                return model + 2 * feature_bytes(captions, 0, 0, encoder["dim"])
            case _ if rule in PRETRAINING:
                return PRETRAINING_BYTES
            case "answer":  # which another language model may do
                return 2 * model
            case _:
                return model

    def _seconds(self, rule: str, wildcards: Wildcards) -> float:
        """Beside what every job needs, on the GPU that `estimate` assumes."""
        numbers, profile = self.numbers, self.profile
        encoder = numbers["encoder"]
        match rule:
            case "train":
                return training_of(profile, wildcards.trained, wildcards.run)
            case "predict":
                group = profile.group(wildcards.trained, wildcards.group, wildcards.tier)
                return sum(
                    captions_of(profile, wildcards.trained, experiment, tested).seconds
                    / profile.shards(tested, "images")
                    for tested, experiments in group.experiments.items()
                    for experiment in experiments
                )
            case "answer":
                seconds = answers_of(profile, wildcards.vqa_method, wildcards.tested).seconds
                return seconds / profile.shards(wildcards.tested, "images")
            case "text_features" | "text_features_shard":
                captions = self._part(wildcards.dataset, "captions")
                return encoding_seconds(captions * numbers["caption_tokens"], encoder["text_parameters"])
            case "image_features":
                images = self._part(wildcards.dataset, "images")
                return encoding_seconds(images * encoder["image_tokens"], encoder["image_parameters"])
            case _:
                return 0.0
