"""One run -> captions of the experiments that decode with it, on one shard of each test set.

Outputs are the predictions as JSON Lines and the captions' text features, row by row, which CLIPScore needs.
"""

from ..core.job import Job
from ..core.settings import GenerationSettings, SelectionSettings
from ..data.features import read_image_features
from ..inference.captioning import choose
from ..inference.of_job import Predictions, decoding_settings, run_captioner
from ..methods.of_job import method_of
from ..models.of_job import language_model, text_encoder


def run(job: Job) -> None:
    encoder, lm, method = text_encoder(job), language_model(job), method_of(job)
    made = Predictions()
    for tested, store, decoded in zip(
        job.settings["tested"], job.inputs["images"], job.settings["decoded"], strict=True
    ):
        images = read_image_features([store])
        for seed in job.seeds:
            for generation, experiments in _sharing_candidates(job, decoded).items():
                draws = max(selection.draws for selection in experiments.values())
                captioner = run_captioner(job, encoder, lm, method, generation, draws, seed)
                candidates = captioner.candidates(images)
                for experiment, selection in experiments.items():
                    rows = choose(captioner.encoded, images, candidates, selection)
                    texts = [selection.clipscore_prompt + row["caption"] for row in rows]
                    features = captioner.encoded.features(texts)
                    about = {
                        "trained": job.settings["trained"],
                        "experiment": experiment,
                        "tested": tested,
                        "seed": seed,
                    }
                    made.add(about, rows, features)
    made.write(job)


def _sharing_candidates(job: Job, decoded: list[str]) -> dict[GenerationSettings, dict[str, SelectionSettings]]:
    """Some experiments by their generation settings: those that choose among the same candidates together."""
    groups: dict[GenerationSettings, dict[str, SelectionSettings]] = {}
    for experiment in decoded:
        generation, selection = decoding_settings(job, experiment)
        groups.setdefault(generation, {})[experiment] = selection
    return groups
