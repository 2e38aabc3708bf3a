"""One run -> captions of the experiments that decode with it, on one shard of each test set.

Outputs are the predictions as JSON Lines and the captions' text features, row by row, which CLIPScore needs.
"""

from typing import Any

import torch

from ..core.job import Job
from ..core.settings import GenerationSettings, SelectionSettings
from ..data.captions import Caption, read_captions
from ..data.features import features_of, read_image_features, references_as_images
from ..inference.captioning import choose
from ..inference.of_job import Predictions, decoding_settings, run_captioner
from ..methods.of_job import method_of
from ..models.of_job import language_model, text_encoder


def run(job: Job) -> None:
    encoder, lm, method = text_encoder(job), language_model(job), method_of(job)
    made = Predictions()
    decoded_on = zip(job.settings["tested"], job.settings["decoded"], strict=True)
    for position, (tested, decoded) in enumerate(decoded_on):
        images, groups = read_image_features([job.inputs["images"][position]]), _sharing_candidates(job, decoded)
        references = _references(job, position) if any(given for _, given in groups) else None
        for repeat, seed in enumerate(job.seeds):
            for (generation, given), experiments in groups.items():
                draws = max(selection.draws for selection in experiments.values())
                captioner = run_captioner(job, encoder, lm, method, generation, draws, seed)
                seen = images
                extra: list[dict[str, Any]] = [{}] * len(images)
                if given and references:
                    seen, numbers = references_as_images(images, *references, repeat)
                    extra = [{"left_out_reference": number} for number in numbers]
                candidates = captioner.candidates(seen)
                for experiment, selection in experiments.items():
                    chosen = choose(captioner.encoded, seen, candidates, selection)
                    rows = [row | more for row, more in zip(chosen, extra, strict=True)]
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


def _references(job: Job, position: int) -> tuple[list[Caption], torch.Tensor]:
    """The captions of a test set, and their text features [N, d]."""
    captions = read_captions(job.inputs["reference_captions"][position])
    store = job.inputs["reference_features"][position]
    return captions, features_of([store], "test", [row.caption_id for row in captions])


def _sharing_candidates(
    job: Job, decoded: list[str]
) -> dict[tuple[GenerationSettings, str | None], dict[str, SelectionSettings]]:
    """Some experiments by what they are given and their generation settings: those that choose among the same
    candidates together."""
    groups: dict[tuple[GenerationSettings, str | None], dict[str, SelectionSettings]] = {}
    for experiment in decoded:
        generation, selection = decoding_settings(job, experiment)
        given = job.settings.get(f"experiments.{experiment}.given")
        groups.setdefault((generation, given), {})[experiment] = selection
    return groups
