"""What each figure of the gap shows, in words; read by the report as well, so nothing is imported here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Legend:
    """`alt` stands in for the image, `caption` goes below it."""

    alt: str
    caption: str


LEGENDS = {
    "gap": Legend(
        "Two panels: cosine of each kind of image feature to the captions; mean of the gap per dimension.",
        "How near features of an image lie to its captions, and whether the gap between the two has zero mean, as "
        "noise in training supposes. Marks: the image's best feature; ticks: the mean of its features. In the lower "
        "panel the dimensions are sorted by their mean; were it zero, nearly all would lie between the dotted lines.",
    ),
    "gap_similarity": Legend(
        "Five histograms per data set: cosines of pairs of images, of captions, and of an image and a caption.",
        "Cosines within and across modalities, over all pairs of the test set; lines mark the means. Where unrelated "
        "images lie closer together than an image and its own caption, the modalities form clusters of their own.",
    ),
    "gap_normality": Legend(
        "Four panels: quantiles of single dimensions, skewness and kurtosis over dimensions, quantiles of Mahalanobis "
        "distances, each against Gaussian samples.",
        "Is the gap Gaussian? Dashed: Gaussian samples with as many vectors and the same covariance. Top left: between "
        "the lines of one colour lie 90 % of the dimensions, in the shaded band those of the samples. Bottom right: "
        "squared Mahalanobis distances in the leading directions, per direction; above the diagonal there are more "
        "extreme gaps than a Gaussian has.",
    ),
    "gap_spectrum": Legend(
        "Two panels: share of the gap's variance in each principal direction, and the shares added up.",
        "Is the gap isotropic, as the injected noise is? Dashed: an isotropic Gaussian sample with as many vectors and "
        "dimensions.",
    ),
    "gap_plane": Legend(
        "Scatter plots of images and captions in one plane, a row for each repair, a column for each data set.",
        "Images and captions before and after each repair, all in one plane: from the mean of the captions to that of "
        "the images, and the first principal direction at right angles to it. Large marks: the means. Noise shrinks "
        "what the captions say, as all features have length 1; it does not move their mean to the images.",
    ),
    "gap_repairs": Legend(
        "Four panels, a row for each repair: cosine to captions, retrieval, separability, norm of the mean gap.",
        "What is left of the gap after each repair. Filled: cosine to the image's own captions; open: to captions of "
        "other images. Dotted: chance, or no gap.",
    ),
}
