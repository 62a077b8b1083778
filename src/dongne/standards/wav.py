"""WAV (RIFF WAVE): speech that was written to a pipe says nothing right of its length."""

from dongne.model.errors import BadInput


def with_lengths(wav: bytes) -> bytes:
    """The same with the lengths of the file and of its samples as they are. Raises BadInput for something else."""
    data = wav.find(b"data", 12)
    if wav[:4] != b"RIFF" or wav[8:12] != b"WAVE" or data < 0:
        raise BadInput("this is no WAV")
    samples = len(wav) - data - 8
    return b"".join(
        (
            b"RIFF",
            (len(wav) - 8).to_bytes(4, "little"),
            wav[8:data],
            b"data",
            samples.to_bytes(4, "little"),
            wav[data + 8 :],
        )
    )
