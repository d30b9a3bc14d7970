"""Who stands above whom."""

from apps.accounts.models import User
from apps.core.actors import Actor
from apps.core.errors import NotAllowed


def is_almighty(actor: Actor) -> bool:
    """Say whether nothing is kept from the actor: the system, or a superuser."""
    return actor.is_almighty


def refuse_above(user: User, actor: Actor) -> None:
    """Whoever may change a superuser could sign in as one, so only superusers may. Raises ``NotAllowed``."""
    if user.is_superuser and not is_almighty(actor):
        raise NotAllowed("Only a superuser changes a superuser.", permission="accounts.change_user", actor=actor)
