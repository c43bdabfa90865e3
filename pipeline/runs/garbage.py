"""When Python looks for garbage: seldom while libraries are imported, whose objects stay, and never among them."""

import gc

# New objects before they are looked through. A tenth of the time of imports goes into that with Python's own number.
_IMPORTING = 200_000
_usual: tuple[int, int, int] | None = None


def import_without_collecting() -> None:
    """To be called by a process before it imports anything large, and that calls :func:`settle` after it."""
    global _usual
    if _usual is None:
        _usual = gc.get_threshold()
        gc.set_threshold(_IMPORTING, *_usual[1:])


def settle() -> None:
    """As Python does it from here on, which finds tensors that hold each other early, but not among what is there.

    That is never freed where it holds itself, so this must come before there is a model. Does nothing in a process
    whose garbage is somebody else's matter.
    """
    global _usual
    if _usual is not None:
        gc.freeze()
        gc.set_threshold(*_usual)
        _usual = None
