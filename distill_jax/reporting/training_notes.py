"""What a report says against a training that ended too early."""


def unlearnt_note(model: str) -> str:
    """Return the sentence on a student that has learnt nothing yet."""
    return f"{model}: its training accuracy is at chance, and its training loss still falls: train it for more epochs."


def still_learns_note(model: str) -> str:
    """Return the sentence on a student whose training ended in the midst of learning."""
    return (
        f"{model}: its training ended in the midst of learning, its loss falling steeply up to the last epochs: train "
        "it for more epochs."
    )
