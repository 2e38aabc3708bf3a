"""One run -> captions of the experiments that decode with it, on one shard of each test set."""

from typing import Any

from ..core.job import Job
from ..core.settings import GenerationSettings, SelectionSettings
from ..data.features import read_image_features, references_as_images
from ..inference.captioning import choose
from ..inference.of_job import EncodedTestSet, Predictions, decoding_settings, run_captioner
from ..methods.of_job import method_of
from ..models.of_job import language_model, text_encoder


def run(job: Job) -> None:
    encoder, lm, method = text_encoder(job), language_model(job), method_of(job)
    made = Predictions()
    decoded_on = zip(job.settings["tested"], job.settings["decoded"], strict=True)
    for position, (tested, decoded) in enumerate(decoded_on):
        shard = job.inputs["images"][position]
        images, test = read_image_features([shard]), EncodedTestSet.of_job(job, tested, [shard])
        for repeat, seed in enumerate(job.seeds):
            own = [name for name in decoded if seed in job.seeds_of(name)]
            for (generation, given), experiments in _sharing_candidates(job, own).items():
                draws = max(selection.draws for selection in experiments.values())
                captioner = run_captioner(job, encoder, lm, method, generation, draws, seed)
                seen = images
                extra: list[dict[str, Any]] = [{}] * len(images)
                if given:
                    seen, numbers = references_as_images(images, test.captions, test.features, repeat)
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
                    made.add(about, rows, features, test)
    made.write(job)


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
