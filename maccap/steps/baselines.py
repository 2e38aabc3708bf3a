"""What captions can be held against on one test set, as predictions: `blind` and `human`.

`blind` is the language model alone, beam search from its begin token: the same text for every image and seed.
`human` is reference i of each image for seed number i; evaluation leaves it out of the references, so an image with a
single one has none.
"""

from ..core.job import Job
from ..core.settings import GenerationSettings, SelectionSettings, settings
from ..data.captions import references
from ..inference.of_job import EncodedTestSet, Predictions
from ..models.encoder import EncodedOnce
from ..models.of_job import language_model, text_encoder


def run(job: Job) -> None:
    generation = settings(GenerationSettings, job.settings, "generation")
    selection = settings(SelectionSettings, job.settings, "selection")
    encoded, lm, dataset = EncodedOnce(text_encoder(job)), language_model(job), job.settings["tested"]
    test = EncodedTestSet.of_job(job, dataset, job.inputs["images"])
    texts = references(test.captions)
    alone = lm.generate(None, [""], beams=generation.beams, max_new_tokens=generation.max_new_tokens)[0]
    made = Predictions()
    for experiment in ("blind", "human"):
        for index, seed in enumerate(job.seeds_of(experiment)):
            if experiment == "blind":
                rows = [{"image_id": image_id, "caption": alone} for image_id in texts]
            else:
                rows = [
                    {"image_id": i, "caption": own[index % len(own)], "left_out_reference": index % len(own)}
                    for i, own in texts.items()
                    if len(own) > 1
                ]
            features = encoded.features([selection.clipscore_prompt + str(row["caption"]) for row in rows])
            about = {"trained": dataset, "experiment": experiment, "tested": dataset, "seed": seed}
            made.add(about, rows, features, test)
    made.write(job)
