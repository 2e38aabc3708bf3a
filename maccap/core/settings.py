"""The configuration, said once: every key with its type, bounds, unit, default and meaning.

A profile is merged from its files in `config/` (see `project.read_config`) and checked against `Config`. The schema
that Snakemake reads and the page docs/config.md are made from it by `make schema`. Defaults are the settings of the
released code. A step gets dotted keys and builds the part that it needs with `settings`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

from .artifacts import stays_inside
from .errors import ConfigError
from .strict import Strict

S = TypeVar("S", bound=BaseModel)
REQUIRED = ...
CAPTIONS_PER_SCENE = 5  # in the embedded world
SMALLEST, LARGEST = 1e-15, 1e15  # of numbers other than 0: the squares of larger ones overflow float32 in sums


def setting(default: Any, meaning: str, unit: str = "", **bounds: Any) -> Any:
    """A key of the configuration; `unit` is what a number counts or measures."""
    return Field(default, description=meaning, json_schema_extra={"unit": unit} if unit else None, **bounds)


class Settings(Strict):
    """A section of the configuration, with numbers of a sane size."""

    model_config = ConfigDict(allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _sane(cls, value: Any) -> Any:
        if isinstance(value, (int, float)) and value and not SMALLEST <= abs(value) <= LARGEST:
            raise ValueError(f"a number must be 0 or between {SMALLEST:g} and {LARGEST:g} in size")
        return value


def changes(kind: type[Settings]) -> type[Settings]:
    """The same keys, each of them optional: what an entry, such as a run, sets in place of the profile's section."""
    fields: dict[str, Any] = {
        name: (field.rebuild_annotation() | None, Field(None, description=field.description))
        for name, field in kind.model_fields.items()
    }
    return create_model(kind.__name__.replace("Settings", "Changes"), __base__=Settings, **fields)


class TrainingSettings(Settings):
    """How an adaptor is trained."""

    batch_size: int = setting(32, "Captions of one step, over all GPUs.", "captions", ge=1)
    epochs: int = setting(8, "Passes over the captions.", "epochs", ge=1)
    learning_rate: float = setting(1e-4, "Peak of AdamW's learning rate; a cosine takes it to a tenth.", gt=0, le=1)
    warmup_steps: int = setting(200, "Steps in which the learning rate grows to its peak.", "steps", ge=0)
    weight_decay: float = setting(0.01, "AdamW's weight decay.", ge=0, le=10)
    max_grad_norm: float = setting(1.0, "Longer gradients are cut to this norm.", gt=0)
    text_length: int = setting(25, "Longest caption, begin and end included; the rest is cut.", "tokens", ge=2)
    noise_variance: float = setting(0.016, "Variance of the noise on a caption's embedding, in each dimension.", ge=0)
    copies: int = setting(10, "Noisy copies of each caption's embedding that the adaptor reads.", ge=1)
    queries: int = setting(32, "Soft tokens that the adaptor makes.", "tokens", ge=1)
    layers: int = setting(1, "Layers of the adaptor's Transformer decoder.", ge=1)
    dropout: float = setting(0.1, "Probability of dropout in the adaptor.", ge=0, le=1)
    memory_gain: float = setting(1.0, "Scale of the cross-attention's output weights before training.", gt=0, le=1e6)
    dropout_first_epoch_only: bool = setting(
        True, "As released: validation after the first epoch switches dropout off for good."
    )
    count_padding: bool = setting(True, "As released: the loss averages over padding, too.")
    precision: Literal["auto", "bf16", "fp16", "no"] = setting(
        "auto",
        "Of training and of the frozen language model. On a GPU `auto` is bf16, or else fp16; on a CPU both `auto` and "
        "`fp16` are `no`.",
    )
    log_every: int = setting(100, "Between lines of the training log.", "steps", ge=1)
    validate_every: int = setting(5000, "Between measurements of the validation loss.", "steps", ge=1)
    checkpoint_every: int = setting(2000, "Between saved states, from which a stopped training goes on.", "steps", ge=1)


class GenerationSettings(Settings):
    """What makes candidate captions from image features."""

    batch_size: int = setting(64, "Captioned together.", "images", ge=1)
    beams: int = setting(4, "Beams of the search.", ge=1)
    max_new_tokens: int = setting(16, "Longest candidate.", "tokens", ge=1)
    subregions: int = setting(10, "Subregion features of an image that the adaptor reads.", ge=1)
    patch_weight: float = setting(1.0, "Weight of the subregions beside the global feature.", ge=0)
    double_softmax: bool = setting(True, "As released: attention rows pass through softmax once more.")
    noise_variance: float = setting(0.016, "Variance of the noise on image features, in each dimension.", ge=0)
    prompt: str = setting("", "Text between soft tokens and caption.")


class SelectionSettings(Settings):
    """What chooses the caption among the candidates, and how its text is judged."""

    draws: int = setting(4, "Noise draws, one candidate each, from which CLIP chooses.", "candidates", ge=1)
    rerank_characters: int = setting(80, "CLIP reads this much of a candidate; 80 as released.", "characters", ge=1)
    clean: bool = setting(True, "As released: drop characters outside `[a-zA-Z0-9 ,.]` and four-digit runs.")
    clipscore_prompt: str = setting("A photo depicts ", "Put before a caption for CLIPScore, as published.")


def _question(prompt: str) -> str:
    try:
        if prompt.format(question="?") == prompt.format(question=""):
            raise ValueError("its braces are doubled")
    except Exception as error:  # a format may call whatever Python has
        raise ValueError(f"no text with {{question}} in it ({error}); write {{{{ and }}}} for other braces") from error
    return prompt


class AnsweringSettings(Settings):
    """How questions are answered."""

    batch_size: int = setting(128, "Answered together.", "questions", ge=1)
    beams: int = setting(5, "Beams of the search.", ge=1)
    max_new_tokens: int = setting(10, "Longest answer.", "tokens", ge=1)
    length_penalty: float = setting(
        -1.0, "Exponent of the length in a beam's score; negative prefers short answers.", ge=-10, le=10
    )
    prompt: Annotated[str, AfterValidator(_question)] = setting(
        "Question: {question} Short answer:", "What follows the soft tokens or the caption.", pattern=r"\{question\}"
    )


TrainingChanges = changes(TrainingSettings)
GenerationChanges = changes(GenerationSettings)
SelectionChanges = changes(SelectionSettings)
AnsweringChanges = changes(AnsweringSettings)


class ScenesSettings(Settings):
    """The size of the embedded world."""

    train: int = setting(REQUIRED, "Scenes of the training split, in each domain.", "scenes", ge=1)
    val: int = setting(REQUIRED, "Scenes of the validation split.", "scenes", ge=1)
    test: int = setting(REQUIRED, "Scenes of the test split; of fewer the gap cannot be measured.", "scenes", ge=5)
    questions: int = setting(REQUIRED, "About each scene.", "questions", ge=1)


def no_wildcard(path: str) -> str:
    """A path of the user's own, in which Snakemake would take what stands in braces for a wildcard."""
    if set(path) & set("{}"):
        raise ValueError("a path cannot have { or } in it, which are wildcards to Snakemake; rename or link it")
    return path


def _template(name: str) -> str:
    try:
        names = {name.format(image_id) for image_id in (0, 1, 2**63 - 1)}
    except Exception as error:  # a format may call whatever Python has
        raise ValueError(f"no file name template ({error}); write {{:012d}} for the id") from error
    if len(names) < 3:
        raise ValueError("names one file for several images; write {:012d} where the image id goes")
    if not all(map(stays_inside, names)):
        raise ValueError("leads out of the images; give a path inside them, without ..")
    return name


OwnPath = Annotated[str, Field(min_length=1), AfterValidator(no_wildcard)]


class Source(Settings):
    """Where a file comes from, here and wherever a data set names one: `asset` or `file`."""

    asset: str | None = setting(None, "An asset of the registry, which is downloaded.")
    file: OwnPath | None = setting(None, "A file or folder of your own.")
    member: str | None = setting(None, "The file inside an archive.")

    @model_validator(mode="after")
    def _one_place(self) -> Source:
        if (self.asset is None) == (self.file is None):
            raise ValueError("give either `asset` or `file`")
        return self


class TrainAndTest(Settings):
    """The files of both splits."""

    train: Source = setting(REQUIRED, "Of the training split.")
    test: Source = setting(REQUIRED, "Of the test split.")


class Shards(Settings):
    """Into how many jobs the features of a data set are cut."""

    captions: int = setting(1, "For the training captions.", "jobs", ge=1)
    images: int = setting(1, "For the test images, their captions and answers.", "jobs", ge=1)


class Size(Settings):
    """How large a data set is, for the estimate before anything runs."""

    captions: int = setting(0, "Of the training split.", "captions", ge=0)
    images: int = setting(0, "Of the test split.", "images", ge=0)
    questions: int = setting(0, "Of the test split.", "questions", ge=0)


class DatasetSettings(Settings):
    """A data set."""

    label: str = setting(REQUIRED, "Its name in tables.", min_length=1)
    format: str = setting(REQUIRED, "How its files are written: a file of maccap/data/; see docs/own-data.md.")
    captions: Source | None = setting(None, "Karpathy's file.")
    train: Source | None = setting(None, "Captions of the training split.")
    val: Source | None = setting(None, "Captions of the validation split.")
    test: Source | None = setting(None, "Captions of the test split.")
    images: Source | None = setting(None, "A folder or archive of the images.")
    image_name: Annotated[str, AfterValidator(_template)] | None = setting(
        None, "File name of an image by its id, as a Python format."
    )
    questions: TrainAndTest | None = setting(None, "VQA v2's questions.")
    annotations: TrainAndTest | None = setting(None, "VQA v2's annotations.")
    shards: Shards | None = setting(None, "Parallel jobs.")
    training: TrainingChanges | None = setting(None, "What differs from `training` for its captions.")  # type: ignore[valid-type]
    size: Size | None = setting(None, "For the estimate before anything runs.")


class EncoderSettings(Settings):
    """The frozen CLIP."""

    name: OwnPath = setting(REQUIRED, "A model's name in open_clip, or a folder: any ViT with a class token.")
    pretrained: OwnPath | None = setting(None, "With a model's name: its weights, a tag of open_clip or a file.")
    weights: str | None = setting(None, "The asset that holds the weights; without it open_clip downloads them.")
    batch_size: int = setting(256, "Encoded together.", "images or captions", ge=1)
    dtype: Literal["float16", "float32"] = setting("float16", "Of stored features.")


class LanguageModelSettings(Settings):
    """The frozen language model."""

    name: OwnPath = setting(REQUIRED, "A model's name on the hub, a folder, or a .gguf file.")
    dtype: Literal["float16", "bfloat16", "float32"] = setting("float16", "Of stored weights, for a named model.")


class VqaMethod(Settings):
    """A way of answering questions: a row of the tables of answers."""

    label: str = setting(REQUIRED, "Its name in tables.", min_length=1)
    context: Literal["prefix", "caption", "majority"] = setting(
        REQUIRED,
        "What stands before the question: soft tokens of the image (`prefix`) or its generated caption (`caption`); "
        "`majority` gives the most frequent answer to the type of question.",
    )
    experiment: str | None = setting(None, "The experiment whose soft tokens or captions are used.")
    language_model: OwnPath | None = setting(None, "Another language model that answers (`context: caption` alone).")
    answering: AnsweringChanges | None = setting(None, "What differs from `answering`.")  # type: ignore[valid-type]
    reported_as: str | None = setting(None, "The method's name in the file of published numbers.")

    @model_validator(mode="after")
    def _fitting(self) -> VqaMethod:
        if self.context != "majority" and self.experiment is None:
            raise ValueError(f"`context: {self.context}` needs an `experiment`")
        if self.context != "caption" and self.language_model is not None:
            raise ValueError(
                "soft tokens fit only the language model that the run was trained with; "
                "remove `language_model` or choose `context: caption`"
            )
        return self


class RunSettings(Settings):
    """What makes captions: a method with its options and training."""

    method: str = setting(REQUIRED, "A file of maccap/methods/.")
    options: dict[str, str | int | float | bool] | None = setting(
        None, "The method's own settings; see docs/methods.md."
    )
    training: TrainingChanges | None = setting(None, "What differs from `training`.")  # type: ignore[valid-type]
    repeats: int | None = setting(None, "Seeds, at most those of the profile, the default.", "seeds", ge=1)


Name = Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
Table = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
Dataset = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
Pair = Annotated[str, Field(pattern=r"^[a-z0-9_]+-[a-z0-9_]+$")]


class ExperimentSettings(Settings):
    """A row of the tables of captions: a run or published predictions. `blind` and `human` have neither."""

    label: str = setting(REQUIRED, "Its name in tables.", min_length=1)
    run: str | None = setting(None, "The run that makes its captions.")
    given: Literal["reference"] | None = setting(
        None,
        "`reference`: the run is given a reference's own text embedding in place of the image (repeat i: reference i), "
        "and its caption is scored against the others: what the method could reach without a modality gap and without "
        "subregions.",
    )
    published: dict[Pair, str] | None = setting(
        None, "Predictions that others published: an asset for each pair, trained on - tested on."
    )
    generation: GenerationChanges | None = setting(None, "What differs from `generation`.")  # type: ignore[valid-type]
    selection: SelectionChanges | None = setting(None, "What differs from `selection`.")  # type: ignore[valid-type]
    repeats: int | None = setting(
        None,
        "Seeds, at most those of its run (without one: of the profile), the default; compared on those that both have.",
        "seeds",
        ge=1,
    )
    against: str | None = setting(
        None, "The experiment that comparisons hold it against, in place of the table's reference."
    )
    lowers: str | None = setting(
        None, "The claim that a lower CIDEr than the reference's speaks for, in tables with `claims`."
    )
    raises: str | None = setting(
        None, "The claim that a higher CIDEr than the reference's speaks for, in tables with `claims`."
    )
    note: str | None = setting(None, "A remark under the table.")
    reported_as: str | None = setting(None, "The method's name in the file of published numbers.")
    trained_on: str | None = setting(None, "What to write there in place of the training data.")


def _distinct(values: list[str]) -> list[str]:
    if len(set(values)) < len(values):
        raise ValueError("an entry occurs twice")
    return values


Names = Annotated[list[str], Field(min_length=1), AfterValidator(_distinct)]
Pairs = Annotated[list[Pair], Field(min_length=1), AfterValidator(_distinct)]

KINDS: dict[str, tuple[str, ...]] = {  # of tables, with the keys that each needs
    "captions": ("pairs", "experiments"),
    "comparison": ("pairs", "experiments", "reference"),
    "sweep": ("pairs", "experiments", "key"),
    "vqa": ("trained", "dataset", "vqa_methods"),
    "vqa_types": ("trained", "dataset", "vqa_methods"),
    "nearness": (),
    "gap": (),
    "gap_repairs": (),
    "instruments": (),
}
ONE_PAIR = ("comparison", "sweep")  # whose rows are told apart by what was changed alone
EXTENDED = "+extended"  # at the end of the name of a file that only the target `extended` asks for
FINDINGS = tuple(kind for kind, keys in KINDS.items() if not keys)  # about encoder and language model, without a run


class TableSettings(Settings):
    """A table of the results."""

    title: str = setting(REQUIRED, "Its title.")
    kind: Literal[*KINDS] = setting(  # type: ignore[valid-type]
        REQUIRED,
        "`captions`: metrics; `comparison`: differences to a reference; `sweep`: one setting varied; `vqa` and "
        "`vqa_types`: answers; `nearness`, `gap`, `gap_repairs`: the modality gap; "
        "`instruments`: what encoder and language model can do.",
    )
    extended: bool = setting(False, "Made by the target `extended` alone.")
    pairs: Pairs | None = setting(None, "Trained on - tested on.")
    experiments: Names | None = setting(None, "Its rows, for captions.")
    reference: str | None = setting(None, "The row that the others are compared with.")
    claims: bool = setting(False, "Judge the claims of its experiments (`lowers`, `raises`), for a comparison.")
    key: str | None = setting(None, "The setting that a sweep varies, such as `training.noise_variance`.")
    trained: str | None = setting(None, "For answers: the data set trained on.")
    dataset: str | None = setting(None, "For answers: the data set asked about.")
    vqa_methods: Names | None = setting(None, "Its rows, for answers.")

    @model_validator(mode="after")
    def _complete(self) -> TableSettings:
        for name in KINDS[self.kind]:
            if getattr(self, name) is None:
                raise ValueError(f"a table of kind `{self.kind}` needs the key `{name}`")
        if self.kind in ONE_PAIR and self.pairs and len(self.pairs) > 1:
            raise ValueError(f"a table of kind `{self.kind}` shows one of `pairs`; make a table for each")
        if self.claims and self.kind != "comparison":
            raise ValueError("a table with `claims` is of kind `comparison`")
        return self


def _distinct_words(groups: list[list[str]]) -> list[list[str]]:
    _distinct([word for group in groups for word in group])
    return groups


Word = Annotated[str, Field(pattern=r"^[a-z]+$")]
Exclusive = Annotated[list[Annotated[list[Word], Field(min_length=2)]], AfterValidator(_distinct_words)]


class Exchanges(Settings):
    """Words in groups of which only one can be true: one in a caption is exchanged for another of its group.

    They are single words in small letters. Plurals in -s and -es are found; leave out nouns with another plural.
    """

    noun: Exclusive = setting([], "Things; exchanged for one that no caption of the image names.")
    colour: Exclusive = setting([], "Colours; exchanged for one that no caption of the image names.")
    count: Exclusive = setting([], "Numbers.")
    size: Exclusive = setting([], "Sizes.")
    place: Exclusive = setting([], "Places and directions.")


class InstrumentsSettings(Settings):
    """What is asked of encoder and language model before any method is trained on them."""

    images: int = setting(500, "Test images of each data set, at most.", "images", ge=2)
    exchanges: Exchanges = setting(Exchanges(), "Words that exclude each other.")


class ClipPretraining(Settings):
    """The embedded world's CLIP."""

    vocab_size: int = setting(REQUIRED, "Size of the vocabulary, with all bytes in it.", "tokens", ge=512)
    embed_dim: int = setting(REQUIRED, "Dimension of the features.", ge=1)
    width: int = setting(REQUIRED, "Width of both Transformers, a multiple of 32.", ge=32, multiple_of=32)
    vision_layers: int = setting(REQUIRED, "Layers of the image tower.", ge=1)
    text_layers: int = setting(REQUIRED, "Layers of the text tower.", ge=1)
    context: int = setting(REQUIRED, "Longest text.", "tokens", ge=1)
    image_size: int = setting(REQUIRED, "Side of an image.", "pixels", ge=1)
    patch_size: int = setting(REQUIRED, "Side of a patch.", "pixels", ge=1)
    scenes_per_domain: int = setting(REQUIRED, "Drawn for training.", "scenes", ge=1)
    batch_size: int = setting(REQUIRED, "Pairs of one step.", "pairs", ge=1)
    steps: int = setting(REQUIRED, "Length of training.", "steps", ge=2)
    naming_steps: int = setting(
        REQUIRED, "First steps, in which the image tower only learns to name single things.", "steps", ge=0
    )
    learning_rate: float = setting(REQUIRED, "Peak of AdamW's learning rate.", gt=0, le=1)

    @model_validator(mode="after")
    def _fitting(self) -> ClipPretraining:
        if self.patch_size > self.image_size or self.width > 3 * self.patch_size**2:
            raise ValueError("`patch_size` is between the root of a third of `width` and `image_size`")
        return self


class LmPretraining(Settings):
    """The embedded world's language model."""

    vocab_size: int = setting(REQUIRED, "Size of the vocabulary, with all bytes in it.", "tokens", ge=512)
    width: int = setting(REQUIRED, "Width of the Transformer.", ge=1)
    layers: int = setting(REQUIRED, "Its layers.", ge=1)
    heads: int = setting(REQUIRED, "Its attention heads.", ge=1)
    context: int = setting(REQUIRED, "Longest document, with its soft tokens.", "tokens", ge=1)
    steps: int = setting(REQUIRED, "Length of training.", "steps", ge=2)
    batch_size: int = setting(REQUIRED, "Documents of one step.", "documents", ge=1)
    learning_rate: float = setting(REQUIRED, "Peak of AdamW's learning rate.", gt=0, le=1)

    @model_validator(mode="after")
    def _fitting(self) -> LmPretraining:
        if self.width % self.heads:
            raise ValueError("`width` must be a multiple of `heads`")
        return self


class PretrainingSettings(Settings):
    """The recipe of the shipped models; only the rules `pretrain_clip` and `pretrain_lm` read it."""

    clip: ClipPretraining = setting(REQUIRED, "The encoder.")
    lm: LmPretraining = setting(REQUIRED, "The language model.")


class EncoderEstimate(Settings):
    """The encoder's size."""

    text_parameters: float = setting(REQUIRED, "Of the text tower, without embeddings.", "parameters", gt=0)
    image_parameters: float = setting(REQUIRED, "Of the image tower.", "parameters", gt=0)
    image_tokens: int = setting(REQUIRED, "Of an image.", "tokens", gt=0)
    dim: int = setting(REQUIRED, "Dimension of the features.", gt=0)


class EstimateSettings(Settings):
    """What the estimate that planning prints, and the resources that jobs ask of a cluster, assume."""

    language_model_parameters: float = setting(REQUIRED, "Size of the language model.", "parameters", gt=0)
    caption_tokens: float = setting(REQUIRED, "Of a caption, begin and end included.", "tokens", gt=0)
    question_tokens: float = setting(REQUIRED, "Soft tokens or caption, and the question.", "tokens", gt=0)
    encoder: EncoderEstimate = setting(REQUIRED, "Size of the encoder.")


class ReportedSettings(Settings):
    """Published numbers, to be shown beside those that come out here."""

    file: OwnPath = setting(REQUIRED, "Their file (CSV).")
    tolerance: float = setting(REQUIRED, "Difference within which a number counts as reproduced.", "points", ge=0)


class PrintedSettings(Settings):
    """What a paper would print of the tables."""

    columns: Names = setting(
        ["BLEU-4", "METEOR", "ROUGE-L", "CIDEr", "SPICE",
         "own caption", "other caption", "R@1", "separability", "mean norm"],
        "Columns of the LaTeX tables, which the report shows before it unfolds; differences always, and all columns of "
        "a table without any of these.",
    )  # fmt: skip
    bold: bool = setting(False, "The best of the trained methods in bold, in LaTeX, for each data set.")


class Config(Settings):
    """A profile."""

    profile: str = setting(REQUIRED, "Its name, that of its file in config/.", pattern=r"^[a-z0-9-]+$")
    extends: str | None = setting(None, "The profile that this one changes; without it, base.yaml alone.")
    seed: int = setting(REQUIRED, "Decides everything; repeat i uses seed + i.", ge=0, le=2**32 - 1)
    repeats: int = setting(
        REQUIRED, "Seeds of every run and experiment that names no fewer itself.", "seeds", ge=1, le=1000
    )
    reduced: bool = setting(REQUIRED, "Not the paper's data and models: no number counts as reproduced.")
    gpus: int = setting(
        REQUIRED, "For each training; other jobs use one of them at most, and 0 is the CPU.", "GPUs", ge=0
    )
    predictions: Literal["run", "experiment"] = setting(
        "run",
        "What one prediction job decodes: all experiments of a run (`run`: fewer processes) or one experiment "
        "(`experiment`: one more row of a table decodes nothing else again).",
    )
    registry: str | None = setting(None, "The file of assets that are downloaded: address, size, sha256, licence.")
    lock: str | None = setting(None, "The file that keeps what the first download of an unpinned asset was.")
    local: dict[str, OwnPath] = setting({}, "Files or folders that you have already, by asset.")
    scenes: ScenesSettings | None = setting(None, "The size of the embedded world.")
    datasets: dict[Dataset, DatasetSettings] = setting(REQUIRED, "The data sets, by name.", min_length=1)
    encoder: EncoderSettings = setting(REQUIRED, "The frozen CLIP.")
    language_model: LanguageModelSettings = setting(REQUIRED, "The frozen language model.")
    training: TrainingSettings = setting(TrainingSettings(), "How an adaptor is trained.")
    generation: GenerationSettings = setting(GenerationSettings(), "What makes candidate captions from image features.")
    selection: SelectionSettings = setting(SelectionSettings(), "What chooses among them.")
    answering: AnsweringSettings = setting(AnsweringSettings(), "How questions are answered.")
    runs: dict[Name, RunSettings] = setting(REQUIRED, "What makes captions, by name.")
    experiments: dict[Name, ExperimentSettings] = setting(REQUIRED, "Rows of the tables of captions, by name.")
    vqa_methods: dict[Name, VqaMethod] = setting({}, "Rows of the tables of answers, by name.")
    tables: dict[Table, TableSettings] = setting(
        REQUIRED, "The tables, by name; the page of samples and the example show the experiments of `in_domain`."
    )
    instruments: InstrumentsSettings = setting(InstrumentsSettings(), "What is asked of encoder and language model.")
    printed: PrintedSettings = setting(PrintedSettings(), "What a paper would print of the tables.")
    samples: dict[str, list[int]] = setting({}, "Ids of test images that the pages show besides others, by data set.")
    reported: ReportedSettings | None = setting(None, "Published numbers, shown beside those that come out here.")
    spice: str | None = setting(None, "The asset of Stanford CoreNLP; without it there is no SPICE.")
    estimate: EstimateSettings | None = setting(None, "What the estimate of time and disk assumes.")
    pretraining: PretrainingSettings | None = setting(None, "The recipe of the embedded world's models.")

    @model_validator(mode="after")
    def _complete(self) -> Config:
        if self.registry and not (self.lock and self.estimate):
            raise ValueError("a profile with a `registry` needs `lock` and `estimate`, too")
        return self


def complete(config: dict[str, Any]) -> dict[str, Any]:
    """A merged profile with every default filled in, checked; what is null is left out.

    Raises:
        ConfigError: an unknown or missing key, or a wrong value.
    """
    try:
        checked = Config.model_validate(_without_null(config))
    except ValidationError as error:
        raise ConfigError(told(error)) from error
    return checked.model_dump(exclude_none=True)


def _without_null(value: Any) -> Any:
    """A profile takes an entry or a key that base.yaml gives out again by saying null."""
    if not isinstance(value, dict):
        return value
    return {name: _without_null(below) for name, below in value.items() if below is not None}


def told(error: ValidationError, prefix: str = "", known: str = "docs/config.md lists those that do") -> str:
    """The first error in words; `known` says where or what the right keys are."""
    first = error.errors()[0]
    where = ".".join([*filter(None, [prefix]), *map(str, first["loc"])])
    if first["type"] == "extra_forbidden":
        return f"config key {where} does not exist; {known}"
    if first["type"] == "missing":
        return f"config key {where} is missing: add it to the profile's file in config/"
    said = first["msg"].removeprefix("Value error, ")
    given = "" if isinstance(first["input"], dict | BaseModel) else f", not {first['input']!r}"
    if first["type"] == "float_type" and isinstance(first["input"], str) and "e" in first["input"].lower():
        given += "; YAML wants 1e-3 with a point, 1.0e-3"
    return f"config key {where or 'at the top'}: {said}{given}"


def section(cfg: dict[str, Any], name: str) -> dict[str, Any]:
    """The keys under one dotted name, without that name."""
    return {key.removeprefix(name + "."): value for key, value in cfg.items() if key.startswith(name + ".")}


def labels(cfg: dict[str, Any], kind: str) -> dict[str, str]:
    """{name: label} of the data sets, experiments or VQA methods whose labels are among the dotted keys."""
    return {
        key.removesuffix(".label"): str(value) for key, value in section(cfg, kind).items() if key.endswith(".label")
    }


def swept(cfg: dict[str, Any], experiment: str, key: str) -> float:
    """The value of a setting, such as `training.noise_variance`, in an experiment."""
    run = cfg[f"experiments.{experiment}.run"]
    return float(cfg.get(f"experiments.{experiment}.{key}", cfg.get(f"runs.{run}.{key}", cfg[key])))


def settings(kind: type[S], cfg: dict[str, Any], *sections: str) -> S:
    """Build a settings object from dotted keys; a later section overrides an earlier one.

    A job's keys must hold every setting: a rule that forgot a section does not get defaults.

    Raises:
        ConfigError: a key that no setting has, a setting without a value, or a wrong value.
    """
    values: dict[str, Any] = {}
    for name in sections:
        found = section(cfg, name)
        if unknown := sorted(set(found).difference(kind.model_fields)):
            raise ConfigError(f"config key {name}.{unknown[0]} does not exist; known: {', '.join(kind.model_fields)}")
        values |= found
    if missing := sorted(set(kind.model_fields).difference(values)):
        raise ConfigError(f"config key {sections[0]}.{missing[0]} is missing: add it to the profile's file in config/")
    try:
        return kind(**values)
    except ValidationError as error:
        raise ConfigError(told(error, sections[0])) from error
