"""Which members of a zip take no more memory than is asked for. Shared by both halves; standard library only."""

import zipfile


def unpacks_in_pieces(member: zipfile.ZipInfo) -> bool:
    """Whether Python unpacks a member as far as it is read: of bzip2 and LZMA it unpacks a block at once.

    A block of thousands of bytes may make gigabytes, whatever size is declared.
    """
    return member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
