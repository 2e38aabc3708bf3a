"""A trained run at work on anybody's images, from its folder alone, wherever that lies."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from ..core.errors import DataError
from ..core.project import CONFIG, PACKAGE
from ..data.features import ImageFeatures
from ..data.images import read_image, upright
from ..data.vqa import VqaQuestion
from ..methods.base import Resources, TrainedMethod, read_resources
from ..methods.registry import load_method
from ..models.devices import frozen_dtype
from ..models.encoder import EncodedOnce, load_encoder
from ..models.image_features import encode_images
from ..models.language_model import load_language_model
from ..training.run_file import WEIGHTS, Frozen, ResourceFiles, RunFile, read_run
from .answering import answer_questions
from .captioning import Captioner, choose, load_adaptor

SHIPPED = PACKAGE / "maccap/world/runs"  # by domain


@dataclass(frozen=True)
class ImageCaption:
    """The caption of an image: the one of the candidates that CLIP finds nearest to the image.

    Attributes:
        scores: cosine of each candidate to the image.
    """

    text: str
    candidates: list[str]
    scores: list[float]


@dataclass(frozen=True)
class Run:
    """A trained run with its frozen models and settings.

    Attributes:
        about: the content of its run.json.
    """

    about: RunFile
    captioner: Captioner

    def __repr__(self) -> str:
        return f"<run {self.about.run} of {self.about.trained}, seed {self.about.seed}>"

    def caption(self, images: Sequence[Path | str | Image.Image]) -> list[ImageCaption]:
        """Captions of image files or PIL images, decoded with the run's own settings.

        An image's noise is drawn from the run's seed and the image's own pixels, and each image is encoded and decoded
        alone: in a batch, sums are rounded in another way, which may decide between candidates.

        Raises:
            DataError: a file is missing or is not an image, or one image is given in place of a list.
        """
        if isinstance(images, Path | str | Image.Image):
            raise DataError(f"{images}: caption takes a list of images: `run.caption([image])`")
        return [self.caption_features(self.features(image)) for image in images]

    def answer(self, image: Path | str | Image.Image, question: str) -> str:
        """The answer to a question about an image, generated behind the image's soft tokens.

        Raises:
            DataError: the file is missing or is not an image.
        """
        features = self.features(image)
        asked = [VqaQuestion(0, int(features.ids[0]), question)]
        return answer_questions(self.captioner.lm, asked, self.about.answering, (self.captioner, features))[0]["answer"]

    def features(self, image: Path | str | Image.Image) -> ImageFeatures:
        """What the encoder sees in an image."""
        read = upright(image) if isinstance(image, Image.Image) else read_image(image)
        return ImageFeatures(torch.tensor([_id(read)]), *encode_images(self.captioner.encoder, [read]))

    def caption_features(self, features: ImageFeatures) -> ImageCaption:
        """The caption of an image whose features are at hand."""
        candidates, fresh = self.captioner.candidates(features), EncodedOnce(self.captioner.encoder)
        [row] = choose(fresh, features, candidates, self.about.selection)
        return ImageCaption(row["caption"], row["candidates"], row["scores"])


def load_run(folder: Path | str | None = None, device: torch.device | str = "cpu") -> Run:
    """A trained run from its folder, which holds `run.json` and `adaptor.safetensors`.

    The package has two of its own, of MacCap in the embedded world: `daylight`, which is also the default, and `chalk`;
    they go by these names where no such folder is.

    A run's frozen models and other files are looked up in the working directory, then in the project that the folder
    lies in, then beside the installed package; a model that the config names by its name is loaded by that name where
    the workflow's folder of it is not there.

    Raises:
        DataError: there is no finished run, or a file that it needs is nowhere.
        EncoderError, ConfigError: a frozen model cannot be loaded, or does not fit the run.
    """
    folder = Path(folder or SHIPPED / "daylight")
    if not folder.exists() and (SHIPPED / folder).exists():
        folder = SHIPPED / folder
    about = read_run(folder)
    if not (folder / WEIGHTS).is_file():
        raise DataError(
            f"{folder}: its {WEIGHTS} is not there (crates and git leave trained weights out); copy it from the "
            "checkout that trained the run, or train it again there: `snakemake --cores all`"
        )
    here = _model_folder(about.encoder, folder)
    pretrained = None if here else getattr(about.encoder, "pretrained", None)
    encoder = load_encoder(str(here or about.encoder.name), pretrained, device)
    here = _model_folder(about.language_model, folder)
    dtype = frozen_dtype(torch.device(device), about.training.precision)
    lm = load_language_model(str(here or about.language_model.name), device, dtype)
    method = load_method(about.method, about.training, about.options, _resources(about.resources, folder))
    assert isinstance(method, TrainedMethod), "others leave no run folder"
    adaptor = load_adaptor(method, folder / WEIGHTS, about.feature_dim, lm.dim)
    return Run(about, Captioner(encoder, lm, method, adaptor, about.generation, about.selection.draws, about.seed))


def _model_folder(model: Frozen, folder: Path) -> Path | None:
    """Where a frozen model's folder is; None for a model that the config names by its name, and that is not there."""
    if model.folder == model.name:
        return _found(model.folder, folder)
    return next((place for place in _places(model.folder, folder) if place.is_dir()), None)


def _resources(files: ResourceFiles, folder: Path) -> Resources:
    memory = files.memory
    shards = ([_found(path, folder) for path in memory.features], _found(memory.captions, folder)) if memory else None
    pairs, vocabulary = (_found(path, folder) if path else None for path in (files.pairs, files.vocabulary))
    return read_resources(shards, pairs, vocabulary)


def _found(name: str, folder: Path) -> Path:
    places = _places(name, folder)
    if found := next((place for place in places if place.exists()), None):
        return found
    looked = ", ".join(str(place.parent) for place in places)
    raise DataError(f"{folder}: needs {name}, which is not there (looked in {looked}); run from the project's folder")


def _places(name: str, folder: Path) -> list[Path]:
    """Where a name of run.json may lie: the working directory, the run folder's project, beside the package."""
    projects = [parent for parent in folder.resolve().parents if (parent / CONFIG).is_file()]
    return [root / name for root in (Path(), *projects[:1], PACKAGE)]


def _id(image: Image.Image) -> int:
    """A number that an image's pixels decide."""
    digest = hashlib.blake2b(repr(image.size).encode() + image.tobytes(), digest_size=7)
    return int.from_bytes(digest.digest())
