"""Who stands above whom."""

from apps.core.actors import Actor


def is_almighty(actor: Actor) -> bool:
    """Say whether nothing is kept from the actor: the system, or a superuser."""
    return actor.is_almighty
